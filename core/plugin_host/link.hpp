// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The host's end of the socket: says things to the daemon without ever waiting for it.
//
// Log lines, faults and events may be left out, counted, and reported once there is room; answers
// may not: when 16 MiB of them wait, nobody reads them any more and the process ends. Thread: say()
// and offer() any, the rest the driver thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "ipc/frame.hpp"
#include "ipc/outbox.hpp"

namespace backplane::core::host {

/// Lets at most `most` through in each second.
class PerSecond {
public:
    explicit PerSecond(unsigned most) : most_(most) {}
    bool pass(std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now());

private:
    const unsigned most_;
    std::mutex mutex_;
    // guarded by mutex_
    std::chrono::steady_clock::time_point since_{};
    unsigned passed_ = 0;
};

class Link {
public:
    using OnFrame = std::function<void(ipc::Frame)>;
    using OnClosed = std::function<void()>;

    /// Takes the descriptor.
    Link(boost::asio::io_context& loop, int socket);

    void listen(OnFrame on_frame, OnClosed on_closed);

    /// An answer. Ends the process when too many of them wait.
    void say(ipc::OutgoingFrame frame, ipc::Importance importance = ipc::Importance::needed);
    /// False when there is no room: left out and counted.
    bool offer_event(ipc::OutgoingFrame frame);
    /// Of what a plug-in says unasked and can say again: true while there is reasonable room.
    bool has_room() const;

    void log(std::uint64_t instance, std::int32_t level, std::string_view text);
    /// The plug-in broke the contract. The text begins with what it did, such as "completed action
    /// 7 twice".
    void fault(std::uint64_t instance, std::string_view text);
    void slow_call(std::uint64_t instance, std::string_view call, std::chrono::milliseconds took);

    /// True when nothing waits any more, or the daemon has gone.
    bool drained();

private:
    void wait_for_frames();
    void receive();
    void arm(ipc::Outbox::Outcome outcome);
    void flush();
    void report_dropped();
    void count(std::atomic<std::uint64_t>& dropped);

    boost::asio::io_context& loop_;
    boost::asio::posix::stream_descriptor socket_;
    boost::asio::steady_timer pause_;
    boost::asio::steady_timer dropped_timer_;
    ipc::Outbox outbox_;
    ipc::Packet packet_;
    OnFrame on_frame_;
    OnClosed on_closed_;
    bool flushing_ = false;  // a wait for writability or a pause is under way

    PerSecond lines_{1000};
    PerSecond faults_{20};
    PerSecond slow_calls_{5};
    std::atomic<bool> dropped_armed_ = false;
    std::atomic<std::uint64_t> dropped_events_ = 0;
    std::atomic<std::uint64_t> dropped_lines_ = 0;
    std::atomic<std::uint64_t> dropped_faults_ = 0;
};

}  // namespace backplane::core::host
