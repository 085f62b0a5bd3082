// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/wire.hpp"

namespace backplane::core {
namespace {

constexpr unsigned char k_handshake_record = 22;  // RFC 8446, 5.1

}  // namespace

std::size_t Wire::read_now(std::span<char> into) {
    std::size_t got = 0;
    if (!tls_) {
        const auto n = ::recv(fd(), into.data(), into.size(), MSG_DONTWAIT);
        return n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    while (got < into.size()) {
        const auto now = tls_->read(fd(), into.subspan(got));
        if (now.state != TlsSession::State::done) break;
        got += now.bytes;
    }
    return got;
}

ssize_t Wire::write_now(std::span<const iovec> parts) {
    if (!tls_) {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts.data());  // sendmsg() does not change them
        message.msg_iovlen = parts.size();
        return ::sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    const auto now = tls_->write(fd(), parts);
    switch (now.state) {
        case TlsSession::State::done:
            return static_cast<ssize_t>(now.bytes);
        case TlsSession::State::wait_read:
        case TlsSession::State::wait_write:
            write_waits_for_input_ = now.state == TlsSession::State::wait_read;
            errno = EAGAIN;
            return -1;
        case TlsSession::State::end:
        case TlsSession::State::failed:
            break;
    }
    errno = EPIPE;
    return -1;
}

void Wire::close() noexcept {
    if (tls_ && socket_.is_open()) tls_->say_goodbye(fd());
    ErrorCode ignored;
    socket_.close(ignored);
}

Wire::Socket Wire::release() noexcept {
    if (tls_ && socket_.is_open()) tls_->say_goodbye(fd());
    cancel();
    return std::move(socket_);
}

bool Wire::is_record_first() noexcept {
    unsigned char first = 0;
    const auto n = ::recv(fd(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    // Nothing, or an error: the handshake finds out.
    if (n != 1) return true;
    // Methods begin with a capital letter. Anything else is TLS's to refuse.
    return first == k_handshake_record || first < 'A' || first > 'Z';
}

}  // namespace backplane::core
