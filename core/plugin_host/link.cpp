// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "link.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>

#include <algorithm>

#include <unistd.h>

#include "exit_codes.hpp"
#include "util/utf8.hpp"

namespace backplane::core::host {
namespace json = boost::json;
using ipc::FrameType;
using ipc::Importance;
using Outcome = ipc::Outbox::Outcome;

namespace {
constexpr unsigned k_frames_per_turn = 64;
constexpr std::chrono::milliseconds k_starved_pause{20};
constexpr std::chrono::seconds k_dropped_period{1};
}  // namespace

bool PerSecond::pass(std::chrono::steady_clock::time_point now) {
    const std::lock_guard lock{mutex_};
    if (now - since_ >= std::chrono::seconds{1}) {
        since_ = now;
        passed_ = 0;
    }
    if (passed_ >= most_) return false;
    ++passed_;
    return true;
}

Link::Link(boost::asio::io_context& loop, int socket)
    : loop_(loop),
      socket_(loop, socket),
      pause_(loop),
      dropped_timer_(loop),
      outbox_(socket, ipc::Outbox::Limits{}) {}

void Link::listen(OnFrame on_frame, OnClosed on_closed) {
    on_frame_ = std::move(on_frame);
    on_closed_ = std::move(on_closed);
    wait_for_frames();
}

void Link::wait_for_frames() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                           if (!error) receive();
                       });
}

void Link::receive() {
    for (unsigned i = 0; i < k_frames_per_turn; ++i) {
        switch (ipc::receive_packet(socket_.native_handle(), packet_)) {
            case ipc::Received::nothing:
                wait_for_frames();
                return;
            case ipc::Received::closed:
                on_closed_();
                return;
            case ipc::Received::broken:
                ::_exit(k_exit_broken_frame);
            case ipc::Received::packet:
                break;
        }
        auto frame =
            ipc::decode_frame(packet_.bytes, std::move(packet_.fds), ipc::Direction::to_host);
        packet_.fds.clear();
        // The daemon is believed, but what cannot be understood cannot be obeyed either.
        if (!frame) ::_exit(k_exit_broken_frame);
        on_frame_(std::move(*frame));
    }
    wait_for_frames();
}

void Link::arm(Outcome outcome) {
    if (outcome == Outcome::sent || outcome == Outcome::gone || outcome == Outcome::full) return;
    // From any thread: the descriptor and the timer belong to the loop.
    boost::asio::post(loop_, [this, outcome] {
        if (flushing_) return;
        flushing_ = true;
        if (outcome == Outcome::starved) {
            pause_.expires_after(k_starved_pause);
            pause_.async_wait([this](const boost::system::error_code&) { flush(); });
        } else {
            socket_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                               [this](const boost::system::error_code&) { flush(); });
        }
    });
}

void Link::flush() {
    flushing_ = false;
    const Outcome outcome = outbox_.flush();
    arm(outcome);
    if (outcome == Outcome::sent) report_dropped();
}

void Link::say(ipc::OutgoingFrame frame, Importance importance) {
    const Outcome outcome = outbox_.push(std::move(frame), importance);
    // Each of these answers is one that somebody waits for; without it the daemon would have to
    // guess.
    if (outcome == Outcome::full) ::_exit(k_exit_not_read);
    arm(outcome);
}

bool Link::offer_event(ipc::OutgoingFrame frame) {
    const Outcome outcome = outbox_.push(std::move(frame), Importance::droppable);
    arm(outcome);
    if (outcome != Outcome::full) return true;
    count(dropped_events_);
    return false;
}

bool Link::has_room() const {
    return outbox_.waiting_bytes() < ipc::Outbox::Limits{}.droppable_bytes;
}

void Link::log(std::uint64_t instance, std::int32_t level, std::string_view text) {
    if (!lines_.pass()) return count(dropped_lines_);
    json::object body;
    body["level"] = std::clamp<std::int32_t>(level, 1, 4);
    body["text"] = to_valid_utf8(text, ipc::k_text_bytes);
    const Outcome outcome =
        outbox_.push(ipc::make_frame(FrameType::log, instance, 0, body), Importance::droppable);
    arm(outcome);
    if (outcome == Outcome::full) count(dropped_lines_);
}

void Link::fault(std::uint64_t instance, std::string_view text) {
    if (!faults_.pass()) return count(dropped_faults_);
    json::object body;
    body["text"] = to_valid_utf8(text, ipc::k_text_bytes);
    const Outcome outcome =
        outbox_.push(ipc::make_frame(FrameType::fault, instance, 0, body), Importance::droppable);
    arm(outcome);
    if (outcome == Outcome::full) count(dropped_faults_);
}

void Link::slow_call(std::uint64_t instance, std::string_view call,
                     std::chrono::milliseconds took) {
    if (!slow_calls_.pass()) return;
    json::object body;
    body["call"] = std::string{call};
    body["ms"] = took.count();
    arm(outbox_.push(ipc::make_frame(FrameType::slow_call, instance, 0, body),
                     Importance::droppable));
}

void Link::count(std::atomic<std::uint64_t>& dropped) {
    dropped.fetch_add(1, std::memory_order_relaxed);
    if (dropped_armed_.exchange(true)) return;
    boost::asio::post(loop_, [this] {
        dropped_timer_.expires_after(k_dropped_period);
        dropped_timer_.async_wait([this](const boost::system::error_code&) {
            dropped_armed_ = false;
            report_dropped();
        });
    });
}

void Link::report_dropped() {
    // Only when there is room: otherwise the counters go on and flush() comes back here.
    if (outbox_.waiting_bytes() != 0) return;
    const auto events = dropped_events_.exchange(0);
    const auto lines = dropped_lines_.exchange(0);
    const auto faults = dropped_faults_.exchange(0);
    if (events == 0 && lines == 0 && faults == 0) return;
    say(ipc::make_frame(FrameType::dropped, 0, 0,
                        json::object{{"events", events}, {"lines", lines}, {"faults", faults}}));
}

bool Link::drained() {
    const Outcome outcome = outbox_.flush();
    return outcome == Outcome::sent || outcome == Outcome::gone;
}

}  // namespace backplane::core::host
