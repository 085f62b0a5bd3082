// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Values that name places in a network, as config_values.hpp does it for the others.
#pragma once

#include <string>
#include <vector>

#include "config/config_node.hpp"

namespace backplane::core::config_reading {

/// IP addresses to listen on, at least one: a list or a single one.
std::vector<std::string> addresses(const ConfigNode& node, const std::string& path);
/// http(s)://host[:port][/path], or empty.
std::string url_value(const ConfigNode& node, const std::string& path);
/// Names or IP addresses.
std::vector<std::string> host_names(const ConfigNode& node, const std::string& path);

}  // namespace backplane::core::config_reading
