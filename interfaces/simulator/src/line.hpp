// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A pseudo terminal made as slow as a serial line: 10 bits a character, in both directions.
//
// The kernel hands bytes over at once. Here a byte that was written at the other end counts as
// received only when its last bit would have arrived, and a byte that is sent shows up at the other
// end only when the line has carried it. Times are kept as deadlines, not as pauses, so a late
// timer makes a byte late but never the line slower.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "backplane/host.hpp"
#include "pty.hpp"

namespace backplane::simulator {

class Line {
public:
    /// `received` is called for each byte, from the host's loop; it may call send().
    Line(sdk::Host& host, int baud, std::function<void(std::uint8_t)> received);

    const std::string& path() const noexcept { return pty_.path(); }

    /// Puts bytes on the line after `delay`, behind those that are still on it. What exceeds 4096
    /// bytes is lost.
    void send(std::string_view bytes, std::chrono::nanoseconds delay = {});
    /// What is still on the line never arrives.
    void clear();

private:
    struct Byte {
        sdk::TimePoint due;
        std::uint8_t value;
    };

    void readable();
    void advance();
    void deliver(std::uint8_t value);

    sdk::Host& host_;
    const std::chrono::nanoseconds byte_time_;
    std::function<void(std::uint8_t)> received_;
    Pty pty_;
    std::deque<Byte> incoming_;
    std::deque<Byte> outgoing_;
    sdk::TimePoint incoming_free_{};
    sdk::TimePoint outgoing_free_{};
    std::optional<sdk::TimePoint>
        moment_;  ///< inside received_: when the byte arrived, however late we are
    sdk::Timer timer_;
    sdk::FdWatch watch_;
};

}  // namespace backplane::simulator
