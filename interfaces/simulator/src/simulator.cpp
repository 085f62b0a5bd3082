// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "simulator.hpp"

#include <algorithm>
#include <utility>

#include "toledo8217.hpp"

namespace backplane::simulator {

namespace json = sdk::json;

namespace {

constexpr std::size_t k_most_devices =
    16;  // each needs one timer and two watches of the 64 that an instance has
constexpr std::size_t k_longest_name = 32;

using Make = std::unique_ptr<SimulatedDevice> (*)(sdk::Host&, const std::string& name,
                                                  const json::object& settings);

const std::map<std::string, Make, std::less<>>& device_kinds() {
    static const std::map<std::string, Make, std::less<>> kinds{
        {"toledo8217",
         [](sdk::Host& host, const std::string& name,
            const json::object& settings) -> std::unique_ptr<SimulatedDevice> {
             return std::make_unique<Toledo8217>(host, name, settings);
         }},
    };
    return kinds;
}

/// Takes a text out of `members`.
std::string take_text(json::object& members, std::string_view member, const std::string& missing) {
    const json::value* value = members.if_contains(member);
    if (!value) throw sdk::Failure(BP_E_INVALID, missing);
    if (!value->is_string())
        throw sdk::Failure(BP_E_INVALID, "\"" + std::string(member) + "\" must be a text, not " +
                                             shortened(json::serialize(*value)));
    std::string text{value->get_string()};
    members.erase(member);
    return text;
}

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= k_longest_name &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
           });
}

}  // namespace

void Simulator::start() {
    try {
        const json::object settings = host().settings();
        if (const json::value* devices = settings.if_contains("devices")) {
            if (!devices->is_array())
                throw sdk::Failure(BP_E_INVALID,
                                   "the setting devices of the simulator is not a list");
            for (const json::value& device : devices->get_array()) {
                if (!device.is_object())
                    throw sdk::Failure(BP_E_INVALID,
                                       "a device of the simulator is not an object: write it as in "
                                       "{\"name\": \"scale\", "
                                       "\"kind\": \"toledo8217\"}");
                add(device.get_object());
            }
        } else {
            add({{"name", "scale"}, {"kind", "toledo8217"}, {"weight_kg", 0.5}});
        }
        for (const auto& [name, device] : devices_) report(name);
    } catch (...) {
        devices_.clear();
        throw;
    }
    settled();
}

void Simulator::stop() {
    devices_.clear();
}

void Simulator::add(const json::object& settings) {
    json::object rest = settings;
    const std::string name =
        take_text(rest, "name", "a device of the simulator has no name: add \"name\"");
    const std::string kind =
        rest.contains("kind") ? take_text(rest, "kind", "") : device_kinds().begin()->first;
    if (!is_name(name))
        throw sdk::Failure(
            BP_E_INVALID,
            "\"" + shortened(name) +
                "\" cannot name a simulated device: use 1 to 32 letters, digits, - and _");
    if (devices_.contains(name))
        throw sdk::Failure(BP_E_INVALID,
                           "two simulated devices are named \"" + name + "\": rename one");
    if (devices_.size() == k_most_devices)
        throw sdk::Failure(BP_E_INVALID, "more than 16 simulated devices: remove some");
    const auto make = device_kinds().find(kind);
    if (make == device_kinds().end()) {
        std::string kinds;
        for (const auto& each : device_kinds()) kinds += (kinds.empty() ? "" : ", ") + each.first;
        throw sdk::Failure(BP_E_INVALID, "simulated device " + name + ": there is no kind \"" +
                                             shortened(kind) + "\"; there is " + kinds);
    }
    try {
        devices_.emplace(name, make->second(host(), name, rest));
    } catch (const sdk::Failure& failure) {
        throw sdk::Failure(failure.status(), "simulated device " + name + ": " + failure.what());
    }
}

std::string Simulator::names() const {
    if (devices_.empty()) return "no devices at all";
    std::string out;
    for (const auto& [name, device] : devices_) out += (out.empty() ? "" : ", ") + name;
    return out;
}

SimulatedDevice& Simulator::device(const std::string& name) {
    const auto it = devices_.find(name);
    if (it == devices_.end())
        throw sdk::Failure(BP_E_INVALID, "there is no simulated device \"" + shortened(name) +
                                             "\"; there is " + names());
    return *it->second;
}

void Simulator::action(sdk::Action action) {
    try {
        if (action.name() == "set")
            action.succeed(set(action.data()));
        else if (action.name() == "get")
            action.succeed(get(action.data()));
        else
            action.fail(BP_E_UNSUPPORTED, "the simulator knows no action \"" +
                                              shortened(action.name()) + "\"; there is set, get");
    } catch (const sdk::Failure& failure) {
        action.fail(failure.status(), failure.what());
    }
}

json::object Simulator::set(const json::object& data) {
    json::object change = data;
    const std::string name =
        take_text(change, "name", "which device is meant? add \"name\"; there is " + names());
    SimulatedDevice& changed = device(name);
    const std::optional<json::object> before = changed.descriptor();
    changed.set(change);
    const std::int64_t changed_at = host().now().time_since_epoch().count();
    const std::optional<json::object> after = changed.descriptor();
    if (before != after) {
        if (before) device_removed(name);
        if (after) report(name);
    }
    json::object out = state_of(name);
    out["changed_at_ns"] = changed_at;
    return out;
}

json::object Simulator::get(const json::object& data) {
    json::object rest = data;
    if (rest.contains("name")) {
        const std::string name = take_text(rest, "name", "");
        device(name);  // throws when there is none
        Change{rest}.no_others();
        return state_of(name);
    }
    Change{rest}.no_others();
    json::array all;
    for (const auto& [name, device] : devices_) all.emplace_back(state_of(name));
    return {{"devices", std::move(all)}};
}

json::object Simulator::state_of(const std::string& name) {
    json::object out{{"name", name}};
    for (const auto& member : device(name).state()) out[member.key()] = member.value();
    return out;
}

void Simulator::report(const std::string& name) {
    std::optional<json::object> descriptor = device(name).descriptor();
    if (!descriptor) return;
    json::object& out = *descriptor;
    out["key"] = name;
    out["identifier"] = "simulator:" + name;
    out["stable_id"] = "simulator:" + name;
    device_added(out);
}

}  // namespace backplane::simulator
