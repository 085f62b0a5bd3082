// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The session that a server with several databases knows the box by (protocol page, 3.7 and 4.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/account.hpp"
#include "server/requests.hpp"

namespace backplane::sync {

/// GET /web/login?db=<name>: its answer has a cookie of a session of this database. Without
/// redirects, within 10 s.
ServerRequest session_request(const Account& account);

/// The id that an answer sets, if it is one that can be sent back as it is.
std::optional<std::string> session_in(const ServerAnswer& answer);

/// Of the Cookie header; also without an id, as the server expects the header.
std::string session_cookie(std::string_view id);

}  // namespace backplane::sync
