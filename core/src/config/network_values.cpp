// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "config/network_values.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <string_view>

#include "config/config_values.hpp"

namespace backplane::core::config_reading {

namespace {

constexpr std::size_t k_url_bytes = 2048;
constexpr std::size_t k_addresses = 16;
constexpr std::size_t k_host_names = 16;
constexpr std::size_t k_host_name_bytes = 253;

bool is_ip_address(std::string address) {
    if (const auto scope = address.find('%');
        scope != std::string::npos && address.find(':') != std::string::npos) {
        if (scope + 1 == address.size()) return false;
        address.resize(scope);
    }
    in6_addr buffer{};
    return ::inet_pton(AF_INET, address.c_str(), &buffer) == 1 ||
           ::inet_pton(AF_INET6, address.c_str(), &buffer) == 1;
}

bool is_host_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > k_host_name_bytes) return false;
    std::size_t label = 0;
    char before = '.';
    for (const char c : name) {
        const bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c == '.' ? label == 0 || before == '-' : !plain && (c != '-' || label == 0))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63) return false;
        before = c;
    }
    return label > 0 && before != '-';
}

}  // namespace

std::vector<std::string> addresses(const ConfigNode& node, const std::string& path) {
    std::vector<std::string> values;
    if (node.kind == ConfigNode::Kind::list) {
        values = text_list(node, path, k_addresses, 64);
    } else {
        values.push_back(text_value(node, path, 64));
    }
    if (values.empty()) {
        refuse("config.out_of_range", node.origin, path,
               "is empty: give at least one address, such as 0.0.0.0 for all of IPv4");
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (is_ip_address(values[i])) continue;
        const ConfigNode& at = node.kind == ConfigNode::Kind::list ? node.items[i] : node;
        refuse("config.out_of_range", at.origin, path,
               describe(at) +
                   " is not an IP address: give one such as 127.0.0.1, or 0.0.0.0 for all of IPv4");
    }
    return values;
}

std::string url_value(const ConfigNode& node, const std::string& path) {
    if (node.kind == ConfigNode::Kind::nothing) return {};
    const std::string url = text_value(node, path, k_url_bytes);
    if (url.empty()) return url;
    const auto wrong = [&](const char* what) {
        refuse("config.out_of_range", node.origin, path,
               describe(node) + " " + what + ": give an address such as https://shop.example.com");
    };
    const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
    if (scheme == 0) wrong("does not begin with https:// or http://");
    if (url.find_first_of(" \"<>\\^`{|}#") != std::string::npos)
        wrong("contains characters that no address has");
    std::string authority = url.substr(scheme, url.find_first_of("/?", scheme) - scheme);
    if (authority.find('@') != std::string::npos)
        wrong("contains a user name or password, which do not belong here");
    const std::size_t bracket = authority.find(']');
    const std::size_t colon = authority.find(':', bracket == std::string::npos ? 0 : bracket);
    if (colon != std::string::npos) {
        const std::string port = authority.substr(colon + 1);
        const bool digits =
            !port.empty() && port.size() <= 5 &&
            std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (!digits || std::stoi(port) < 1 || std::stoi(port) > 65535)
            wrong("has a port that is not from 1 to 65535");
        authority.resize(colon);
    }
    if (authority.empty()) wrong("names no host");
    if (authority.front() == '[' &&
        (authority.back() != ']' || !is_ip_address(authority.substr(1, authority.size() - 2)))) {
        wrong("has a broken IPv6 address");
    }
    return url;
}

std::vector<std::string> host_names(const ConfigNode& node, const std::string& path) {
    std::vector<std::string> names = text_list(node, path, k_host_names, k_host_name_bytes);
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (is_host_name(names[i]) || is_ip_address(names[i])) continue;
        refuse("config.out_of_range", node.items[i].origin, path,
               describe(node.items[i]) +
                   " is neither a host name nor an IP address: give one such as box.example.com");
    }
    return names;
}

}  // namespace backplane::core::config_reading
