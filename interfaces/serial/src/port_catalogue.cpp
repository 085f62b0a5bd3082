// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "port_catalogue.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>
#include <utility>

#include "identity.hpp"

namespace backplane::serial {

namespace json = boost::json;

namespace {

void set_text(json::object& object, std::string_view member, const std::string& text) {
    if (!text.empty()) object[member] = text;
}

json::object common_descriptor(const std::string& key, const std::string& address,
                               const std::string& stable_id, bool no_probe) {
    json::object out{{"key", key},
                     {"bus", "serial"},
                     {"address", address},
                     {"identifier", key},
                     {"stable_id", stable_id},
                     {"connection", "serial"},
                     {"open", {{"kind", "device_node"}, {"path", address}}}};
    if (no_probe) out["no_probe"] = true;
    return out;
}

}  // namespace

std::string PortCatalogue::real_path_of_system(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real{::realpath(path.c_str(), nullptr),
                                                           &std::free};
    return real ? std::string{real.get()} : std::string{};
}

PortReports PortCatalogue::set_rules(PortRules rules) {
    rules_ = std::move(rules);
    return reconcile();
}

PortReports PortCatalogue::port_added(PortFacts facts) {
    if (is_real_port(facts)) {
        std::string syspath = facts.syspath;
        ports_.insert_or_assign(std::move(syspath), std::move(facts));
    } else {
        ports_.erase(facts.syspath);
    }
    return reconcile();
}

PortReports PortCatalogue::port_removed(std::string_view syspath) {
    if (const auto it = ports_.find(syspath); it != ports_.end()) {
        // What inotify has not told yet: an extra port that led there has gone with it.
        std::erase_if(extra_,
                      [&](const ExtraPort& port) { return port.real_path == it->second.devnode; });
        ports_.erase(it);
    }
    return reconcile();
}

PortReports PortCatalogue::ports_are(std::vector<PortFacts> all) {
    ports_.clear();
    for (PortFacts& facts : all)
        if (is_real_port(facts)) {
            std::string syspath = facts.syspath;
            ports_.insert_or_assign(std::move(syspath), std::move(facts));
        }
    return reconcile();
}

PortReports PortCatalogue::extra_ports_are(std::vector<ExtraPort> all) {
    extra_ = std::move(all);
    return reconcile();
}

PortReports PortCatalogue::reconcile() {
    Entries next = wanted();
    PortReports reports;
    // First what has gone: a device that changes its key must not be there twice in between.
    for (const auto& [key, entry] : reported_) {
        const auto it = next.find(key);
        if (it == next.end() || it->second.instance != entry.instance)
            reports.push_back({PortReport::Kind::removed, key, {}});
    }
    for (const auto& [key, entry] : next) {
        const auto it = reported_.find(key);
        if (it == reported_.end() || it->second.instance != entry.instance ||
            it->second.descriptor != entry.descriptor)
            reports.push_back({PortReport::Kind::added, key, entry.descriptor});
    }
    reported_ = std::move(next);
    return reports;
}

PortCatalogue::Entries PortCatalogue::wanted() {
    Entries out;
    std::set<std::string> real_paths;
    const auto ids = stable_ids();
    for (const auto& [syspath, facts] : ports_) {
        // An ignored port is known all the same: an extra port must not bring it back by another
        // name.
        real_paths.insert(facts.devnode);
        if (any_means(rules_.ignore, names_of(facts))) continue;
        out.insert_or_assign(facts.devnode, entry_of(facts, ids.at(syspath)));
    }
    for (const ExtraPort& port : extra_) {
        if (any_means(rules_.ignore, {port.path, port.real_path})) continue;
        // The same port under two names is one device: the one that the kernel knows more of, else
        // the first.
        if (!real_paths.insert(port.real_path).second) continue;
        out.insert_or_assign(port.path, entry_of(port));
    }
    return out;
}

std::map<std::string, std::string> PortCatalogue::stable_ids() {
    std::map<std::string, int> by_id_count;
    std::map<std::string, int> by_path_count;
    for (const auto& [syspath, facts] : ports_) {
        if (const std::string by_id = by_id_link(facts);
            !by_id.empty() && ++by_id_count[by_id] == 2)
            shared_by_ids_.insert(by_id);
        ++by_path_count[by_path_link(facts)];
    }
    std::map<std::string, std::string> out;
    for (const auto& [syspath, facts] : ports_) {
        const std::string by_path = by_path_link(facts);
        // Twins are told apart by the place where they are plugged in. Once seen, for good: whoever
        // is alone for a moment must not take over the name of the other.
        if (names_one_device(facts)) out[syspath] = by_id_link(facts);
        // Ports of one card without USB share their place, while their numbers are fixed by the
        // hardware.
        else if (!facts.usb_path.empty() && !by_path.empty() && by_path_count[by_path] == 1)
            out[syspath] = by_path;
        else
            out[syspath] = facts.devnode;
    }
    return out;
}

bool PortCatalogue::names_one_device(const PortFacts& facts) const {
    const std::string by_id = by_id_link(facts);
    return !by_id.empty() && has_serial_number_of_its_own(facts) && !shared_by_ids_.contains(by_id);
}

std::vector<std::string> PortCatalogue::names_of(const PortFacts& facts) {
    std::vector<std::string> names{facts.devnode};
    for (std::string link : {by_id_link(facts), by_path_link(facts)})
        if (!link.empty()) names.push_back(std::move(link));
    return names;
}

bool PortCatalogue::any_means(const std::vector<std::string>& rules,
                              const std::vector<std::string>& names) const {
    return std::any_of(rules.begin(), rules.end(), [&](const std::string& rule) {
        for (const std::string& name : names)
            if (rule == name || ::fnmatch(rule.c_str(), name.c_str(), FNM_PATHNAME) == 0)
                return true;
        // Any other link that leads to the same node.
        const std::string real = real_path_(rule);
        return !real.empty() && std::find(names.begin(), names.end(), real) != names.end();
    });
}

PortCatalogue::Entry PortCatalogue::entry_of(const PortFacts& facts,
                                             const std::string& stable_id) const {
    const bool no_probe = facts.console || any_means(rules_.no_probe, names_of(facts));
    json::object out = common_descriptor(facts.devnode, facts.devnode, stable_id, no_probe);
    set_text(out, "name", facts.product);
    set_text(out, "manufacturer", facts.vendor);
    set_text(out, "model", facts.product);
    set_text(out, "serial", facts.serial);

    json::object properties;
    set_text(properties, "vid", facts.vid);
    set_text(properties, "pid", facts.pid);
    set_text(properties, "vendor", facts.vendor);
    set_text(properties, "product", facts.product);
    set_text(properties, "serial", facts.serial);
    set_text(properties, "usb_path", facts.usb_path);
    set_text(properties, "usb_interface", facts.usb_interface);
    set_text(properties, "driver", facts.driver);
    // A link that twins share leads to either of them: no name for anybody.
    if (names_one_device(facts)) set_text(properties, "by_id", by_id_link(facts));
    set_text(properties, "by_path", by_path_link(facts));
    if (facts.console) properties["console"] = true;
    out["properties"] = std::move(properties);
    return {facts.syspath + '\n' + facts.usb_generation + '\n' + stable_id, std::move(out)};
}

PortCatalogue::Entry PortCatalogue::entry_of(const ExtraPort& port) const {
    // The address is the node itself: what is opened is then what was reported, whatever becomes of
    // a link meanwhile.
    json::object out = common_descriptor(
        port.path, port.real_path, "path:" + port.path,
        any_means(rules_.no_probe, {port.path, port.real_path, "path:" + port.path}));
    out["properties"] = json::object{{"extra_port", true}, {"real_path", port.real_path}};
    return {port.real_path + '\n' + std::to_string(port.generation), std::move(out)};
}

}  // namespace backplane::serial
