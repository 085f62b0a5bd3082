// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The connection of one download, as far as others than its worker may touch it: who has an eye on
// the pace counts its bytes here, and cuts it here.
//
// The HTTP client's own stop() waits while the client connects, and closing its socket from outside
// would hit whoever has got the number since. So this keeps a duplicate of the socket and shuts
// that down: it wakes connect, handshake, reads and writes alike, in whatever state they are.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "backplane/core/fd.hpp"

namespace backplane::sync {

class Line {
public:
    enum class Cut {
        none,
        owner,   ///< the source is destroyed
        silent,  ///< nothing of the answer came
        slow,
        total,  ///< it took too long altogether
        flood,  ///< more bytes than the answer may have
    };

    // ---- the worker's ----
    /// A socket exists, not connected yet.
    void take(int socket);
    /// The worker has done all it does.
    void finish();
    std::atomic<std::uint64_t> received{0};  ///< of the body
    std::atomic<std::uint64_t> expected{0};  ///< 0: unknown

    // ---- the main loop's ----
    /// To be repeated until the worker has finished: a socket on its way into connect() misses it.
    /// The first reason stays.
    void cut(Cut why);
    bool wait_finished(std::chrono::milliseconds limit);
    /// How many sockets there were: when it grows, the pace is that of another connection.
    unsigned sockets() const;
    /// Bytes of all kinds that the kernel has received for this connection; 0: it does not say.
    std::uint64_t wire_bytes() const;

    Cut why() const;

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    core::Fd socket_;
    unsigned sockets_ = 0;
    Cut why_ = Cut::none;
    bool finished_ = false;
};

}  // namespace backplane::sync
