// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The bounded queue in front of a socket. A frame goes out at once when nothing waits, so that the
// last words of a process that is about to crash are not lost in a queue. Thread: any; nothing in
// here waits.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>

#include "ipc/channel.hpp"
#include "ipc/frame.hpp"

namespace backplane::core::ipc {

enum class Importance {
    urgent,     ///< overtakes what waits: answers to pings
    needed,     ///< an answer that somebody counts on
    droppable,  ///< may be left out when the other side does not keep up
};

class Outbox {
public:
    struct Limits {
        std::size_t droppable_bytes = std::size_t{4} << 20;
        std::size_t droppable_frames = 4096;
        std::size_t bytes = std::size_t{16} << 20;
    };
    enum class Outcome {
        sent,     ///< nothing waits
        waiting,  ///< call flush() when the socket can be written
        starved,  ///< call flush() after a pause
        full,     ///< over the limit; of push(): the frame was dropped
        gone,     ///< the other end has gone, or does not understand us
    };

    /// The socket stays the caller's and outlives the outbox.
    Outbox(int socket, Limits limits) : socket_(socket), limits_(limits) {}

    Outcome push(OutgoingFrame frame, Importance importance);
    Outcome flush();
    std::size_t waiting_bytes() const;

private:
    Outcome send_waiting();  // with mutex_ held

    const int socket_;
    const Limits limits_;
    mutable std::mutex mutex_;
    // guarded by mutex_
    std::deque<OutgoingFrame> waiting_;
    std::size_t waiting_bytes_ = 0;
    bool gone_ = false;
};

}  // namespace backplane::core::ipc
