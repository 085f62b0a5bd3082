// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One value out of a node of the configuration, checked, or the mistake with file and line. Each function throws Mistake
// and nothing else; `path` is the value's name for the message, such as "http.port".
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backplane/core/result.hpp"
#include "config/config_node.hpp"

namespace backplane::core::config_reading {

/// The first mistake ends the reading; load_config() catches it, so that the readers stay readable.
struct Mistake {
    Unexpected<Error> error;
};

[[noreturn]] void refuse(const char* code, const ConfigOrigin& origin, const std::string& path,
                         const std::string& what);

template <typename T>
T or_refuse(Result<T> result) {
    if (!result) throw Mistake{Unexpected<Error>{std::move(result).error()}};
    return std::move(result).value();
}

std::string text_value(const ConfigNode& node, const std::string& path, std::size_t most_bytes);
bool bool_value(const ConfigNode& node, const std::string& path);
std::uint16_t port_value(const ConfigNode& node, const std::string& path);
int number_value(const ConfigNode& node, const std::string& path, int least, int most);
std::string choice_value(const ConfigNode& node, const std::string& path,
                         const std::vector<std::string>& choices);
std::vector<std::string> text_list(const ConfigNode& node, const std::string& path,
                                   std::size_t most_items, std::size_t most_bytes);
/// The path of a file, or empty. Whether it is there is seen by who reads it.
std::string file_value(const ConfigNode& node, const std::string& path);
/// A program with its arguments; empty: none.
std::vector<std::string> command_value(const ConfigNode& node, const std::string& path);

/// What stands below a node; nothing for one without a value.
const std::vector<ConfigMember>& members(const ConfigNode& node, const std::string& path);

using Reader = std::function<void(const ConfigNode&, const std::string& path)>;
/// Calls the reader of each key that is there, and refuses keys without one.
void read_section(const ConfigNode& node, const std::string& path,
                  const std::vector<std::pair<std::string, Reader>>& keys);

}  // namespace backplane::core::config_reading
