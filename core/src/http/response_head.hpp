// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Writes the head of an answer: status line, headers, and what says where its body ends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backplane/core/http.hpp"

namespace backplane::core {

enum class BodyFraming { length, chunked, until_close, none };
enum class ConnectionHeader { omitted, keep_alive, close };

/// Appends the head. The framing is the server's alone: Content-Length, Transfer-Encoding and
/// Connection among the response's own headers are left out. So is, with an error in the log, a
/// header that would break the framing (CR, LF, NUL).
void append_head(std::string& out, const HttpResponse& response, BodyFraming framing,
                 std::uint64_t length, ConnectionHeader connection);

/// One piece of a stream in chunked coding; `piece` is not empty.
void append_chunk(std::string& out, std::string_view piece);

/// The end of a stream in chunked coding.
inline constexpr std::string_view k_last_chunk = "0\r\n\r\n";

/// True when the handler asked for the connection to be closed after this answer.
bool asks_to_close(const HttpResponse& response) noexcept;

/// True when an answer of this status never has a body.
constexpr bool is_bodiless(unsigned status) noexcept {
    return status == 204 || status == 304;
}

}  // namespace backplane::core
