// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Connections that have got their last answer while the client was still sending.
//
// Closing such a connection at once makes the kernel send a reset, which may reach the client
// before it has read the answer. So what it sends is thrown away for a short while. Bounded: the
// oldest is closed when there are too many.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>

namespace backplane::core {

class LingerSet {
public:
    using Socket = boost::asio::generic::stream_protocol::socket;
    using Clock = std::chrono::steady_clock;

    LingerSet(std::size_t most, std::chrono::milliseconds time) noexcept
        : most_(most), time_(time) {}
    LingerSet(const LingerSet&) = delete;
    LingerSet& operator=(const LingerSet&) = delete;
    ~LingerSet() { clear(); }

    /// No operation is pending on the socket, and all of the answer has been given to the kernel.
    void add(Socket socket);
    /// Closes those whose time is over.
    void expire(Clock::time_point now);
    void clear() noexcept;
    std::size_t size() const noexcept { return entries_.size(); }

private:
    struct Entry;
    using Entries = std::list<std::shared_ptr<Entry>>;

    static void wait(const std::shared_ptr<Entry>& entry);
    static bool discard(Entry& entry);
    void remove(Entries::iterator entry) noexcept;

    std::size_t most_;
    std::chrono::milliseconds time_;
    Entries entries_;  ///< oldest first, which is also the order of their deadlines
};

}  // namespace backplane::core
