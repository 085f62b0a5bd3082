// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// When the server is asked: spread out, so that a thousand boxes that got power at the same moment do not come at the
// same moment, and ever more rarely while it does not answer.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

namespace backplane::core {

class PollSchedule {
public:
    struct Times {
        std::chrono::milliseconds jitter{60'000};  ///< of the first poll; 0: no randomness at all
        std::chrono::milliseconds interval{std::chrono::hours{24}};
        std::chrono::milliseconds first_retry{60'000};  ///< doubled with each further failure
        std::chrono::milliseconds longest_retry{std::chrono::hours{6}};
    };
    /// `random` gives numbers from 0 to 1.
    PollSchedule(Times times, std::function<double()> random)
        : times_(times), random_(std::move(random)) {}

    std::chrono::milliseconds after_start() { return part(times_.jitter); }
    std::chrono::milliseconds after_success() {
        retry_ = {};
        return spread(times_.interval);
    }
    std::chrono::milliseconds after_failure() {
        retry_ =
            retry_.count() == 0 ? times_.first_retry : std::min(retry_ * 2, times_.longest_retry);
        return std::min(spread(retry_), times_.longest_retry);
    }

private:
    std::chrono::milliseconds part(std::chrono::milliseconds whole) {
        return std::chrono::milliseconds{
            static_cast<std::int64_t>(static_cast<double>(whole.count()) * random_())};
    }
    /// Up to a tenth more or less.
    std::chrono::milliseconds spread(std::chrono::milliseconds time) {
        if (times_.jitter.count() == 0) return time;
        return time - time / 10 + part(time / 5);
    }

    Times times_;
    std::function<double()> random_;
    std::chrono::milliseconds retry_{};
};

}  // namespace backplane::core
