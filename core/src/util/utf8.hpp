// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Text from outside is made valid UTF-8 of a known size before it is kept, logged or shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace backplane::core {

/// Length of the well-formed UTF-8 sequence (RFC 3629) at the start of `text`, or 0.
std::size_t utf8_sequence_length(std::string_view text) noexcept;

/// Position of the first byte that is not well-formed UTF-8, or npos.
std::size_t first_invalid_utf8(std::string_view text) noexcept;

/// Number of characters; each byte that is not well-formed counts as one.
std::size_t utf8_length(std::string_view text) noexcept;

/// Well-formed copy of at most `most_bytes` bytes: broken bytes become U+FFFD, what is cut off
/// becomes "…".
std::string to_valid_utf8(std::string_view text, std::size_t most_bytes);

/// One line for people: as to_valid_utf8(), and control characters (C0, DEL, C1, line and paragraph
/// separators, and those that reorder text) become \n, \t, \x1b, \u202e. What a terminal or a log
/// reader obeys never gets through.
std::string to_printable(std::string_view text, std::size_t most_bytes);

}  // namespace backplane::core
