// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/own_origin.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "backplane/core/log.hpp"
#include "browser/json_answer.hpp"

namespace backplane::sync {

namespace {

constexpr std::size_t k_authority_bytes = 300;  // a host name has at most 253

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lowered(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), lower);
    return out;
}

bool same_text(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

struct Authority {
    std::string host;  ///< lower case, without brackets and without a dot at the end
    bool ipv6 = false;
    unsigned port = 0;  ///< 0: the usual one of its scheme
    bool operator==(const Authority&) const = default;
};

/// Nothing when it is none: user names, blanks, a port that is no number.
std::optional<Authority> read_authority(std::string_view text) {
    if (text.empty() || text.size() > k_authority_bytes) return std::nullopt;
    Authority out;
    std::string_view rest;
    if (text.front() == '[') {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        out.host = lowered(text.substr(1, end - 1));
        out.ipv6 = true;
        rest = text.substr(end + 1);
        if (!rest.empty() && rest.front() != ':') return std::nullopt;
    } else {
        const auto colon = text.find(':');
        out.host = lowered(text.substr(0, colon));
        if (colon != std::string_view::npos) rest = text.substr(colon);
        if (!out.host.empty() && out.host.back() == '.') out.host.pop_back();
        const bool fine = std::all_of(out.host.begin(), out.host.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                   c == '_';
        });
        if (!fine) return std::nullopt;
    }
    if (out.host.empty()) return std::nullopt;
    if (!rest.empty()) {
        rest.remove_prefix(1);
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out.port);
        if (error != std::errc{} || end != rest.data() + rest.size() || out.port == 0 ||
            out.port > 65535)
            return std::nullopt;
    }
    return out;
}

struct Origin {
    bool tls = false;
    Authority authority;
};

/// `whole`: it is an address with a path, of which the origin is wanted.
std::optional<Origin> read_origin(std::string_view text, bool whole) {
    Origin out;
    const auto end = text.find("://");
    if (end == std::string_view::npos) return std::nullopt;
    const auto scheme = text.substr(0, end);
    if (same_text(scheme, "https"))
        out.tls = true;
    else if (!same_text(scheme, "http"))
        return std::nullopt;
    text.remove_prefix(end + 3);
    if (whole) text = text.substr(0, text.find_first_of("/?#"));
    auto authority = read_authority(text);
    if (!authority) return std::nullopt;
    // The usual port is the same written or not.
    if (authority->port == (out.tls ? 443u : 80u)) authority->port = 0;
    out.authority = *std::move(authority);
    return out;
}

bool is_address(const Authority& authority) {
    unsigned char bytes[16];
    // Only the plain form: browsers turn "0x7f.1" and the like into it themselves.
    return inet_pton(authority.ipv6 ? AF_INET6 : AF_INET, authority.host.c_str(), bytes) == 1;
}

bool has_name(const std::string& host, std::string_view wanted) {
    std::string name = lowered(wanted);
    if (!name.empty() && name.back() == '.') name.pop_back();
    if (name.empty()) return false;
    if (name.starts_with("*.")) {
        const auto dot = host.find('.');
        return name.size() > 2 && dot != std::string::npos && dot > 0 &&
               host.compare(dot, std::string::npos, name, 1) == 0;
    }
    return host == name || (name.find('.') == std::string::npos && host == name + ".local");
}

bool is_own_host(const Authority& authority, const std::vector<std::string>& names) {
    if (is_address(authority)) return true;
    if (authority.ipv6) return false;
    const std::string& host = authority.host;
    if (host == "localhost" || host.ends_with(".localhost")) return true;
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return has_name(host, name); });
}

/// Nothing: it is not there. More than one of a kind is as good as a wrong one: "".
std::optional<std::string_view> only_header(const core::HttpRequest& request,
                                            std::string_view name) {
    std::optional<std::string_view> found;
    for (const auto& [key, value] : request.headers)
        if (same_text(key, name)) found = found ? std::string_view{} : std::string_view(value);
    return found;
}

}  // namespace

Caller caller_of(const core::HttpRequest& request, const std::vector<std::string>& names) {
    if (request.remote_address == "unix") return Caller::own;  // no browser opens a Unix socket

    const auto host_text = only_header(request, "Host");
    auto host = host_text ? read_authority(*host_text) : std::nullopt;
    if (!host || !is_own_host(*host, names)) return Caller::wrong_host;
    if (host->port == (request.tls ? 443u : 80u)) host->port = 0;

    const auto site = only_header(request, "Sec-Fetch-Site");
    const bool says_own = site && same_text(*site, "same-origin");
    if (site && !says_own && !same_text(*site, "none")) return Caller::foreign;

    // The browser's own word stands above the scheme: something before the box may do the TLS.
    const auto is_own = [&](const std::optional<Origin>& origin) {
        return origin && origin->authority == *host && (says_own || origin->tls == request.tls);
    };
    const auto origin = only_header(request, "Origin");
    if (origin && !is_own(read_origin(*origin, false))) return Caller::foreign;
    const auto referer = only_header(request, "Referer");
    if (referer && !is_own(read_origin(*referer, true))) return Caller::foreign;

    if (request.method == core::HttpMethod::post) return Caller::own;
    const auto agent = request.header("User-Agent");
    const bool browser = site.has_value() || agent.find("Mozilla/") != std::string_view::npos;
    return says_own || origin || referer || !browser ? Caller::own : Caller::foreign;
}

bool comes_from_server(const core::HttpRequest& request, std::string_view server_url) {
    const auto text = only_header(request, "Origin");
    if (!text) return false;
    const auto origin = read_origin(*text, false), server = read_origin(server_url, true);
    return origin && server && origin->tls == server->tls && origin->authority == server->authority;
}

bool comes_from_web_page(const core::HttpRequest& request) {
    const auto text = only_header(request, "Origin");
    return text && read_origin(*text, false).has_value();
}

core::HttpResponse refuse(const core::HttpRequest& request, Caller caller) {
    if (caller == Caller::wrong_host)
        return error_answer(
            421, "http.unknown_host",
            "This request asks for a name that this box does not have, so nothing was changed. "
            "Open "
            "the box by its address or its host name, or add the name to https.names in its "
            "configuration.");
    core::log_warning("odoo", "request.foreign",
                      {{"path", request.path}, {"from", request.remote_address}});
    return error_answer(
        403, "http.foreign_origin",
        "This request does not come from a page of this box, so nothing was changed. Do it on the "
        "box's own homepage.");
}

}  // namespace backplane::sync
