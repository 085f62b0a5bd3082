// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/listener.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "backplane/core/log.hpp"

namespace backplane::core {
namespace {

// Others on the loop get their turn between two batches.
constexpr int k_accepts_per_turn = 64;
constexpr std::chrono::milliseconds k_pause{100};

/// The failure was of this one connection; the next one may be all right (accept(2), "Error
/// handling").
bool concerns_one_connection(int error) noexcept {
    switch (error) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case EPERM:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
            return true;
        default:
            return false;
    }
}

}  // namespace

Listener::Listener(boost::asio::io_context& loop, ListenSocket socket, OnConnection on_connection)
    : socket_(loop, socket.fd.release()),
      retry_(loop),
      name_(std::move(socket.name)),
      file_(std::move(socket.file)),
      on_connection_(std::move(on_connection)) {}

void Listener::start() {
    wait();
}

void Listener::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    retry_.cancel();
    file_.remove();
}

void Listener::wait() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           if (!error && self->socket_.is_open()) self->accept_waiting();
                       });
}

void Listener::accept_waiting() {
    for (int i = 0; i < k_accepts_per_turn && socket_.is_open(); ++i) {
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        Fd fd{::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&from), &length,
                        SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (!fd) {
            const int error = errno;
            if (error == EAGAIN) break;
            if (concerns_one_connection(error)) continue;
            pause(error);
            return;
        }
        if (std::exchange(pausing_, false)) log_info("http", "accept.resumed", {{"socket", name_}});
        try {
            on_connection_(std::move(fd), peer_address(from));
        } catch (const std::exception& failed) {
            log_error("http", "accept.failed", {{"socket", name_}, {"error", failed.what()}});
        }
    }
    if (socket_.is_open()) wait();
}

void Listener::pause(int error) {
    if (!std::exchange(pausing_, true)) {
        log_warning(
            "http", "accept.paused",
            {{"socket", name_},
             {"error", std::generic_category().message(error)},
             {"help", "connections wait until others end; raise LimitNOFILE if this lasts"}});
    }
    retry_.expires_after(k_pause);
    retry_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
        if (!cancelled && self->socket_.is_open()) self->accept_waiting();
    });
}

}  // namespace backplane::core
