// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Members of JSON objects that others have written, where a missing or a wrong one is no error.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace backplane::core {

/// The text of a member; empty when it is missing or no text.
inline std::string text_member(const boost::json::object& object, std::string_view member) {
    const auto* value = object.if_contains(member);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace backplane::core
