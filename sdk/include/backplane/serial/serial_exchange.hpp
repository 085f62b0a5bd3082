// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Question and answer over a serial line, one at a time, with a deadline, and never with somebody
// else's answer.
//
// A late answer is the danger: it looks like the answer to the next question. So input is flushed
// before each request; and the first frame after a question that got no answer is not handed out
// but reported as `stale`, once the line has been quiet for long enough that no other answer can
// still be under way. The caller just asks again.
#pragma once

#include <algorithm>

#include "backplane/serial/framing.hpp"
#include "backplane/serial/serial_port.hpp"

namespace backplane::sdk::serial {

struct Timing {
    std::chrono::nanoseconds total = 1s;    ///< from the request to the end of the answer
    std::chrono::nanoseconds silence = 1s;  ///< before the first byte and between two
};

struct Answer {
    enum class Outcome {
        frame,     ///< `bytes` is the frame
        timeout,   ///< nothing came
        garbage,   ///< something came, but no frame
        damaged,   ///< a byte came with a parity or framing error, or a break
        overflow,  ///< the frame became longer than frames are
        stale,     ///< a frame came, but it may belong to an earlier request: ask again
    };
    Outcome outcome = Outcome::timeout;
    std::string bytes;  ///< the frame, or the first 256 bytes that came instead
};

/// Owner: the driver, with the SerialPort. The callback may begin the next request or destroy
/// everything. After the port was lost (SerialPort says so) there is no callback any more.
class SerialExchange {
public:
    using DoneFn = std::function<void(Answer)>;

    SerialExchange(Host& host, SerialPort& port)
        : host_(host), port_(port), timer_(host, [this] { timed_out(); }) {
        port_.listen([this](std::span<const Byte> bytes) { received(bytes); });
    }
    ~SerialExchange() { port_.listen({}); }
    SerialExchange(const SerialExchange&) = delete;
    SerialExchange& operator=(const SerialExchange&) = delete;

    bool busy() const noexcept { return state_ != State::idle; }

    /// Throws Failure when a request is under way.
    void request(std::string_view bytes, const Framing& framing, Timing timing, DoneFn done) {
        if (busy()) throw Failure(BP_E_BUSY, "a serial exchange is under way");
        port_.flush_input();
        port_.write(bytes);
        const TimePoint now = host_.now();
        if (owed_) gap_ = std::max<std::chrono::nanoseconds>(gap_, now - sent_);
        sent_ = now;
        last_byte_ = now + port_.line().character_time() * static_cast<long>(bytes.size());
        timing_ = timing;
        deadline_ = last_byte_ + timing.total;
        done_ = std::move(done);
        buffer_.emplace(framing);
        heard_.clear();
        state_ = State::waiting;
        arm();
    }
    /// Forget the request; its answer, should it come, is never taken for another's.
    void cancel() {
        if (busy()) owed_ = true;
        state_ = State::idle;
        timer_.cancel();
    }

private:
    enum class State { idle, waiting, discarding };
    static constexpr std::size_t k_max_heard = 256;

    void received(std::span<const Byte> bytes) {
        if (!busy()) return;  // nobody asked; the next request begins with a flush
        last_byte_ = host_.now();
        for (const Byte& byte : bytes) {
            if (heard_.size() < k_max_heard) heard_.push_back(byte.value);
            if (state_ == State::discarding) continue;
            if (byte.kind != Byte::Kind::good) {
                discard(Answer::Outcome::damaged, noise_gap());
                continue;
            }
            buffer_->push(byte.value);
            if (auto frame = buffer_->take()) {
                if (!owed_) return finish({Answer::Outcome::frame, std::move(*frame)});
                discard(Answer::Outcome::stale, std::max(timing_.total, gap_) + 50ms);
            } else if (buffer_->overflown()) {
                discard(Answer::Outcome::overflow, noise_gap());
            }
        }
        arm();
    }

    /// No answer of this request is used any more: wait until the line is quiet, then say so.
    void discard(Answer::Outcome outcome, std::chrono::nanoseconds quiet) {
        state_ = State::discarding;
        outcome_ = outcome;
        quiet_ = quiet;
        deadline_ = std::max(deadline_, host_.now() + quiet * 3);  // some lines are never quiet
    }
    /// USB adapters hold bytes back for up to 16 ms, which looks like a pause.
    std::chrono::nanoseconds noise_gap() const {
        return std::max<std::chrono::nanoseconds>(port_.line().character_time() * 5, 25ms);
    }

    void arm() {
        const auto pause = state_ == State::discarding ? quiet_ : timing_.silence;
        timer_.start_once(std::min(deadline_, last_byte_ + pause) - host_.now());
    }
    void timed_out() {
        if (state_ == State::discarding) {
            if (outcome_ == Answer::Outcome::stale) {
                owed_ = false;
                gap_ = 0ns;
            }
            return finish({outcome_, heard_});
        }
        owed_ = true;
        finish({heard_.empty() ? Answer::Outcome::timeout : Answer::Outcome::garbage, heard_});
    }
    void finish(Answer answer) {
        state_ = State::idle;
        timer_.cancel();
        const DoneFn call = std::exchange(done_, nullptr);
        if (call) call(std::move(answer));  // last: it may destroy this
    }

    Host& host_;
    SerialPort& port_;
    Timer timer_;
    State state_ = State::idle;
    Timing timing_;
    DoneFn done_;
    std::optional<FrameBuffer> buffer_;
    std::string heard_;
    TimePoint sent_{}, last_byte_{}, deadline_{};
    std::chrono::nanoseconds quiet_{}, gap_{};
    Answer::Outcome outcome_ = Answer::Outcome::garbage;
    bool owed_ = false;  // an earlier request may still be answered
};

}  // namespace backplane::sdk::serial
