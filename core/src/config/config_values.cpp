// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "config/config_values.hpp"

#include <algorithm>

#include "config/suggestion.hpp"
#include "util/utf8.hpp"

namespace backplane::core::config_reading {

namespace {

constexpr std::size_t k_path_bytes = 4096;
constexpr std::size_t k_arguments = 32;

boost::json::value scalar(const ConfigNode& node, const std::string& path,
                          const std::string& needed) {
    if (node.kind != ConfigNode::Kind::scalar) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) + " stands here, " + needed + " is needed");
    }
    return or_refuse(to_json(node, path));
}

}  // namespace

void refuse(const char* code, const ConfigOrigin& origin, const std::string& path,
            const std::string& what) {
    throw Mistake{config_failure(code, origin, path, what)};
}

std::string text_value(const ConfigNode& node, const std::string& path, std::size_t most_bytes) {
    const boost::json::value value = scalar(node, path, "text");
    if (!value.is_string()) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) + (value.is_bool() ? " is a truth value" : " is a number") +
                   ", text is needed: put it in quotes");
    }
    if (node.text.size() > most_bytes) {
        refuse("config.out_of_range", node.origin, path,
               "is longer than " + std::to_string(most_bytes) + " bytes: make it shorter");
    }
    if (to_printable(node.text, node.text.size() * 6) != node.text) {
        refuse("config.out_of_range", node.origin, path,
               describe(node) + " contains control characters: leave them out");
    }
    return node.text;
}

bool bool_value(const ConfigNode& node, const std::string& path) {
    const boost::json::value value = scalar(node, path, "true or false");
    if (!value.is_bool()) {
        refuse(
            "config.wrong_type", node.origin, path,
            describe(node) + " is neither true nor false: write one of these two, without quotes");
    }
    return value.get_bool();
}

std::uint16_t port_value(const ConfigNode& node, const std::string& path) {
    const boost::json::value value = scalar(node, path, "a port number");
    if (value.is_string()) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) +
                   " is text, a port is needed: give a number from 1 to 65535, without quotes");
    }
    if (!value.is_int64() || value.get_int64() < 1 || value.get_int64() > 65535) {
        refuse("config.out_of_range", node.origin, path,
               describe(node) + " is not a port: give a number from 1 to 65535");
    }
    return static_cast<std::uint16_t>(value.get_int64());
}

int number_value(const ConfigNode& node, const std::string& path, int least, int most) {
    const std::string range =
        "give a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    const boost::json::value value = scalar(node, path, "a number");
    if (!value.is_number()) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) + " is no number: " + range + ", without quotes");
    }
    if (!value.is_int64() || value.get_int64() < least || value.get_int64() > most) {
        refuse("config.out_of_range", node.origin, path,
               describe(node) + " is not possible: " + range);
    }
    return static_cast<int>(value.get_int64());
}

std::string choice_value(const ConfigNode& node, const std::string& path,
                         const std::vector<std::string>& choices) {
    const std::string value = text_value(node, path, 64);
    if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
        refuse("config.out_of_range", node.origin, path,
               describe(node) + " is not possible" + suggestion_for(value, choices));
    }
    return value;
}

std::vector<std::string> text_list(const ConfigNode& node, const std::string& path,
                                   std::size_t most_items, std::size_t most_bytes) {
    if (node.kind != ConfigNode::Kind::list) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) + " stands here, a list such as [a, b] is needed");
    }
    if (node.items.size() > most_items) {
        refuse("config.out_of_range", node.origin, path,
               "has more than " + std::to_string(most_items) + " entries: leave some out");
    }
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        texts.push_back(
            text_value(node.items[i], path + "[" + std::to_string(i) + "]", most_bytes));
    }
    return texts;
}

std::string file_value(const ConfigNode& node, const std::string& path) {
    if (node.kind == ConfigNode::Kind::nothing) return {};
    const std::string file = text_value(node, path, k_path_bytes);
    if (!file.empty() && file.front() != '/') {
        refuse("config.out_of_range", node.origin, path,
               describe(node) +
                   " is not a whole path: give one that begins with /, such as /etc/ssl/box.pem");
    }
    return file;
}

std::vector<std::string> command_value(const ConfigNode& node, const std::string& path) {
    if (node.kind == ConfigNode::Kind::nothing) return {};
    std::vector<std::string> words = text_list(node, path, k_arguments, k_path_bytes);
    if (!words.empty() && !words.front().starts_with('/')) {
        refuse("config.out_of_range", node.items.front().origin, path,
               describe(node.items.front()) +
                   " is not the whole path of a program: give one that begins with /, such as "
                   "[/usr/bin/tunnel, up]");
    }
    return words;
}

const std::vector<ConfigMember>& members(const ConfigNode& node, const std::string& path) {
    static const std::vector<ConfigMember> k_none;
    if (node.kind == ConfigNode::Kind::nothing) return k_none;
    if (node.kind != ConfigNode::Kind::map) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) + " stands here, keys with values are needed");
    }
    return node.members;
}

void read_section(const ConfigNode& node, const std::string& path,
                  const std::vector<std::pair<std::string, Reader>>& keys) {
    for (const ConfigMember& member : members(node, path)) {
        const std::string below = (path.empty() ? "" : path + ".") + to_printable(member.key, 80);
        const auto known = std::find_if(keys.begin(), keys.end(),
                                        [&](const auto& key) { return key.first == member.key; });
        if (known == keys.end()) {
            std::vector<std::string> names;
            for (const auto& key : keys) names.push_back(key.first);
            refuse("config.unknown_key", member.origin, below,
                   "unknown key" + suggestion_for(member.key, names));
        }
        known->second(member.value, below);
    }
}

}  // namespace backplane::core::config_reading
