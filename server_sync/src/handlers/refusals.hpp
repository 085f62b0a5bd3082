// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a download that fails tells people: what was asked, of whom, what came, what to do. Here
// they are together, so that they sound alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backplane/core/result.hpp"
#include "backplane/sync/handlers.hpp"
#include "handlers/line.hpp"
#include "handlers/server_url.hpp"

namespace backplane::sync {

using Refusal = core::Unexpected<core::Error>;

Refusal refuse_no_server();
Refusal refuse_lookup(const std::string& host, std::string_view reason);
Refusal refuse_cut(const ServerUrl& url, Line::Cut why, const HandlerLimits& limits,
                   std::uint64_t received);
Refusal refuse_size(const ServerUrl& url, const HandlerLimits& limits);
/// `in_time`: it was refused before the patience had ended.
Refusal refuse_connection(const ServerUrl& url, bool in_time, const HandlerLimits& limits);
Refusal refuse_ca_file(const std::string& file);
/// TLS could not be agreed upon at all.
Refusal refuse_handshake(const ServerUrl& url);
/// `verified`: OpenSSL's X509_V_… of the server's certificate.
Refusal refuse_certificate(const ServerUrl& url, long verified);
/// Nothing or not everything came. `expected` 0: unknown.
Refusal refuse_cut_off(const ServerUrl& url, std::uint64_t received, std::uint64_t expected);
Refusal refuse_redirect(const ServerUrl& from, const ServerUrl& to);
Refusal refuse_redirects(const ServerUrl& first, unsigned most);
Refusal refuse_page(const ServerUrl& url);
Refusal refuse_encoding(const ServerUrl& url, std::string_view encoding);
Refusal refuse_length(const ServerUrl& url, std::string_view length);
Refusal refuse_unchanged(const ServerUrl& url);
Refusal refuse_status(const ServerUrl& url, int status);

}  // namespace backplane::sync
