// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A client that sends exactly the bytes it is told to, and waits for answers with a deadline.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backplane/core/fd.hpp"

namespace backplane::core::test {

inline constexpr std::chrono::seconds k_patience{20};

struct Answer {
    unsigned status = 0;
    std::string head;  ///< status line and headers, as received
    std::string body;  ///< decoded when it was chunked
    bool complete = false;
    std::string header(std::string_view name) const;
};

struct FreeSsl {
    void operator()(SSL* ssl) const noexcept;
};

class HttpClient {
public:
    struct Options {
        std::string from;              ///< local address to connect from
        int receive_buffer_bytes = 0;  ///< 0 = the system's
    };
    /// Throws std::runtime_error when it cannot connect.
    static HttpClient tcp(std::uint16_t port, const std::string& address = "127.0.0.1");
    static HttpClient tcp(std::uint16_t port, const std::string& address, const Options& options);
    static HttpClient local(const std::string& path);

    struct Tls {
        std::string authority_pem;  ///< what the server shows must lead to it; empty: anything does
        std::string name = "localhost";
        int newest_version = 0;  ///< 0 = the newest there is
        std::string alpn{};      ///< as on the wire: "\x02h2"
        SSL_SESSION* resume = nullptr;
    };
    /// Throws std::runtime_error, with the reason, when the handshake fails.
    static HttpClient tls(std::uint16_t port, const Tls& tls, const std::string& from = {});

    /// False when the server has closed the connection.
    bool send(std::string_view bytes);
    /// The next answer; `complete` is false when the connection ended (or patience did) before its
    /// end.
    Answer read(bool head_request = false);
    Answer ask(std::string_view request);
    /// Everything up to and including `mark`; what there is when the connection ends first.
    std::string read_until(std::string_view mark);
    /// Bytes that follow until the server closes; nothing if it does not within the patience.
    std::optional<std::string> read_to_end();
    /// True when the server has closed, in order or by a reset, and nothing more was received.
    bool is_closed();
    /// The server has closed with a reset.
    bool was_reset() const noexcept { return reset_; }
    void close_sending();
    void close() { fd_.reset(); }
    int fd() const noexcept { return fd_.get(); }
    SSL* ssl() const noexcept { return ssl_.get(); }

private:
    explicit HttpClient(Fd fd) : fd_(std::move(fd)) {}
    bool receive();  ///< false at the end, or when patience ends

    Fd fd_;
    std::unique_ptr<SSL, FreeSsl> ssl_;  ///< null: in clear
    std::string buffer_;
    bool ended_ = false;
    bool reset_ = false;
};

}  // namespace backplane::core::test
