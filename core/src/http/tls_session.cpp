// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/tls_session.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>
#include <system_error>

namespace backplane::core {
namespace {

constexpr std::size_t k_record_bytes = 16384;  // the most that one record carries

/// A BIO over a socket that belongs to somebody else. OpenSSL's own would write with write(2), which
/// raises SIGPIPE when the client has gone. Its data is the descriptor.
int fd_of(BIO* bio) noexcept {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

template <typename Call>
int io(BIO* bio, Call call) noexcept {
    BIO_clear_retry_flags(bio);
    ssize_t n;
    do {
        n = call();
    } while (n < 0 && errno == EINTR);
    return static_cast<int>(n);
}

int bio_read(BIO* bio, char* into, int size) {
    const int n = io(bio, [&] {
        return ::recv(fd_of(bio), into, static_cast<std::size_t>(size), MSG_DONTWAIT);
    });
    if (n < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
    if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return n;
}

int bio_write(BIO* bio, const char* from, int size) {
    const int n = io(bio, [&] {
        return ::send(fd_of(bio), from, static_cast<std::size_t>(size),
                      MSG_NOSIGNAL | MSG_DONTWAIT);
    });
    if (n < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
    return n;
}

long bio_control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    return 0;
}

const BIO_METHOD* socket_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
        if (made == nullptr) throw std::bad_alloc{};
        BIO_meth_set_read(made, bio_read);
        BIO_meth_set_write(made, bio_write);
        BIO_meth_set_ctrl(made, bio_control);
        return made;
    }();
    return method;
}

void attach(SSL* ssl, int fd) noexcept {
    BIO_set_data(SSL_get_rbio(ssl), reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
    ERR_clear_error();
    errno = 0;
}

}  // namespace

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context)
    : context_(std::move(context)), ssl_(SSL_new(context_->get())) {
    if (ssl_ == nullptr) throw std::bad_alloc{};
    BIO* const bio = BIO_new(socket_method());
    if (bio == nullptr) {
        SSL_free(ssl_);
        throw std::bad_alloc{};
    }
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() {
    SSL_free(ssl_);
}

TlsSession::Outcome TlsSession::accept(int fd) {
    attach(ssl_, fd);
    const Outcome now = outcome(SSL_do_handshake(ssl_));
    established_ = established_ || now.state == State::done;
    return now;
}

TlsSession::Outcome TlsSession::read(int fd, std::span<char> into) {
    if (failed_) return {};
    attach(ssl_, fd);
    return outcome(
        SSL_read(ssl_, into.data(), static_cast<int>(std::min(into.size(), k_record_bytes))));
}

TlsSession::Outcome TlsSession::write(int fd, std::span<const iovec> parts) {
    if (failed_) return {};
    if (parts.empty()) return {State::done, 0};
    attach(ssl_, fd);
    if (parts.size() == 1) {
        return outcome(
            SSL_write(ssl_, parts[0].iov_base,
                      static_cast<int>(std::min<std::size_t>(parts[0].iov_len, 1u << 30))));
    }
    // One record, and so one packet, for a head and a short body.
    std::array<char, k_record_bytes> together;
    std::size_t size = 0;
    for (const iovec& part : parts) {
        const std::size_t n = std::min(part.iov_len, together.size() - size);
        std::memcpy(together.data() + size, part.iov_base, n);
        size += n;
    }
    return outcome(SSL_write(ssl_, together.data(), static_cast<int>(size)));
}

TlsSession::Outcome TlsSession::outcome(int result) {
    if (result > 0) return {State::done, static_cast<std::size_t>(result)};
    const int system_error = errno;
    switch (SSL_get_error(ssl_, result)) {
        case SSL_ERROR_WANT_READ:
            return {State::wait_read};
        case SSL_ERROR_WANT_WRITE:
            return {State::wait_write};
        case SSL_ERROR_ZERO_RETURN:
            return {State::end};
        case SSL_ERROR_SYSCALL:
            failed_ = true;
            reason_ = system_error != 0 ? std::generic_category().message(system_error)
                                        : "the client closed the connection";
            ERR_clear_error();
            return {system_error != 0 ? State::failed : State::end};
        default:
            failed_ = true;
            // Gone without a word of farewell, as most clients go. Requests say where they end, so
            // nothing is taken for complete because of it.
            if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
                reason_ = "the client closed the connection";
                ERR_clear_error();
                return {State::end};
            }
            reason_ = take_tls_error();
            return {State::failed};
    }
}

void TlsSession::say_goodbye(int fd) noexcept {
    if (!established_ || failed_) return;
    attach(ssl_, fd);
    (void)SSL_shutdown(ssl_);
    ERR_clear_error();
    failed_ = true;  // nothing may follow
}

bool TlsSession::has_pending() const noexcept {
    return SSL_pending(ssl_) > 0 || failed_ ||
           (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
}

}  // namespace backplane::core
