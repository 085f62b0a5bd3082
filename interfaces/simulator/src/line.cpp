// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "line.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace backplane::simulator {

namespace {

constexpr std::size_t k_most_bytes = 4096;
constexpr int k_bits_of_a_byte = 10;  // start, seven and parity or eight, stop

}  // namespace

Line::Line(sdk::Host& host, int baud, std::function<void(std::uint8_t)> received)
    : host_(host),
      byte_time_(std::chrono::nanoseconds{std::chrono::seconds{k_bits_of_a_byte}} / baud),
      received_(std::move(received)),
      pty_(host),
      timer_(host, [this] { advance(); }),
      watch_(host, pty_.fd(), BP_FD_READ, [this](std::uint32_t) { readable(); }) {}

void Line::readable() {
    std::array<std::uint8_t, 256> bytes{};
    const ssize_t size = ::read(pty_.fd(), bytes.data(), bytes.size());
    if (size <= 0) return;  // never a hang-up: we hold the other end open ourselves
    const sdk::TimePoint now = host_.now();
    for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) {
        // An overrun: a receiver without flow control loses what it cannot take.
        if (incoming_.size() == k_most_bytes) break;
        incoming_free_ = std::max(incoming_free_, now) + byte_time_;
        incoming_.push_back({incoming_free_, bytes[i]});
    }
    advance();
}

void Line::send(std::string_view bytes, std::chrono::nanoseconds delay) {
    outgoing_free_ = std::max(outgoing_free_, moment_.value_or(host_.now()) + delay);
    for (const char byte : bytes) {
        if (outgoing_.size() == k_most_bytes) break;
        outgoing_free_ += byte_time_;
        outgoing_.push_back({outgoing_free_, static_cast<std::uint8_t>(byte)});
    }
    if (!moment_) advance();
}

void Line::clear() {
    incoming_.clear();
    outgoing_.clear();
    incoming_free_ = outgoing_free_ = {};
    timer_.cancel();
}

void Line::advance() {
    const sdk::TimePoint now = host_.now();
    const auto due = [now](const std::deque<Byte>& bytes) {
        return !bytes.empty() && bytes.front().due <= now;
    };
    while (due(incoming_) || due(outgoing_)) {
        // In the order of time, as both directions of a line run at once.
        if (!due(incoming_) || (due(outgoing_) && outgoing_.front().due <= incoming_.front().due)) {
            deliver(outgoing_.front().value);
            outgoing_.pop_front();
            continue;
        }
        const Byte byte = incoming_.front();
        incoming_.pop_front();
        struct Reset {
            std::optional<sdk::TimePoint>& moment;
            ~Reset() { moment.reset(); }
        } const reset{moment_};
        moment_ = byte.due;
        received_(byte.value);
    }
    if (incoming_.empty() && outgoing_.empty()) {
        timer_.cancel();
        return;
    }
    sdk::TimePoint next = sdk::TimePoint::max();
    if (!incoming_.empty()) next = incoming_.front().due;
    if (!outgoing_.empty()) next = std::min(next, outgoing_.front().due);
    timer_.start_once(next - now);
}

void Line::deliver(std::uint8_t value) {
    // Nobody reads at the other end and its buffer is full: the byte is lost, as on any line
    // without flow control.
    [[maybe_unused]] const ssize_t written = ::write(pty_.fd(), &value, 1);
}

}  // namespace backplane::simulator
