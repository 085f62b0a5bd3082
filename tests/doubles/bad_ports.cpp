// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/bad_ports.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace backplane::tests {

namespace {

using core::Fd;

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

Fd bound_socket(std::uint16_t& port) {
    Fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (!made || ::bind(made.get(), generic, size) != 0 ||
        ::getsockname(made.get(), generic, &size) != 0)
        fail("no port for a test");
    port = ntohs(address.sin_port);
    return made;
}

bool readable(int fd, int timeout_ms) {
    pollfd wanted{fd, POLLIN, 0};
    return ::poll(&wanted, 1, timeout_ms) > 0;
}

}  // namespace

RefusingPort::RefusingPort() : socket_(bound_socket(port_)) {}

BusyPort::BusyPort() : socket_(bound_socket(port_)) {
    if (::listen(socket_.get(), 0) != 0) fail("listen");
    // The queue takes one or two; what is still connecting after a while shows that it is full.
    for (int i = 0; i < 16; ++i) {
        Fd one(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const sockaddr_in address = loopback(port_);
        if (!one || (::connect(one.get(), reinterpret_cast<const sockaddr*>(&address),
                               sizeof address) != 0 &&
                     errno != EINPROGRESS))
            fail("connect");
        pollfd wanted{one.get(), POLLOUT, 0};
        const bool connected = ::poll(&wanted, 1, 200) > 0;
        waiting_.push_back(std::move(one));
        if (!connected) return;
    }
    throw std::runtime_error("the queue of a listening socket does not fill");
}

RawServer::RawServer(std::function<void(const Talk&)> serve) : socket_(bound_socket(port_)) {
    if (::listen(socket_.get(), 16) != 0) fail("listen");
    thread_ = std::jthread([this, serve = std::move(serve)](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            if (!readable(socket_.get(), 20)) continue;
            const Fd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!connection) continue;
            std::string head;
            std::array<char, 4096> block{};
            while (head.find("\r\n\r\n") == std::string::npos && !stop.stop_requested()) {
                if (!readable(connection.get(), 20)) continue;
                const auto got = ::recv(connection.get(), block.data(), block.size(), 0);
                if (got <= 0) break;
                head.append(block.data(), static_cast<std::size_t>(got));
            }
            serve([&](std::string_view text) {
                // Nothing to say: a look whether the other side is still there.
                if (text.empty() && readable(connection.get(), 20) &&
                    ::recv(connection.get(), block.data(), block.size(), 0) <= 0)
                    return false;
                while (!text.empty() && !stop.stop_requested()) {
                    pollfd wanted{connection.get(), POLLOUT, 0};
                    if (::poll(&wanted, 1, 20) <= 0) continue;
                    const auto sent = ::send(connection.get(), text.data(), text.size(),
                                             MSG_NOSIGNAL | MSG_DONTWAIT);
                    if (sent < 0 && errno != EAGAIN) return false;
                    if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
                }
                return !stop.stop_requested();
            });
        }
    });
}

RawServer::~RawServer() {
    thread_.request_stop();
}

}  // namespace backplane::tests
