// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// From files to a checked Config. The first mistake ends it: a box with half of its configuration
// is worse than one that says which line to mend.
#include "backplane/core/config.hpp"

#include "config/config_files.hpp"
#include "config/config_sections.hpp"
#include "config/config_values.hpp"

namespace backplane::core {
namespace {

using namespace config_reading;  // NOLINT: this file puts its parts together

Config read_config(const ConfigNode& top) {
    using Node = const ConfigNode&;
    using Path = const std::string&;
    Config config;
    read_section(top, {},
                 {{"http", [&](Node n, Path p) { read_http(config.http, n, p); }},
                  {"https", [&](Node n, Path p) { read_https(config.https, n, p); }},
                  {"odoo", [&](Node n, Path p) { read_odoo(config.odoo, n, p); }},
                  {"interfaces", [&](Node n, Path p) { config.interfaces = read_settings(n, p); }},
                  {"drivers", [&](Node n, Path p) { config.drivers = read_settings(n, p); }},
                  {"devices", [&](Node n, Path p) { config.devices = read_devices(n, p); }},
                  {"plugins", [&](Node n, Path p) { read_plugins(config.plugins, n, p); }},
                  {"log", [&](Node n, Path p) { read_log(config.log, n, p); }}});
    return config;
}

}  // namespace

Result<Config> load_config(const std::string& file, bool required) {
    try {
        return read_config(config_reading::read_files(file, required));
    } catch (config_reading::Mistake& mistake) {
        return std::move(mistake.error);
    }
}

}  // namespace backplane::core
