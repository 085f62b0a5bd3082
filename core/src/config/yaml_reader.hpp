// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#pragma once

#include <string>

#include "config/config_node.hpp"

namespace backplane::core {

/// Parses one YAML document whose top is a map (or nothing). Duplicate keys, a second document,
/// anchors, aliases and tags are errors, and so is what is too deep or too much. `shown_name` is
/// the file in messages.
Result<ConfigNode> read_yaml(const std::string& text, const std::string& shown_name);

}  // namespace backplane::core
