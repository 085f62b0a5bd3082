// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a request that brings no answer tells people: what was asked, of whom, what happened, what to
// do. Here they are together, so that they sound alike whatever was asked for. Codes: "net.…", as in
// server/requests.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "backplane/core/result.hpp"
#include "server/server_url.hpp"

namespace backplane::sync {

using Refusal = core::Unexpected<core::Error>;

// "net.lookup"
Refusal refuse_lookup(const std::string& host, std::string_view reason);
// "net.connect". `in_time`: it was refused before the patience had ended.
Refusal refuse_connection(const ServerUrl& url, bool in_time, std::chrono::milliseconds patience);
// "net.tls"
Refusal refuse_ca_file(const std::string& file);
Refusal refuse_handshake(const ServerUrl& url);  ///< TLS could not be agreed upon at all
/// `verified`: OpenSSL's X509_V_… of the server's certificate.
Refusal refuse_certificate(const ServerUrl& url, long verified);
// "net.closed". Nothing or not everything came. `expected` 0: unknown.
Refusal refuse_cut_off(const ServerUrl& url, std::uint64_t received, std::uint64_t expected);
Refusal refuse_given_up(const ServerUrl& url);  ///< by the box itself
// "net.timeout"
Refusal refuse_timeout(const ServerUrl& url, std::chrono::milliseconds patience,
                       std::uint64_t received);
// "net.too_large"
Refusal refuse_too_large(const ServerUrl& url, std::uint64_t most);
// "net.redirect"
Refusal refuse_redirect(const ServerUrl& from, const ServerUrl& to);
Refusal refuse_redirects(const ServerUrl& first, unsigned most);
// "net.queue_full"
Refusal refuse_queue_full(std::string_view url, std::size_t most);

/// A status that is no success, in words, and what to do about it.
struct StatusText {
    std::string what;  ///< "an internal error (500)"
    std::string advice;
};
StatusText status_text(int status);

// How figures are written in these texts.
std::string text_of(std::chrono::milliseconds time);  ///< "5 s", "300 ms"
std::string text_of_bytes(std::uint64_t count);       ///< "32 MiB", "10000 bytes"

}  // namespace backplane::sync
