// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// "odoo".
#include "config/config_sections.hpp"
#include "config/config_values.hpp"
#include "config/network_values.hpp"

namespace backplane::core::config_reading {

void read_odoo(Config::Odoo& odoo, const ConfigNode& node, const std::string& path) {
    using Node = const ConfigNode&;
    using Path = const std::string&;
    Config::Odoo::RemoteDebug& debug = odoo.remote_debug;
    const Reader remote_debug = [&](Node inner, Path below) {
        read_section(inner, below,
                     {{"start", [&](Node n, Path p) { debug.start = command_value(n, p); }},
                      {"stop", [&](Node n, Path p) { debug.stop = command_value(n, p); }},
                      {"status", [&](Node n, Path p) { debug.status = command_value(n, p); }}});
        if (debug.start.empty() != debug.stop.empty()) {
            refuse("config.missing_key", inner.origin, below,
                   "needs both start and stop: what was opened must be closed again");
        }
        if (debug.start.empty() && !debug.status.empty()) {
            refuse("config.missing_key", inner.origin, below,
                   "has a status but nothing to start: give start and stop, too");
        }
    };
    read_section(node, path,
                 {{"server", [&](Node n, Path p) { odoo.server = url_value(n, p); }},
                  {"pairing_proxy", [&](Node n, Path p) { odoo.pairing_proxy = url_value(n, p); }},
                  {"certificate_service",
                   [&](Node n, Path p) { odoo.certificate_service = url_value(n, p); }},
                  {"ca_file", [&](Node n, Path p) { odoo.ca_file = file_value(n, p); }},
                  {"send_logs", [&](Node n, Path p) { odoo.send_logs = bool_value(n, p); }},
                  {"remote_debug", remote_debug}});
}

}  // namespace backplane::core::config_reading
