// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Values of a query string.
#pragma once

#include <string>
#include <string_view>

namespace backplane::core {

/// The first value of `name`, decoded; empty when it is not there or its escapes are broken.
std::string query_value(std::string_view query, std::string_view name);

}  // namespace backplane::core
