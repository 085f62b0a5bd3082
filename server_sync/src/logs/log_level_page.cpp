// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "logs/log_level_page.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace backplane::sync {

namespace json = boost::json;

namespace {

constexpr std::string_view k_prefix = "iot-logging-";
constexpr std::string_view k_driver = "driver-";
constexpr std::string_view k_interface = "interface-";
constexpr std::string_view k_own_component = "odoo";
constexpr std::string_view k_parent = "parent";

json::array names(const std::vector<std::string>& of) {
    return json::array(of.begin(), of.end());
}

json::object level_of(const core::LogLevels& levels, const std::string& plugin) {
    const auto own = levels.entry(plugin);
    const auto root = levels.entry("");
    return {{"level", core::to_string(own.level)},
            {"is_using_parent_level", !own.until && !own.configured},
            {"parent_name", "root"},
            {"parent_level", core::to_string(root.level)}};
}

json::object levels_of(const core::LogLevels& levels, const std::vector<std::string>& plugins) {
    json::object out;
    for (const std::string& plugin : plugins) out[plugin] = level_of(levels, plugin);
    return out;
}

json::object error(std::string message) {
    return {{"status", "error"}, {"message", std::move(message)}};
}

struct Meant {
    std::string component;
    bool plugin = false;
};

/// Whose level it is; nothing when the page knows nobody of this name.
std::optional<Meant> component_of(std::string_view name, const LogLevelPage& page) {
    if (!name.starts_with(k_prefix)) return std::nullopt;
    name.remove_prefix(k_prefix.size());
    if (name == "root") return Meant{};
    if (name == k_own_component) return Meant{std::string(k_own_component)};
    const auto among = [](const std::vector<std::string>& plugins, std::string_view wanted) {
        return std::find(plugins.begin(), plugins.end(), wanted) != plugins.end();
    };
    for (const auto& [prefix, plugins] :
         {std::pair{k_driver, &page.drivers}, std::pair{k_interface, &page.interfaces}})
        if (name.starts_with(prefix) && among(*plugins, name.substr(prefix.size())))
            return Meant{std::string(name.substr(prefix.size())), true};
    return std::nullopt;
}

}  // namespace

json::object log_levels_answer(const core::LogLevels& levels, const LogLevelPage& page) {
    return {{"title", "Log level"},
            {"breadcrumb", "Log level"},
            {"drivers_list", names(page.drivers)},
            {"interfaces_list", names(page.interfaces)},
            {"server", page.server},
            {"is_log_to_server_activated", page.to_server},
            {"root_logger_log_level", core::to_string(levels.entry("").level)},
            {"odoo_current_log_level", core::to_string(levels.entry(k_own_component).level)},
            {"recommended_log_level", "warning"},
            {"available_log_levels", {"debug", "info", "warning", "error"}},
            {"drivers_logger_info", levels_of(levels, page.drivers)},
            {"interfaces_logger_info", levels_of(levels, page.interfaces)}};
}

json::object update_log_level(core::LogLevels& levels, const LogLevelPage& page,
                              std::string_view name, const json::value& value,
                              const std::function<void(bool)>& send_to_server) {
    if (name == "log-to-server") {
        if (!value.is_bool())
            return error("log-to-server is switched with true or false, not with another value");
        if (send_to_server) send_to_server(value.get_bool());
        return {{"status", "success"}};
    }
    const auto meant = component_of(name, page);
    if (!meant)
        return error("this box has no log of this name: reload the page to see what it has");
    const std::string_view wanted =
        value.is_string() ? std::string_view{value.get_string()} : std::string_view{};
    if (wanted == k_parent && meant->plugin) {
        levels.clear(meant->component);
        return {{"status", "success"}};
    }
    core::LogLevel level{};
    if (!core::parse_log_level(wanted, level))
        return error("this is no log level: give debug, info, warning or error");
    if (const auto result = levels.set(meant->component, level); !result)
        return error(result.error().text);
    return {{"status", "success"}};
}

}  // namespace backplane::sync
