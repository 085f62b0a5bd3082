// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "pairing/connection_token.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "browser/json_rpc.hpp"
#include "server/server_url.hpp"

namespace backplane::sync {

namespace {

// A token of Odoo has some 200 bytes; whatever is much longer was copied from somewhere else.
constexpr std::size_t k_text_bytes = 4096;
constexpr std::size_t k_value_bytes = 512;

constexpr std::string_view k_where =
    "In Odoo, open the IoT app, choose Connect, copy the token and paste it here.";

core::Unexpected<core::Error> refuse(std::string code, std::string what) {
    return core::failure(std::move(code), std::move(what) + ' ' + std::string(k_where));
}

/// Blanks, and what clipboards and messengers put around a text: no-break space, zero-width space, byte order mark.
std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::array<std::string_view, 9> k_blanks{
        " ", "\t", "\r", "\n", "\v", "\f", "\xC2\xA0", "\xE2\x80\x8B", "\xEF\xBB\xBF"};
    const auto is_gone = [&](const auto& ends, const auto& cut) {
        return std::any_of(k_blanks.begin(), k_blanks.end(), [&](std::string_view blank) {
            if (!ends(blank)) return false;
            cut(blank.size());
            return true;
        });
    };
    while (is_gone([&](std::string_view blank) { return text.starts_with(blank); },
                   [&](std::size_t size) { text.remove_prefix(size); })) {
    }
    while (is_gone([&](std::string_view blank) { return text.ends_with(blank); },
                   [&](std::size_t size) { text.remove_suffix(size); })) {
    }
    return text;
}

std::optional<unsigned> hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
    return std::nullopt;
}

/// Of a query: '+' is a blank, and a '%' that begins nothing stands for itself.
std::string decoded(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) &&
                   hex_digit(text[i + 2])) {
            out += static_cast<char>(*hex_digit(text[i + 1]) * 16 + *hex_digit(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

/// The values become HTTP headers and JSON: no control characters, and UTF-8 only.
bool is_clean(std::string_view value) {
    if (std::any_of(value.begin(), value.end(), [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return byte < 0x20 || byte == 0x7f;
        }))
        return false;
    // The parser checks UTF-8, the serializer does not.
    return parse_json(boost::json::serialize(boost::json::string(value))).has_value();
}

core::Result<ServerAccount> checked(ServerAccount account) {
    for (const auto& [name, value] :
         {std::pair{"token", &account.token}, std::pair{"db_uuid", &account.db_uuid},
          std::pair{"enterprise_code", &account.enterprise_code},
          std::pair{"db_name", &account.db_name}}) {
        if (value->size() > k_value_bytes)
            return refuse("token.too_long",
                          std::string("This is not a connection token: its part \"") + name +
                              "\" is longer than " + std::to_string(k_value_bytes) + " bytes.");
        if (!is_clean(*value))
            return refuse("token.parts",
                          std::string("The connection token is damaged: its part \"") + name +
                              "\" contains characters that cannot be in it.");
    }
    if (account.token.empty())
        return refuse("token.no_token",
                      "The text names the server, but the connection token itself is missing: an "
                      "address from the browser's address bar is not enough.");
    return account;
}

core::Result<ServerAccount> parse_address_form(std::string_view text) {
    const std::size_t question = text.find('?');
    auto url = parse_server_address(text.substr(0, question));
    if (!url) return core::failure(url.error().code, url.error().text);

    ServerAccount account;
    account.url = *std::move(url);
    if (question == std::string_view::npos) return checked(std::move(account));

    std::string_view query = text.substr(question + 1);
    query = query.substr(0, query.find('#'));
    std::array<std::pair<std::string_view, std::optional<std::string>>, 4> wanted{
        {{"token", {}}, {"db_uuid", {}}, {"enterprise_code", {}}, {"db_name", {}}}};
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        std::string_view parameter = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        // Copied out of the source of a page or of a mail, where '&' is written as "&amp;".
        if (parameter.starts_with("amp;")) parameter.remove_prefix(4);
        const std::size_t equals = std::min(parameter.find('='), parameter.size());
        const std::string name = decoded(parameter.substr(0, equals));
        for (auto& [key, value] : wanted)
            if (name == key && !value)  // the first one counts
                value = decoded(parameter.substr(std::min(equals + 1, parameter.size())));
    }
    account.token = std::move(wanted[0].second).value_or("");
    account.db_uuid = std::move(wanted[1].second).value_or("");
    account.enterprise_code = std::move(wanted[2].second).value_or("");
    account.db_name = std::move(wanted[3].second).value_or("");
    return checked(std::move(account));
}

core::Result<ServerAccount> parse_bar_form(std::string_view text) {
    std::vector<std::string_view> parts;
    for (std::string_view rest = text;;) {
        const std::size_t bar = rest.find('|');
        parts.push_back(trimmed(rest.substr(0, bar)));
        if (bar == std::string_view::npos) break;
        rest.remove_prefix(bar + 1);
    }
    if (parts.size() != 4)
        return refuse("token.parts",
                      "The connection token is not complete: it should have 4 parts with \"|\" "
                      "between them, and has " +
                          std::to_string(parts.size()) + '.');
    auto url = parse_server_address(parts[0]);
    if (!url) return core::failure(url.error().code, url.error().text);
    ServerAccount account;
    account.url = *std::move(url);
    account.token = parts[1];
    account.db_uuid = parts[2];
    account.enterprise_code = parts[3];
    return checked(std::move(account));
}

}  // namespace

core::Result<std::string> parse_server_address(std::string_view text) {
    text = trimmed(text);
    const std::size_t scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos)
        return refuse("token.no_url",
                      "This is not a connection token: it does not begin with the address of your "
                      "Odoo, such as https://shop.example.com.");
    std::string scheme(text.substr(0, scheme_end));
    std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (scheme != "https" && scheme != "http")
        return refuse(
            "token.scheme",
            "The address of Odoo in the connection token begins with neither https:// nor "
            "http://, so the box cannot reach it.");
    // Only scheme and authority are kept; what the path may be does not matter.
    const auto url = parse_server_url(
        text.substr(0, std::min(text.find_first_of("/?#", scheme_end + 3), text.size())));
    if (!url)
        return refuse("token.no_url",
                      "The address of Odoo in the connection token cannot be read: it should look "
                      "like https://shop.example.com.");
    std::string_view host = url->host;
    while (host.ends_with('.')) host.remove_suffix(1);
    if (host.empty())
        return refuse(
            "token.no_url",
            "The address of Odoo in the connection token cannot be read: it names no host.");
    if (host == "localhost" || host.ends_with(".localhost"))
        return refuse("token.localhost",
                      "The connection token names localhost, which for the box is the box itself: "
                      "open Odoo by the address that other computers use for it.");
    return url->origin();
}

core::Result<ServerAccount> parse_connection_token(std::string_view text) {
    if (text.size() > k_text_bytes)
        return refuse("token.too_long", "This is not a connection token: it is longer than " +
                                            std::to_string(k_text_bytes) + " bytes.");
    text = trimmed(text);
    if (text.empty()) return refuse("token.empty", "The connection token is empty.");
    // A bar may be part of a value of the newer form, but a '?' is never in the address of the older one.
    const std::size_t bar = text.find('|');
    if (bar != std::string_view::npos && bar < text.find('?')) return parse_bar_form(text);
    return parse_address_form(text);
}

}  // namespace backplane::sync
