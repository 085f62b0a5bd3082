// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Values of a query ("a=1&b=2") or of a body of type application/x-www-form-urlencoded.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace backplane::core {

/// The first value of this name, decoded ("+" is a space, "%41" is "A"); "" for a name without "=".
/// Nothing when the name is missing or when its value has an invalid escape.
std::optional<std::string> form_value(std::string_view form, std::string_view name);

}  // namespace backplane::core
