// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/server_url.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace backplane::sync {

namespace {

constexpr std::size_t k_url_bytes = 2048;
constexpr std::size_t k_quoted_bytes = 120;

/// Nothing for a text that is no absolute http or https URL.
std::optional<ServerUrl> parse(std::string_view text) {
    const bool clean = std::all_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte > 0x20 && byte < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\';
    });
    if (!clean || text.size() > k_url_bytes) return std::nullopt;
    ServerUrl url;
    const std::size_t colon = text.find("://");
    if (colon == std::string_view::npos) return std::nullopt;
    std::string scheme(text.substr(0, colon));
    std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (scheme != "https" && scheme != "http") return std::nullopt;
    url.tls = scheme == "https";
    url.port = url.tls ? 443 : 80;
    text.remove_prefix(colon + 3);
    text = text.substr(0, text.find('#'));

    const std::size_t end = std::min(text.find_first_of("/?"), text.size());
    std::string_view authority = text.substr(0, end);
    text.remove_prefix(end);
    if (!text.empty()) url.path = text.front() == '/' ? text : "/" + std::string(text);

    if (authority.find('@') != std::string_view::npos) return std::nullopt;
    std::string_view rest;
    if (authority.starts_with('[')) {
        const std::size_t bracket = authority.find(']');
        if (bracket == std::string_view::npos) return std::nullopt;
        url.host = authority.substr(1, bracket - 1);
        rest = authority.substr(bracket + 1);
    } else {
        const std::size_t at = std::min(authority.find(':'), authority.size());
        url.host = authority.substr(0, at);
        rest = authority.substr(at);
    }
    if (url.host.empty() || url.host.size() > 253) return std::nullopt;
    std::transform(url.host.begin(), url.host.end(), url.host.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (rest.size() > 1) {
        const auto [last, error] =
            std::from_chars(rest.data() + 1, rest.data() + rest.size(), url.port);
        if (rest.front() != ':' || error != std::errc() || last != rest.data() + rest.size() ||
            url.port == 0)
            return std::nullopt;
    } else if (!rest.empty() && rest != ":") {
        return std::nullopt;
    }
    return url;
}

}  // namespace

std::string ServerUrl::origin() const {
    std::string text = tls ? "https://" : "http://";
    text += host.find(':') == std::string::npos ? host : '[' + host + ']';
    if (port != (tls ? 443 : 80)) text += ':' + std::to_string(port);
    return text;
}

core::Result<ServerUrl> parse_server_url(std::string_view text) {
    auto url = parse(text);
    if (!url)
        return core::failure("net.bad_url",
                             "\"" + foreign_text(text) +
                                 "\" is not the address of an Odoo server: give one such as "
                                 "https://shop.example.com");
    return *std::move(url);
}

core::Result<ServerUrl> redirected(const ServerUrl& from, std::string_view location) {
    std::optional<ServerUrl> to;
    if (location.starts_with("//"))
        to = parse((from.tls ? "https:" : "http:") + std::string(location));
    else if (location.starts_with('/'))
        to = parse(from.origin() + std::string(location));
    else
        to = parse(location);
    if (!to)
        return core::failure("net.redirect",
                             from.origin() + " redirects the request to \"" +
                                 foreign_text(location) +
                                 "\", which is not an address: check the proxy in front of the "
                                 "Odoo server");
    return *std::move(to);
}

bool may_follow(const ServerUrl& from, const ServerUrl& to) {
    if (from.host != to.host) return false;
    if (from.tls == to.tls) return from.port == to.port;
    return to.tls;
}

std::string foreign_text(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, k_quoted_bytes)) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte >= 0x20 && byte < 0x7f && c != '"' ? c : '?';
    }
    return text.size() > k_quoted_bytes ? out + "..." : out;
}

}  // namespace backplane::sync
