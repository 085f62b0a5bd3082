// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Small things about HTTP that need neither a socket nor a library.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backplane/core/http.hpp"

namespace backplane::core {

enum class PlusSign { literal, space };

/// Nothing when an escape is incomplete or not hexadecimal.
std::optional<std::string> percent_decode(std::string_view text, PlusSign plus);

/// Splits a request target into decoded path and raw query. Takes "/path?query",
/// "http://host/path?query" and, for OPTIONS,
/// "*". False when it is none of these, when an escape is invalid, or when the path contains NUL.
bool split_target(std::string_view target, HttpMethod method, std::string& path,
                  std::string& query);

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// "Not Found"; "Unknown" for a status that has no name.
std::string_view reason_phrase(unsigned status) noexcept;

}  // namespace backplane::core
