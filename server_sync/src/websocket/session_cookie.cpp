// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "websocket/session_cookie.hpp"

#include <algorithm>
#include <cctype>

namespace backplane::sync {

namespace {

constexpr std::string_view k_name = "session_id=";
constexpr std::size_t k_id_bytes = 512;
constexpr std::size_t k_page_bytes = 1u << 20;  // of the login page, which nobody reads

std::string percent_encoded(std::string_view text) {
    constexpr std::string_view k_digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_plain = (byte < 0x80 && std::isalnum(byte) != 0) || c == '-' || c == '.' ||
                              c == '_' || c == '~';
        if (is_plain)
            out += c;
        else
            out += {'%', k_digits[byte >> 4], k_digits[byte & 15]};
    }
    return out;
}

bool is_set_cookie(std::string_view name) {
    constexpr std::string_view k_header = "set-cookie";
    return std::equal(
        name.begin(), name.end(), k_header.begin(), k_header.end(),
        [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

/// What RFC 6265 lets a cookie be.
bool is_cookie_value(std::string_view text) {
    return !text.empty() && text.size() <= k_id_bytes &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
           });
}

}  // namespace

ServerRequest session_request(const Account& account) {
    ServerRequest request;
    request.method = "GET";
    request.url = account.url_of("/web/login?db=" + percent_encoded(account.current().db_name));
    // Not the header with the database: the server is to choose it by the query.
    request.headers.emplace_back("User-Agent", "OdooIoTBox/1.0");
    request.answer_bytes = k_page_bytes;
    request.total = std::chrono::seconds{10};
    return request;
}

std::optional<std::string> session_in(const ServerAnswer& answer) {
    std::optional<std::string> id;
    for (const auto& [name, value] : answer.headers) {
        if (!is_set_cookie(name) || !value.starts_with(k_name)) continue;
        const std::string_view text =
            std::string_view(value).substr(k_name.size(), value.find(';') - k_name.size());
        if (is_cookie_value(text)) id = text;
    }
    return id;
}

std::string session_cookie(std::string_view id) {
    return std::string(k_name) + std::string(id);
}

}  // namespace backplane::sync
