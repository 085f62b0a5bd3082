// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// When is a download too slow? The rule, without clock and socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "backplane/sync/handlers.hpp"
#include "server/line.hpp"

namespace backplane::sync {

class Pace {
public:
    using Time = std::chrono::steady_clock::time_point;

    struct Sight {
        std::uint64_t received = 0;    ///< of the body
        std::uint64_t wire_bytes = 0;  ///< of everything; 0: unknown
        unsigned sockets = 0;          ///< that there were
    };

    Pace(const HandlerLimits& limits, Time start) : limits_(limits), start_(start) {}

    /// Cut::none as long as it is well. Times do not run backwards.
    Line::Cut look(Time now, const Sight& sight);

private:
    struct Mark {
        Time time;
        std::uint64_t received;
    };
    HandlerLimits limits_;
    Time start_;
    unsigned sockets_ = 0;
    std::deque<Mark> marks_;  ///< of this connection; the first is `slow_for` old, once one is
};

}  // namespace backplane::sync
