// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/response_head.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "backplane/core/log.hpp"
#include "http/http_types.hpp"

namespace backplane::core {
namespace {

void append_number(std::string& out, std::uint64_t number, int base = 10) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
    out.append(digits.data(), end);
}

bool is_control(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

bool is_safe_value(std::string_view value) noexcept {
    return std::none_of(value.begin(), value.end(), is_control);
}

bool is_safe_name(std::string_view name) noexcept {
    return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
        return is_control(c) || c == ':' || c == ' ' || c == '\t' ||
               static_cast<unsigned char>(c) >= 0x80;
    });
}

bool is_framing(std::string_view name) noexcept {
    return equal_ignoring_case(name, "Content-Length") ||
           equal_ignoring_case(name, "Transfer-Encoding") ||
           equal_ignoring_case(name, "Connection");
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
    if (!is_safe_name(name) || !is_safe_value(value)) {
        log_error("http", "response.header_left_out",
                  {{"name", is_safe_name(name) ? name : "(unprintable)"},
                   {"reason", "it contains characters that would break the answer apart"}});
        return;
    }
    out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void append_head(std::string& out, const HttpResponse& response, BodyFraming framing,
                 std::uint64_t length, ConnectionHeader connection) {
    const bool known = response.status >= 200 && response.status <= 599;
    const unsigned status = known ? response.status : 500;
    out.append("HTTP/1.1 ");
    append_number(out, status);
    out.append(" ").append(reason_phrase(status)).append("\r\n");
    if (!response.content_type.empty() && !is_bodiless(status)) {
        append_header(out, "Content-Type", response.content_type);
    }
    for (const auto& [name, value] : response.headers) {
        if (!is_framing(name)) append_header(out, name, value);
    }
    if (framing == BodyFraming::length) {
        out.append("Content-Length: ");
        append_number(out, length);
        out.append("\r\n");
    } else if (framing == BodyFraming::chunked) {
        out.append("Transfer-Encoding: chunked\r\n");
    }
    if (connection == ConnectionHeader::close) out.append("Connection: close\r\n");
    if (connection == ConnectionHeader::keep_alive) out.append("Connection: keep-alive\r\n");
    out.append("\r\n");
}

void append_chunk(std::string& out, std::string_view piece) {
    append_number(out, piece.size(), 16);
    out.append("\r\n").append(piece).append("\r\n");
}

bool asks_to_close(const HttpResponse& response) noexcept {
    return std::any_of(response.headers.begin(), response.headers.end(), [](const auto& header) {
        return equal_ignoring_case(header.first, "Connection") &&
               equal_ignoring_case(header.second, "close");
    });
}

}  // namespace backplane::core
