// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What every route of the API shares: how an answer, a refusal and a body look.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <optional>
#include <string_view>

#include "backplane/core/http.hpp"

namespace backplane::core {

HttpResponse json_response(unsigned status, const boost::json::value& body);

/// {"code", "message"}: the first for programs, the second for people.
HttpResponse error_response(unsigned status, std::string_view code, std::string_view message);

/// Answers other methods by 405, so that a page that posts to a list learns what is wrong.
HttpHandler only(HttpMethod method, std::string_view allowed, HttpHandler handler);

/// Whether the body was announced as this type; if not, that has been answered.
bool has_content_type(const HttpExchangePtr& exchange, std::string_view type);

/// The JSON object in the body, or nothing after having answered why not.
std::optional<boost::json::object> body_object(const HttpExchangePtr& exchange);

}  // namespace backplane::core
