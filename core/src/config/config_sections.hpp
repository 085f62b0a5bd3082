// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The sections of the configuration: each reads its keys over the defaults. They throw Mistake (config_values.hpp).
#pragma once

#include <map>
#include <string>

#include "backplane/core/config.hpp"
#include "config/config_node.hpp"

namespace backplane::core::config_reading {

void read_http(Config::Http& http, const ConfigNode& node, const std::string& path);
void read_https(Config::Https& https, const ConfigNode& node, const std::string& path);
void read_odoo(Config::Odoo& odoo, const ConfigNode& node, const std::string& path);
void read_plugins(Config::Plugins& plugins, const ConfigNode& node, const std::string& path);
void read_log(Config::Log& log, const ConfigNode& node, const std::string& path);
/// "interfaces" and "drivers": the settings of each plug-in, which only its own schema can judge.
std::map<std::string, PluginSettings> read_settings(const ConfigNode& node,
                                                    const std::string& path);
std::map<std::string, DevicePin> read_devices(const ConfigNode& node, const std::string& path);

}  // namespace backplane::core::config_reading
