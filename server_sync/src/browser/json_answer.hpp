// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How the answers of the box's own API look: JSON that nobody keeps, errors as {"code", "message"}.
//
// No CORS header: pages of other origins cannot read them.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <optional>
#include <string_view>

#include "backplane/core/http.hpp"

namespace backplane::sync {

core::HttpResponse json_answer(unsigned status, const boost::json::value& body);

/// The first for programs, the second for people.
core::HttpResponse error_answer(unsigned status, std::string_view code, std::string_view message);

/// The JSON object in the body of a POST, of at most `most` bytes; or nothing after having answered
/// why not (405, 413, 415, 400).
std::optional<boost::json::object> posted_object(const core::HttpExchangePtr& exchange,
                                                 std::size_t most = 64u << 10);

}  // namespace backplane::sync
