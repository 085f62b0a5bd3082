// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

namespace backplane::tests {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds k_write_limit{30};

int left(Clock::time_point until) {
    const auto rest =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count() + 1;
    return static_cast<int>(std::clamp<std::int64_t>(rest, 0, 3'600'000));
}

void check(bool worked, const std::string& what) {
    if (!worked) throw std::runtime_error("the test server cannot " + what);
}

void set_on(int socket, int level, int name) {
    const int on = 1;
    ::setsockopt(socket, level, name, &on, sizeof on);
}

/// Sockets with `reuse` share a port as long as none listens, those with `shared` always.
core::Fd bound_socket(std::uint16_t port, bool reuse, bool shared, std::uint16_t* number) {
    core::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    check(static_cast<bool>(socket), "make a socket");
    if (reuse) set_on(socket.get(), SOL_SOCKET, SO_REUSEADDR);
    if (shared) set_on(socket.get(), SOL_SOCKET, SO_REUSEPORT);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0)
        throw std::runtime_error("port " + std::to_string(port) +
                                 " cannot be taken: " + std::strerror(errno));
    check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0,
          "learn its port");
    if (number) *number = ntohs(address.sin_port);
    return socket;
}

}  // namespace

std::shared_ptr<SSL_CTX> tls_context(const Certificate& identity) {
    std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
    check(context != nullptr, "use TLS");
    check(SSL_CTX_use_certificate(context.get(), identity.x509.get()) == 1 &&
              SSL_CTX_use_PrivateKey(context.get(), identity.key.get()) == 1,
          "use this certificate");
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

Connection::Connection(core::Fd socket, std::shared_ptr<SSL_CTX> tls)
    : socket_(std::move(socket)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      context_(std::move(tls)) {
    // OpenSSL writes with write(): a client that has left must not end the whole test.
    std::signal(SIGPIPE, SIG_IGN);
    set_on(socket_.get(), IPPROTO_TCP, TCP_NODELAY);
    if (!context_) return;
    tls_.reset(SSL_new(context_.get()));
    check(tls_ != nullptr && SSL_set_fd(tls_.get(), socket_.get()) == 1, "use TLS");
    SSL_set_accept_state(tls_.get());
}

Connection::~Connection() {
    if (end_ == End::reset) {
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
}

bool Connection::greet(std::chrono::milliseconds limit) {
    const auto until = Clock::now() + limit;
    while (tls_ && !ended()) {
        ERR_clear_error();
        const int result = SSL_do_handshake(tls_.get());
        if (result == 1) return true;
        const int why = SSL_get_error(tls_.get(), result);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return false;
        if (!wait_for(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, until)) return false;
    }
    return !ended();
}

bool Connection::wait_for(short events, Clock::time_point until) {
    while (!ended()) {
        std::array<pollfd, 2> polled{pollfd{socket_.get(), events, 0},
                                     pollfd{wake_.get(), POLLIN, 0}};
        const int ready = ::poll(polled.data(), polled.size(), left(until));
        if (ready == 0 || (ready < 0 && errno != EINTR)) return false;
        if (ready < 0) continue;
        if (polled[1].revents) {
            std::uint64_t count = 0;
            (void)!::read(wake_.get(), &count, sizeof count);
        }
        if (polled[0].revents) return !ended();
    }
    return false;
}

Connection::Ready Connection::wait(std::chrono::milliseconds limit) {
    if (ended()) return Ready::over;
    if (tls_ && SSL_pending(tls_.get()) > 0) return Ready::data;
    std::array<pollfd, 2> polled{pollfd{socket_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
    const int ready = ::poll(polled.data(), polled.size(), left(Clock::now() + limit));
    if (ready > 0 && polled[1].revents) {
        std::uint64_t count = 0;
        (void)!::read(wake_.get(), &count, sizeof count);
    }
    if (ended()) return Ready::over;
    if (ready <= 0) return ready < 0 && errno == EINTR ? Ready::woken : Ready::timeout;
    return polled[0].revents ? Ready::data : Ready::woken;
}

bool Connection::take() {
    std::array<char, 16384> bytes;
    while (!ended()) {
        ssize_t got = 0;
        if (tls_) {
            ERR_clear_error();
            const int result = SSL_read(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
            if (result <= 0) return SSL_get_error(tls_.get(), result) == SSL_ERROR_WANT_READ;
            got = result;
        } else {
            got = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
            if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
            if (got == 0) return false;
        }
        buffer_.append(bytes.data(), static_cast<std::size_t>(got));
        // Enough for one look: who sends without end must not keep its reader here.
        if (buffer_.size() > (4u << 20)) return true;
    }
    return false;
}

bool Connection::fill(Clock::time_point until) {
    const std::size_t before = buffer_.size();
    while (buffer_.size() == before) {
        if (!tls_ || SSL_pending(tls_.get()) == 0)
            if (!wait_for(POLLIN, until)) return false;
        if (!take()) return buffer_.size() > before;
    }
    return true;
}

bool Connection::write(std::string_view bytes) {
    const auto until = Clock::now() + k_write_limit;
    while (!bytes.empty()) {
        if (ended()) return false;
        ssize_t sent = 0;
        bool full = false;
        if (tls_) {
            ERR_clear_error();
            const int result =
                SSL_write(tls_.get(), bytes.data(),
                          static_cast<int>(std::min<std::size_t>(bytes.size(), 1u << 20)));
            sent = result;
            if (result <= 0) {
                if (SSL_get_error(tls_.get(), result) != SSL_ERROR_WANT_WRITE) return false;
                full = true;
            }
        } else {
            sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent < 0) {
                if (errno == EINTR) continue;
                if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
                full = true;
            }
        }
        if (full) {
            if (!wait_for(POLLOUT, until)) return false;
            continue;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return !ended();
}

void Connection::finish() {
    if (ended()) return;
    if (tls_) {
        ERR_clear_error();
        (void)SSL_shutdown(tls_.get());
    }
    ::shutdown(socket_.get(), SHUT_WR);
    const auto until = Clock::now() + std::chrono::seconds{2};
    std::array<char, 16384> bytes;
    while (wait_for(POLLIN, until)) {
        const ssize_t got = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return;
    }
}

bool Connection::pause(std::chrono::milliseconds how_long) {
    return !wait_for(POLLRDHUP, Clock::now() + how_long) && !ended();
}

bool Connection::has_left() const {
    pollfd polled{socket_.get(), POLLRDHUP, 0};
    return ::poll(&polled, 1, 0) > 0;
}

bool Connection::pause_until_woken() {
    std::array<pollfd, 2> polled{pollfd{socket_.get(), POLLRDHUP, 0},
                                 pollfd{wake_.get(), POLLIN, 0}};
    while (!ended()) {
        const int ready = ::poll(polled.data(), polled.size(), -1);
        if (ready < 0 && errno == EINTR) continue;
        if (polled[1].revents) {
            std::uint64_t count = 0;
            (void)!::read(wake_.get(), &count, sizeof count);
        }
        if (polled[0].revents) return false;
        return !ended();
    }
    return false;
}

void Connection::wake() noexcept {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
}

void Connection::end(End how) noexcept {
    end_ = how;
    wake();
}

Port::Port(std::uint16_t wanted) {
    // Two sockets may share the port below, so it is tried alone first: another server must be noticed, but not the
    // connections that an earlier one has closed.
    if (wanted != 0) bound_socket(wanted, true, false, nullptr);
    reserved_ = bound_socket(wanted, false, true, &number_);
}

core::Fd Port::listen() const {
    core::Fd socket = bound_socket(number_, true, true, nullptr);
    check(::listen(socket.get(), 128) == 0, "listen");
    return socket;
}

}  // namespace backplane::tests
