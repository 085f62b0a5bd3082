// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// JSON from a hostile file: strict, with a depth limit, and without names that occur twice.
#pragma once

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace backplane::sdk {

/// The JSON object that `text` is, or nullopt and in `problem` what is wrong, to go on after "is
/// not valid JSON: ".
std::optional<boost::json::object> parse_object(std::string_view text, std::string& problem);

}  // namespace backplane::sdk
