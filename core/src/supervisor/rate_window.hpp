// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How much there was within the last ten seconds, in ten slots of one second.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <numeric>

namespace backplane::core {

class RateWindow {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t k_slots = 10;

    /// Adds, and returns the sum of the window.
    std::uint64_t add(std::uint64_t amount, Clock::time_point now = Clock::now()) {
        const auto second =
            std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
        if (second - last_second_ >= static_cast<std::int64_t>(k_slots)) {
            slots_.fill(0);
            last_second_ = second;
        }
        for (; last_second_ < second; ++last_second_) slot(last_second_ + 1) = 0;
        slot(second) += amount;
        return std::accumulate(slots_.begin(), slots_.end(), std::uint64_t{0});
    }

private:
    std::uint64_t& slot(std::int64_t second) {
        return slots_[static_cast<std::size_t>(second) % k_slots];
    }

    std::array<std::uint64_t, k_slots> slots_{};
    std::int64_t last_second_ = 0;
};

}  // namespace backplane::core
