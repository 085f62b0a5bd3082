// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A client that can do what no proper client does: unmasked frames, missing headers, silence.
//
// Whatever does not come within 10 s counts as the end of the connection.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backplane/core/fd.hpp"

namespace backplane::tests {

struct RawFrame {
    int opcode = 0;
    std::string payload;
    int close_code() const;
};

struct RawAnswer {
    int status = 0;
    std::string head, body;  ///< the head in lower case, from the status line on
};

class RawClient {
public:
    /// Throws std::runtime_error when it is refused.
    explicit RawClient(std::uint16_t port, bool tls = false);

    bool send(std::string_view bytes);
    /// All that comes until the connection ends, or until it is this long.
    std::string receive(std::size_t at_most = SIZE_MAX);
    /// Nothing when the connection ended before a whole one had come.
    std::optional<RawAnswer> answer();
    std::optional<RawAnswer> ask(const std::string& method, const std::string& path,
                                 const std::string& headers = {}, const std::string& body = {});
    std::optional<RawAnswer> ask_rpc(const std::string& path, const std::string& params,
                                     const std::string& headers = {});

    /// A handshake with these headers and no other.
    std::optional<RawAnswer> upgrade(const std::string& headers);
    /// As the box does it; true when it was taken.
    bool open_websocket();
    bool send_frame(int first_byte, std::string_view payload, bool masked = true);
    bool send_text(std::string_view payload) { return send_frame(0x81, payload); }
    bool subscribe(const std::string& channel, std::int64_t last);
    std::optional<RawFrame> frame();

    /// True when nothing comes for so long.
    bool is_silent_for(int milliseconds);
    /// The last receive ended with a reset.
    bool was_reset() const { return reset_; }

private:
    bool more();

    core::Fd socket_;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{nullptr, &SSL_CTX_free};
    std::unique_ptr<SSL, decltype(&SSL_free)> tls_{nullptr, &SSL_free};
    std::string buffer_;
    std::uint16_t port_ = 0;
    bool reset_ = false;
};

/// The handshake headers of a box, of which a test takes some away.
extern const char* const k_upgrade_headers;

}  // namespace backplane::tests
