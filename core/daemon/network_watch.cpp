// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "network_watch.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "backplane/core/log.hpp"

namespace backplane::daemon {

namespace {

/// -1, and errno, when the kernel does not let us listen.
int open_route_socket() {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0) return -1;
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR;
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    const int error = errno;
    ::close(fd);
    errno = error;
    return -1;
}

}  // namespace

NetworkWatch::NetworkWatch(boost::asio::io_context& loop, std::function<void()> changed)
    : socket_(loop), changed_(std::move(changed)) {
    const int fd = open_route_socket();
    if (fd < 0) {
        core::log_warning("box", "network.not_watched", {{"reason", std::strerror(errno)}});
        return;
    }
    socket_.assign(fd);
    wait();
}

void NetworkWatch::wait() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                           if (error) return;
                           if (drain()) changed_();
                           wait();
                       });
}

/// What the messages say does not matter here, only that there were some. ENOBUFS: there were more than the kernel kept.
bool NetworkWatch::drain() {
    std::array<char, 8192> message{};
    bool any = false;
    for (;;) {
        const ssize_t size =
            ::recv(socket_.native_handle(), message.data(), message.size(), MSG_TRUNC);
        if (size > 0 || (size < 0 && errno == ENOBUFS)) {
            any = true;
        } else if (size < 0 && errno == EINTR) {
            continue;
        } else {
            return any;
        }
    }
}

}  // namespace backplane::daemon
