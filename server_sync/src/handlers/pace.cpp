// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "handlers/pace.hpp"

namespace backplane::sync {

namespace {

/// Head of the answer, and what TLS and chunks add to its body: never as much as this.
constexpr std::uint64_t k_wire_overhead = 1024 * 1024;

}  // namespace

Line::Cut Pace::look(Time now, const Sight& sight) {
    if (now - start_ >= limits_.total) return Line::Cut::total;
    // The limit of the body does not see a head without end.
    if (sight.wire_bytes > limits_.bytes + limits_.bytes / 4 + k_wire_overhead)
        return Line::Cut::flood;
    if (sight.sockets == 0) return Line::Cut::none;
    if (sight.sockets != sockets_) {
        sockets_ = sight.sockets;
        marks_.clear();
    }
    marks_.push_back({now, sight.received});
    while (marks_.size() > 1 && now - marks_[1].time >= limits_.slow_for) marks_.pop_front();
    const Mark& then = marks_.front();
    if (now - then.time < limits_.slow_for) return Line::Cut::none;
    const double seconds = std::chrono::duration<double>(now - then.time).count();
    const auto came = static_cast<double>(sight.received - then.received);
    if (came >= seconds * static_cast<double>(limits_.slow_bytes_per_s)) return Line::Cut::none;
    return sight.received == 0 ? Line::Cut::silent : Line::Cut::slow;
}

}  // namespace backplane::sync
