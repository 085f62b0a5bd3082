// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A connection to a server, as far as others than its worker may touch it: who has an eye on the pace
// counts its bytes here, and cuts it here.
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
        owner,   ///< nobody wants the answer any more
        silent,  ///< nothing of the answer came
        slow,
        total,  ///< it took too long altogether
        flood,  ///< more bytes than the answer may have
    };

    // ---- the worker's ----
    /// Another request begins, perhaps over the connection that is there.
    void begin();
    /// A socket exists, not connected yet.
    void take(int socket);
    /// The worker has done all it does.
    void finish();
    /// The same, but the connection is kept for another request. Until then nobody can cut it.
    void rest();
    std::atomic<std::uint64_t> received{0};  ///< of the body
    std::atomic<std::uint64_t> expected{0};  ///< 0: unknown

    // ---- the main loop's ----
    /// To be repeated until the worker has finished: a socket on its way into connect() misses it.
    /// The first reason stays.
    void cut(Cut why);
    bool wait_finished(std::chrono::milliseconds limit);
    /// How many sockets there were: when it grows, the pace is that of another connection.
    unsigned sockets() const;
    /// Bytes of all kinds that the kernel has received over this connection since the request
    /// began; 0: it does not say.
    std::uint64_t wire_bytes() const;

    Cut why() const;

private:
    std::uint64_t all_bytes() const;  ///< with mutex_ held

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    core::Fd socket_;
    unsigned sockets_ = 0;
    std::uint64_t before_ = 0;  ///< bytes of earlier requests
    Cut why_ = Cut::none;
    bool finished_ = false;
};

}  // namespace backplane::sync
