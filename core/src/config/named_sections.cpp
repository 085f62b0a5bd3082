// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// "interfaces", "drivers" and "devices": sections whose keys are the names of plug-ins and devices.
#include <algorithm>
#include <string_view>
#include <utility>

#include "config/config_sections.hpp"
#include "config/config_values.hpp"
#include "util/utf8.hpp"

namespace backplane::core::config_reading {

namespace {

constexpr std::size_t k_identifier_bytes = 512;
constexpr std::size_t k_device_name_bytes = 128;

bool is_plugin_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
}

}  // namespace

std::map<std::string, PluginSettings> read_settings(const ConfigNode& node,
                                                    const std::string& path) {
    std::map<std::string, PluginSettings> plugins;
    for (const ConfigMember& member : members(node, path)) {
        const std::string below = path + "." + to_printable(member.key, 80);
        if (!is_plugin_name(member.key)) {
            refuse("config.out_of_range", member.origin, below,
                   "is not the name of a plug-in: these are 1 to 32 small letters, digits and "
                   "underscores");
        }
        PluginSettings settings;
        settings.origin = member.origin;
        for (const ConfigMember& setting : members(member.value, below)) {
            settings.values.emplace(
                setting.key,
                or_refuse(to_json(setting.value, below + "." + to_printable(setting.key, 80))));
            settings.origins.emplace(setting.key, setting.origin);
        }
        plugins.emplace(member.key, std::move(settings));
    }
    return plugins;
}

std::map<std::string, DevicePin> read_devices(const ConfigNode& node, const std::string& path) {
    std::map<std::string, DevicePin> devices;
    for (const ConfigMember& member : members(node, path)) {
        const std::string below = path + ".\"" + to_printable(member.key, 80) + "\"";
        if (member.key.empty() || member.key.size() > k_identifier_bytes ||
            to_printable(member.key, member.key.size() * 6) != member.key) {
            refuse("config.out_of_range", member.origin, below,
                   "is not an identifier of a device: copy it from \"backplane devices\"");
        }
        DevicePin pin;
        pin.origin = member.origin;
        read_section(
            member.value, below,
            {{"name",
              [&](const ConfigNode& value, const std::string& at) {
                  pin.name = text_value(value, at, k_device_name_bytes);
              }},
             {"driver",
              [&](const ConfigNode& value, const std::string& at) {
                  pin.driver = text_value(value, at, 64);
                  if (!is_plugin_name(pin.driver)) {
                      refuse(
                          "config.out_of_range", value.origin, at,
                          describe(value) +
                              " is not the name of a driver: copy it from \"backplane plugins\"");
                  }
              }},
             {"ignored", [&](const ConfigNode& value, const std::string& at) {
                  pin.ignored = bool_value(value, at);
              }}});
        devices.emplace(member.key, std::move(pin));
    }
    return devices;
}

}  // namespace backplane::core::config_reading
