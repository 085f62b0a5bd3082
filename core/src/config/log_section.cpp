// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// "log".
#include "config/config_sections.hpp"
#include "config/config_values.hpp"
#include "util/utf8.hpp"

namespace backplane::core::config_reading {

void read_log(Config::Log& log, const ConfigNode& node, const std::string& path) {
    using Node = const ConfigNode&;
    using Path = const std::string&;
    const std::vector<std::string> levels{"error", "warning", "info", "debug"};
    read_section(node, path,
                 {{"level", [&](Node n, Path p) { log.level = choice_value(n, p, levels); }},
                  {"components", [&](Node n, Path p) {
                       for (const ConfigMember& member : members(n, p)) {
                           const std::string below = p + "." + to_printable(member.key, 80);
                           if (member.key.empty() || member.key.size() > 64) {
                               refuse(
                                   "config.out_of_range", member.origin, below,
                                   "is not the name of a component: these have 1 to 64 characters");
                           }
                           log.components[member.key] = choice_value(member.value, below, levels);
                       }
                   }}});
}

}  // namespace backplane::core::config_reading
