// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One connection that a server of tests has accepted, plain or TLS, and the port that it listens on.
//
// Owner: the thread that serves it, and all calls are that thread's except wake(), end() and ended().
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "backplane/core/fd.hpp"
#include "doubles/certificates.hpp"

namespace backplane::tests {

/// A context that shows this certificate. Throws std::runtime_error when OpenSSL takes it not.
std::shared_ptr<SSL_CTX> tls_context(const Certificate& identity);

class Connection {
public:
    enum class End { no, close, reset };
    enum class Ready { data, timeout, woken, over };

    /// `tls` may be empty: then it is plain.
    Connection(core::Fd socket, std::shared_ptr<SSL_CTX> tls);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// The TLS handshake, if there is one; false: it failed.
    bool greet(std::chrono::milliseconds limit);

    /// Until there is something to read, wake() or end() was called, or the limit is over.
    Ready wait(std::chrono::milliseconds limit);
    /// Appends to buffer() what has come, without waiting; false when the client has closed or left.
    bool take();
    /// What has come and was not used yet.
    std::string& buffer() noexcept { return buffer_; }
    /// Waits and takes; false after the limit, or when it is over. Being woken is no reason to return.
    bool fill(std::chrono::steady_clock::time_point until);

    /// False when it is over, or when nobody has taken the bytes for 30 s.
    bool write(std::string_view bytes);
    /// Says that nothing more comes and waits (2 s at most) for the client to leave: what was written last arrives.
    void finish();

    /// Not reading meanwhile. False when it is over or the client has left.
    bool pause(std::chrono::milliseconds how_long);
    /// Not reading either, until wake(). False when it is over or the client has left.
    bool pause_until_woken();

    /// The client has closed it, whatever it sent before.
    bool has_left() const;

    void wake() noexcept;
    /// The owner's calls return at once, and the socket is closed with a FIN or a RST when it is destroyed.
    void end(End how) noexcept;
    bool ended() const noexcept { return end_ != End::no; }

private:
    bool wait_for(short events, std::chrono::steady_clock::time_point until);

    core::Fd socket_, wake_;
    std::shared_ptr<SSL_CTX> context_;
    std::unique_ptr<SSL, decltype(&SSL_free)> tls_{nullptr, &SSL_free};
    std::string buffer_;
    std::atomic<End> end_{End::no};
};

/// A port of 127.0.0.1, taken as long as this lives, whether or not it listens: nobody else gets it meanwhile, and who
/// connects while it does not listen is refused.
class Port {
public:
    /// 0: any that is free. Throws std::runtime_error when it is taken.
    explicit Port(std::uint16_t wanted);
    std::uint16_t number() const noexcept { return number_; }
    /// A socket that listens. Closing it refuses further connections.
    core::Fd listen() const;

private:
    std::uint16_t number_ = 0;
    core::Fd reserved_;
};

}  // namespace backplane::tests
