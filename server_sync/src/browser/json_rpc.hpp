// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The JSON-RPC envelope of Odoo's routes, and the CORS headers that let a page of another origin
// read the answers.
//
// Pure functions: request in, call or answer out. Who answers, and when, is the routes' business.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <variant>

#include "backplane/core/http.hpp"
#include "backplane/core/result.hpp"

namespace backplane::sync {

constexpr std::size_t k_json_depth = 32;
/// Values in one document. A value takes far more memory than its text, so a body of ten megabytes
/// of "0,0,0…" must not be read; a receipt is one long text and a few members.
constexpr std::size_t k_json_values = 20'000;

constexpr std::string_view k_rpc_methods = "POST";
constexpr std::string_view k_plain_methods = "GET, POST";

struct RpcCall {
    boost::json::value id;  ///< null when the client sent none; echoed
    boost::json::object params;
};

enum class RpcMethods {
    any,        ///< as Odoo: whatever carries a JSON body
    post_only,  ///< for what changes something: a link or an image tag must never do that
};

/// One JSON document within the limits above; the error says what is wrong, and where.
core::Result<boost::json::value> parse_json(std::string_view text);

/// The call, or the answer that refuses the request (400, 405, 415, or a JSON-RPC error for params
/// that are no object).
std::variant<RpcCall, core::HttpResponse> read_rpc(const core::HttpRequest& request,
                                                   RpcMethods methods);

/// A null result is left out: Odoo's clients tell "nothing" from false by that.
core::HttpResponse rpc_result(const boost::json::value& id, const boost::json::value& result);

/// The caller asked for something that makes no sense. Clients show `message` from error.data.
core::HttpResponse rpc_bad_params(const boost::json::value& id, std::string_view message);

/// The request was right, but it cannot be done now. `advice` is for the person at the counter and
/// also the title.
core::HttpResponse rpc_user_error(const boost::json::value& id, std::string_view advice);

void add_cors(core::HttpResponse& response, std::string_view methods);
/// The answer to OPTIONS.
core::HttpResponse preflight(const core::HttpRequest& request, std::string_view methods);

/// A required text of at most `most` bytes.
core::Result<std::string> text_param(const boost::json::object& params, std::string_view name,
                                     std::size_t most);
/// The same, but empty when absent or null; integers become their text.
core::Result<std::string> optional_text_param(const boost::json::object& params,
                                              std::string_view name, std::size_t most);

}  // namespace backplane::sync
