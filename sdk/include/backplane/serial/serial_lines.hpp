// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Frames of a device that sends by itself, without being asked.
#pragma once

#include "backplane/serial/framing.hpp"
#include "backplane/serial/serial_port.hpp"

namespace backplane::sdk::serial {

/// Owner: the driver, with the SerialPort. Hands out whole, undamaged frames only; the rest of a
/// damaged or oversized one is skipped up to the framing's end byte, or to the next pause when it
/// has none.
class SerialLines {
public:
    using FrameFn = std::function<void(std::string frame)>;
    using TroubleFn = std::function<void(std::string_view what)>;

    /// `pause`: a frame that stands still for so long will not be finished.
    SerialLines(Host& host, SerialPort& port, const Framing& framing,
                std::chrono::nanoseconds pause, FrameFn frame, TroubleFn trouble = {})
        : port_(port),
          framing_(framing),
          buffer_(framing),
          pause_(pause),
          frame_(std::move(frame)),
          trouble_(std::move(trouble)),
          timer_(host, [this] { paused(); }) {
        port_.listen([this](std::span<const Byte> bytes) { received(bytes); });
    }
    ~SerialLines() { port_.listen({}); }
    SerialLines(const SerialLines&) = delete;
    SerialLines& operator=(const SerialLines&) = delete;

private:
    void received(std::span<const Byte> bytes) {
        const std::weak_ptr<int> life = life_;
        for (const Byte& byte : bytes) {
            if (skipping_) {
                if (byte.kind == Byte::Kind::good && framing_.end && byte.value == *framing_.end)
                    skipping_ = false;
                continue;
            }
            if (byte.kind != Byte::Kind::good) {
                skip(byte.kind == Byte::Kind::line_break
                         ? "the line was interrupted (break)"
                         : "a byte came with a parity or framing error");
            } else {
                buffer_.push(byte.value);
                if (auto frame = buffer_.take()) {
                    const FrameFn call = frame_;
                    call(std::move(*frame));
                } else if (buffer_.overflown()) {
                    skip("a frame became longer than frames are");
                }
            }
            if (life.expired()) return;  // the callback has destroyed this
        }
        if (skipping_ || !buffer_.empty())
            timer_.start_once(pause_);
        else
            timer_.cancel();
    }
    void skip(std::string_view what) {
        skipping_ = true;
        buffer_.clear();
        const TroubleFn call = trouble_;
        if (call) call(what);
    }
    void paused() {
        skipping_ = false;
        if (buffer_.empty()) return;
        buffer_.clear();
        const TroubleFn call = trouble_;
        if (call) call("a frame was not finished");
    }

    SerialPort& port_;
    Framing framing_;
    FrameBuffer buffer_;
    std::chrono::nanoseconds pause_;
    FrameFn frame_;
    TroubleFn trouble_;
    Timer timer_;
    bool skipping_ = false;
    std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

}  // namespace backplane::sdk::serial
