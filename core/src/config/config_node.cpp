// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "config/config_node.hpp"

#include <boost/json/serialize.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <unordered_map>

#include "util/utf8.hpp"

namespace backplane::core {
namespace {

constexpr std::size_t k_shown_bytes = 80;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

/// Number of digits at the start.
std::size_t digits(std::string_view text) noexcept {
    std::size_t count = 0;
    while (count < text.size() && is_digit(text[count])) ++count;
    return count;
}

/// [-+]? [0-9]+
bool is_decimal(std::string_view text) noexcept {
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
    return !text.empty() && digits(text) == text.size();
}

/// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_float(std::string_view text) noexcept {
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
    const std::size_t whole = digits(text);
    text.remove_prefix(whole);
    if (!text.empty() && text[0] == '.') {
        text.remove_prefix(1);
        const std::size_t fraction = digits(text);
        text.remove_prefix(fraction);
        if (whole == 0 && fraction == 0) return false;
    } else if (whole == 0) {
        return false;
    }
    if (text.empty()) return true;
    if (text[0] != 'e' && text[0] != 'E') return false;
    text.remove_prefix(1);
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
    return !text.empty() && digits(text) == text.size();
}

bool is_infinite_or_nan(std::string_view text) noexcept {
    if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
    return text == ".inf" || text == ".Inf" || text == ".INF";
}

/// False when 64 bits do not hold it.
bool parse_integer(std::string_view text, int base, boost::json::value& out) {
    if (!text.empty() && text[0] == '+') text.remove_prefix(1);
    const char* const end = text.data() + text.size();
    std::int64_t number = 0;
    auto [rest, error] = std::from_chars(text.data(), end, number, base);
    if (error == std::errc{} && rest == end) {
        out = number;
        return true;
    }
    std::uint64_t large = 0;
    const auto again = std::from_chars(text.data(), end, large, base);
    if (again.ec != std::errc{} || again.ptr != end) return false;
    out = large;
    return true;
}

bool all_of_base(std::string_view text, int base) noexcept {
    if (text.empty()) return false;
    for (const char c : text) {
        const bool hex = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        const bool ok = base == 8 ? (c >= '0' && c <= '7') : (is_digit(c) || hex);
        if (!ok) return false;
    }
    return true;
}

Result<boost::json::value> scalar_to_json(const ConfigNode& node, const std::string& path) {
    const std::string_view text = node.text;
    if (node.quoted) return boost::json::value(boost::json::string{text});
    if (text == "true" || text == "True" || text == "TRUE") return boost::json::value(true);
    if (text == "false" || text == "False" || text == "FALSE") return boost::json::value(false);

    boost::json::value number;
    bool fits = true;
    if (is_decimal(text)) {
        fits = parse_integer(text, 10, number);
    } else if (text.starts_with("0o") && all_of_base(text.substr(2), 8)) {
        fits = parse_integer(text.substr(2), 8, number);
    } else if (text.starts_with("0x") && all_of_base(text.substr(2), 16)) {
        fits = parse_integer(text.substr(2), 16, number);
    } else if (is_float(text)) {
        const std::string_view unsigned_text = text[0] == '+' ? text.substr(1) : text;
        double value = 0;
        const auto [rest, error] = std::from_chars(
            unsigned_text.data(), unsigned_text.data() + unsigned_text.size(), value);
        fits = error == std::errc{} && std::isfinite(value);
        number = value;
    } else if (is_infinite_or_nan(text)) {
        fits = false;
    } else {
        return boost::json::value(boost::json::string{text});
    }
    if (!fits) {
        return config_failure(
            "config.out_of_range", node.origin, path,
            describe(node) +
                " is a number that cannot be kept: give a smaller one, or put it in quotes "
                "if it is meant as text");
    }
    return number;
}

Result<boost::json::value> to_json_at(const ConfigNode& node, const std::string& path,
                                      std::size_t depth) {
    if (depth > k_config_depth) {
        return config_failure("config.too_deep", node.origin, path, "is nested too deeply");
    }
    switch (node.kind) {
        case ConfigNode::Kind::nothing:
            return boost::json::value(nullptr);
        case ConfigNode::Kind::scalar:
            return scalar_to_json(node, path);
        case ConfigNode::Kind::list: {
            boost::json::array list;
            for (std::size_t i = 0; i < node.items.size(); ++i) {
                auto item =
                    to_json_at(node.items[i], path + "[" + std::to_string(i) + "]", depth + 1);
                if (!item) return item;
                list.push_back(std::move(item).value());
            }
            return boost::json::value(std::move(list));
        }
        case ConfigNode::Kind::map: {
            boost::json::object map;
            for (const ConfigMember& member : node.members) {
                auto value = to_json_at(
                    member.value, path + "." + to_printable(member.key, k_shown_bytes), depth + 1);
                if (!value) return value;
                map.emplace(member.key, std::move(value).value());
            }
            return boost::json::value(std::move(map));
        }
    }
    return boost::json::value(nullptr);
}

}  // namespace

void merge(ConfigNode& base, ConfigNode later) {
    if (base.kind == ConfigNode::Kind::map && later.kind == ConfigNode::Kind::nothing) return;
    if (base.kind != ConfigNode::Kind::map || later.kind != ConfigNode::Kind::map) {
        base = std::move(later);
        return;
    }
    std::unordered_map<std::string, std::size_t> known;
    for (std::size_t i = 0; i < base.members.size(); ++i) known.emplace(base.members[i].key, i);
    for (ConfigMember& member : later.members) {
        const auto it = known.find(member.key);
        if (it == known.end()) {
            base.members.push_back(std::move(member));
            continue;
        }
        ConfigMember& old = base.members[it->second];
        old.origin = member.origin;
        merge(old.value, std::move(member.value));
    }
}

Result<boost::json::value> to_json(const ConfigNode& node, const std::string& path) {
    return to_json_at(node, path, 0);
}

std::string describe(const ConfigNode& node) {
    switch (node.kind) {
        case ConfigNode::Kind::nothing:
            return "nothing";
        case ConfigNode::Kind::list:
            return "a list";
        case ConfigNode::Kind::map:
            return "a map";
        case ConfigNode::Kind::scalar:
            break;
    }
    const std::string shown = to_printable(node.text, k_shown_bytes);
    return node.quoted ? '"' + shown + '"' : shown;
}

std::string describe(const boost::json::value& value) {
    switch (value.kind()) {
        case boost::json::kind::null:
            return "nothing";
        case boost::json::kind::array:
            return "a list";
        case boost::json::kind::object:
            return "a map";
        case boost::json::kind::string: {
            const boost::json::string& text = value.get_string();
            return '"' + to_printable({text.data(), text.size()}, k_shown_bytes) + '"';
        }
        default:
            break;
    }
    return to_printable(boost::json::serialize(value), k_shown_bytes);
}

Unexpected<Error> config_failure(std::string code, const ConfigOrigin& origin,
                                 const std::string& path, const std::string& what) {
    std::string text;
    if (!origin.file.empty()) text = (origin.line > 0 ? origin.text() : origin.file) + ": ";
    if (!path.empty()) text += path + ": ";
    return failure(std::move(code), text + what);
}

}  // namespace backplane::core
