// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/plugin_list.hpp"

#include <map>

#include "api/json_views.hpp"

namespace backplane::core {

boost::json::array plugin_list(const Registry& registry, const Updates* updates) {
    std::map<std::string, DeliveredPlugin> delivered;
    if (updates)
        for (DeliveredPlugin& plugin : updates->plugins())
            delivered.emplace(plugin.name, std::move(plugin));

    const auto merged = [](const PluginInfo& info, const DeliveredPlugin& from) {
        boost::json::object out = to_json(info);
        // Name, kind and version are those of what runs.
        for (const auto& [key, value] : to_json(from))
            if (!out.contains(key)) out[key] = value;
        return out;
    };
    const auto plugins = registry.plugins();
    // A file that was refused may carry the name of a plug-in that runs: what was delivered belongs to the latter.
    std::map<std::string, std::size_t> place;
    for (std::size_t i = 0; i < plugins.size(); ++i) {
        const bool refused = plugins[i].state == "refused";
        const auto [it, is_new] = place.emplace(plugins[i].name, i);
        if (!is_new && !refused && plugins[it->second].state == "refused") it->second = i;
    }
    boost::json::array out;
    for (std::size_t i = 0; i < plugins.size(); ++i) {
        DeliveredPlugin from;
        from.source = "the box";
        if (const auto it = delivered.find(plugins[i].name);
            it != delivered.end() && place.at(plugins[i].name) == i) {
            from = std::move(it->second);
            delivered.erase(it);
        }
        out.push_back(merged(plugins[i], from));
    }
    for (const auto& [name, from] : delivered) {
        PluginInfo info;
        info.name = name;
        info.kind = from.kind;
        info.version = from.version;
        info.state = "disabled";
        info.reason = from.reason;
        out.push_back(merged(info, from));
    }
    return out;
}

}  // namespace backplane::core
