// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/matching.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>

namespace backplane::core {

namespace {

std::string as_text(const boost::json::value& value) {
    return value.is_string() ? std::string(value.get_string()) : boost::json::serialize(value);
}

bool fits(const Descriptor& device, const sdk::MatchRule& rule) {
    if (rule.bus != device.bus) return false;
    return std::all_of(
        rule.properties.begin(), rule.properties.end(), [&](const sdk::MatchProperty& wanted) {
            const auto* value = device.properties.if_contains(wanted.name);
            if (!value) return false;
            const std::string text = as_text(*value);
            return std::any_of(
                wanted.globs.begin(), wanted.globs.end(),
                [&](const std::string& glob) { return sdk::glob_matches(glob, text); });
        });
}

}  // namespace

std::vector<Candidate> find_candidates(const Descriptor& device,
                                       const std::vector<const sdk::PluginNote*>& drivers) {
    std::vector<Candidate> candidates;
    for (const sdk::PluginNote* driver : drivers) {
        const sdk::MatchRule* best = nullptr;
        for (const sdk::MatchRule& rule : driver->matches)
            if (fits(device, rule) && (!best || rule.priority > best->priority)) best = &rule;
        if (best)
            candidates.push_back({driver->name, best->priority, best->probe != sdk::ProbeMode::none,
                                  best->probe_limit});
    }
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
        if (a.priority != b.priority) return a.priority > b.priority;
        if (a.probe != b.probe) return a.probe;
        return a.driver < b.driver;
    });
    return candidates;
}

}  // namespace backplane::core
