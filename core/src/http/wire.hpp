// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A socket with or without TLS on it: bytes go in and come out of it in the same way.
//
// Thread: the loop's. An asynchronous call keeps its handler and nothing else; the handler owns what
// the wire is part of. After close() or release() waiting handlers get operation_aborted.
#pragma once

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/post.hpp>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "http/tls_session.hpp"

namespace backplane::core {

class Wire {
public:
    using Socket = boost::asio::generic::stream_protocol::socket;
    using ErrorCode = boost::system::error_code;

    enum class Handshake { done, plain_http, failed, aborted };

    explicit Wire(Socket socket, std::unique_ptr<TlsSession> tls = nullptr)
        : socket_(std::move(socket)), tls_(std::move(tls)) {}

    bool is_tls() const noexcept { return tls_ != nullptr; }
    int fd() noexcept { return socket_.native_handle(); }

    /// With TLS only: done(Handshake, reason). Does not look at the clock: close() ends it. After
    /// plain_http the wire is one without TLS, and what the client has sent can be read.
    template <typename Done>
    void async_handshake(Done done) {
        wait(Socket::wait_read, [this, done = std::move(done)](const ErrorCode& error) mutable {
            if (error || !socket_.is_open()) {
                done(Handshake::aborted, std::string{});
            } else if (!is_record_first()) {
                tls_.reset();
                done(Handshake::plain_http, std::string{});
            } else {
                shake(std::move(done));
            }
        });
    }

    /// At least one byte, or an error; eof when the client sends no more.
    template <typename Done>
    void async_read(std::span<char> into, Done done) {
        if (!tls_) {
            socket_.async_read_some(boost::asio::buffer(into.data(), into.size()), std::move(done));
        } else if (tls_->has_pending()) {
            boost::asio::post(socket_.get_executor(),
                              [this, into, done = std::move(done)]() mutable {
                                  read_tls(into, std::move(done));
                              });
        } else {
            read_later(Socket::wait_read, into, std::move(done));
        }
    }

    /// What can be had at once; 0 when that is nothing, for whatever reason: the next asynchronous
    /// read reports it.
    std::size_t read_now(std::span<char> into);

    /// As sendmsg(2): how much has gone, or -1 with errno, EAGAIN when it is to be tried again, with
    /// the same bytes first, after async_wait_write().
    ssize_t write_now(std::span<const iovec> parts);

    template <typename Done>
    void async_wait_write(Done done) {
        wait(write_waits_for_input_ ? Socket::wait_read : Socket::wait_write, std::move(done));
    }

    void cancel() noexcept {
        ErrorCode ignored;
        socket_.cancel(ignored);
    }
    void close() noexcept;
    /// The client is told that nothing follows; the socket belongs to the caller.
    Socket release() noexcept;

private:
    template <typename Done>
    void wait(Socket::wait_type what, Done done) {
        socket_.async_wait(what, std::move(done));
    }

    template <typename Done>
    void shake(Done done) {
        const auto now = tls_->accept(fd());
        switch (now.state) {
            case TlsSession::State::done:
                done(Handshake::done, std::string{});
                break;
            case TlsSession::State::wait_read:
            case TlsSession::State::wait_write:
                wait(now.state == TlsSession::State::wait_read ? Socket::wait_read
                                                               : Socket::wait_write,
                     [this, done = std::move(done)](const ErrorCode& error) mutable {
                         if (error || !socket_.is_open()) {
                             done(Handshake::aborted, std::string{});
                         } else {
                             shake(std::move(done));
                         }
                     });
                break;
            case TlsSession::State::end:
            case TlsSession::State::failed:
                done(Handshake::failed, tls_->reason());
                break;
        }
    }

    template <typename Done>
    void read_later(Socket::wait_type what, std::span<char> into, Done done) {
        wait(what, [this, into, done = std::move(done)](const ErrorCode& error) mutable {
            if (error) {
                done(error, 0);
            } else {
                read_tls(into, std::move(done));
            }
        });
    }

    template <typename Done>
    void read_tls(std::span<char> into, Done done) {
        if (!socket_.is_open()) {
            done(boost::asio::error::operation_aborted, 0);
            return;
        }
        const auto now = tls_->read(fd(), into);
        switch (now.state) {
            case TlsSession::State::done:
                done(ErrorCode{}, now.bytes);
                break;
            case TlsSession::State::wait_read:
                read_later(Socket::wait_read, into, std::move(done));
                break;
            case TlsSession::State::wait_write:
                read_later(Socket::wait_write, into, std::move(done));
                break;
            case TlsSession::State::end:
                done(boost::asio::error::eof, 0);
                break;
            case TlsSession::State::failed:
                done(boost::asio::error::connection_aborted, 0);
                break;
        }
    }

    /// What waits to be read could be the beginning of a TLS handshake.
    bool is_record_first() noexcept;

    Socket socket_;
    std::unique_ptr<TlsSession> tls_;
    bool write_waits_for_input_ = false;
};

}  // namespace backplane::core
