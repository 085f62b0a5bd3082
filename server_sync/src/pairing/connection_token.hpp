// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The token that a user copies from Odoo into the box (protocol page, 3.2), in both its formats.
#pragma once

#include <string_view>

#include "backplane/core/result.hpp"
#include "server/account.hpp"

namespace backplane::sync {

/// Either "https://shop.example.com?token=…&db_uuid=…&enterprise_code=…[&db_name=…]" or the older
/// "https://shop.example.com|token|db_uuid|enterprise_code"; what a clipboard leaves around it does not matter.
///
/// Unknown parameters are ignored. Error codes: "token.empty", "token.no_url", "token.scheme", "token.localhost",
/// "token.no_token", "token.parts", "token.too_long"; the text says what is wrong and where to copy a right one. Never
/// contains the token itself.
core::Result<ServerAccount> parse_connection_token(std::string_view text);

/// The address of a server as a token may name it: scheme and authority of a longer address. Errors: "token.no_url",
/// "token.scheme", "token.localhost".
core::Result<std::string> parse_server_address(std::string_view text);

}  // namespace backplane::sync
