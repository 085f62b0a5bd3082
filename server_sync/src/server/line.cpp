// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/line.hpp"

// Before the C library's own header, whose tcp_info ends before the bytes.
#include <linux/tcp.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace backplane::sync {

void Line::begin() {
    const std::lock_guard lock(mutex_);
    received = 0;
    expected = 0;
    before_ = all_bytes();
    why_ = Cut::none;
    finished_ = false;
}

void Line::take(int socket) {
    core::Fd own(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
    const std::lock_guard lock(mutex_);
    socket_ = std::move(own);
    before_ = 0;
    ++sockets_;
}

void Line::finish() {
    {
        const std::lock_guard lock(mutex_);
        finished_ = true;
        socket_.reset();
    }
    changed_.notify_all();
}

void Line::rest() {
    {
        const std::lock_guard lock(mutex_);
        finished_ = true;
    }
    changed_.notify_all();
}

void Line::cut(Cut why) {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    if (why_ == Cut::none) why_ = why;
    if (socket_) ::shutdown(socket_.get(), SHUT_RDWR);
}

bool Line::wait_finished(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [this] { return finished_; });
}

unsigned Line::sockets() const {
    const std::lock_guard lock(mutex_);
    return sockets_;
}

std::uint64_t Line::wire_bytes() const {
    const std::lock_guard lock(mutex_);
    const std::uint64_t all = all_bytes();
    return all > before_ ? all - before_ : 0;
}

std::uint64_t Line::all_bytes() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    constexpr auto k_needed = offsetof(tcp_info, tcpi_bytes_received) + sizeof(std::uint64_t);
    if (!socket_ || ::getsockopt(socket_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        size < k_needed)
        return 0;
    return info.tcpi_bytes_received;
}

Line::Cut Line::why() const {
    const std::lock_guard lock(mutex_);
    return why_;
}

}  // namespace backplane::sync
