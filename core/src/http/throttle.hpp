// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a crowd of clients causes is said in the log once, then only counted for a while.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace backplane::core {

/// Says something once, then at most every ten seconds how often it has happened since.
class Throttle {
public:
    /// The number of times to report now, or nothing.
    std::optional<std::uint64_t> happened() {
        ++count_;
        const auto now = std::chrono::steady_clock::now();
        if (now < next_) return std::nullopt;
        next_ = now + std::chrono::seconds{10};
        return std::exchange(count_, 0);
    }

private:
    std::chrono::steady_clock::time_point next_{};
    std::uint64_t count_ = 0;
};

}  // namespace backplane::core
