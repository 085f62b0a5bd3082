// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a download that fails tells people, as far as it is about bundles; the rest is in
// server/net_errors.hpp.
#pragma once

#include <cstdint>
#include <string_view>

#include "backplane/sync/handlers.hpp"
#include "server/line.hpp"
#include "server/net_errors.hpp"
#include "server/server_url.hpp"

namespace backplane::sync {

Refusal refuse_no_server();
Refusal refuse_cut(const ServerUrl& url, Line::Cut why, const HandlerLimits& limits,
                   std::uint64_t received);
Refusal refuse_size(const ServerUrl& url, const HandlerLimits& limits);
Refusal refuse_page(const ServerUrl& url);
Refusal refuse_encoding(const ServerUrl& url, std::string_view encoding);
Refusal refuse_length(const ServerUrl& url, std::string_view length);
Refusal refuse_unchanged(const ServerUrl& url);
Refusal refuse_status(const ServerUrl& url, int status);

/// The codes of updates for what hinders any request: E_NET, or E_SERVER for a wrong redirect.
core::Error as_update_error(core::Error error);

}  // namespace backplane::sync
