// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/json_views.hpp"

#include <boost/json/array.hpp>

namespace backplane::core {

namespace {

double unix_time(std::chrono::system_clock::time_point time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

std::string_view to_string(Event::Kind kind) noexcept {
    switch (kind) {
        case Event::Kind::device_event:
            return "device_event";
        case Event::Kind::action_result:
            return "action_result";
        case Event::Kind::device_state:
            return "device_state";
        case Event::Kind::box:
            return "box";
    }
    return "box";
}

}  // namespace

boost::json::object to_json(const DeviceInfo& device) {
    boost::json::object out{{"identifier", device.identifier},
                            {"stable_id", device.stable_id},
                            {"name", device.name},
                            {"type", device.type},
                            {"subtype", device.subtype},
                            {"manufacturer", device.manufacturer},
                            {"model", device.model},
                            {"connection", device.connection},
                            {"bus", device.bus},
                            {"address", device.address},
                            {"interface", device.interface},
                            {"driver", device.driver},
                            {"driver_version", device.driver_version},
                            {"state", to_string(device.state)},
                            {"reason", device.reason},
                            {"since", unix_time(device.since)},
                            {"properties", device.properties},
                            {"last_event", nullptr},
                            {"last_event_name", device.last_event_name},
                            {"last_event_time", device.last_event_time}};
    if (!device.last_event_name.empty()) out["last_event"] = device.last_event;
    return out;
}

boost::json::object to_json(const PluginInfo& plugin) {
    return {{"name", plugin.name},       {"id", plugin.id},
            {"title", plugin.title},     {"kind", plugin.kind},
            {"version", plugin.version}, {"vendor", plugin.vendor},
            {"path", plugin.path},       {"abi", plugin.abi},
            {"state", plugin.state},     {"reason", plugin.reason},
            {"pid", plugin.pid},         {"instances", plugin.instances},
            {"starts", plugin.starts},   {"crashes", plugin.crashes},
            {"events", plugin.events},   {"slow_calls", plugin.slow_calls}};
}

boost::json::object to_json(const DeliveredPlugin& plugin) {
    return {{"name", plugin.name},
            {"kind", plugin.kind},
            {"version", plugin.version},
            {"source", plugin.source},
            {"signer", plugin.signer},
            {"update_state", plugin.state},
            {"update_reason", plugin.reason},
            {"update_since", plugin.since},
            {"last_good", plugin.last_good},
            {"quarantined", plugin.quarantined},
            {"quarantined_reason", plugin.quarantined_reason},
            {"pinned", plugin.pinned},
            {"can_roll_back", plugin.can_roll_back},
            {"can_release", plugin.can_release}};
}

boost::json::object to_json(const UpdateStep& step) {
    return {{"plugin", step.plugin},          {"from", step.from}, {"to", step.to},
            {"state", to_string(step.state)}, {"code", step.code}, {"text", step.text}};
}

boost::json::object to_json(const UpdateReport& report) {
    boost::json::array steps;
    for (const UpdateStep& step : report.steps) steps.push_back(to_json(step));
    return {{"phase", to_string(report.phase)},
            {"trigger", report.trigger},
            {"source", report.source},
            {"received", report.received},
            {"expected", report.expected},
            {"steps", std::move(steps)},
            {"result", report.result},
            {"code", report.code},
            {"text", report.text},
            {"started", report.started},
            {"finished", report.finished},
            {"last_contact", report.last_contact},
            {"warnings", boost::json::array(report.warnings.begin(), report.warnings.end())}};
}

boost::json::object to_json(const Event& event) {
    boost::json::object out{{"seq", event.seq},
                            {"time", event.time},
                            {"kind", to_string(event.kind)},
                            {"device", event.device_identifier},
                            {"type", event.device_type},
                            {"name", event.name},
                            {"data", event.data}};
    if (event.kind == Event::Kind::action_result)
        out["action"] = {{"name", event.action_name},           {"session", event.action_session},
                         {"unique_id", event.action_unique_id}, {"status", event.action_status},
                         {"result", event.action_result},       {"message", event.action_message}};
    return out;
}

boost::json::object to_json(const LogRecord& record) {
    boost::json::object fields;
    for (const auto& [key, value] : record.fields) fields[key] = value;
    return {{"seq", record.seq},
            {"time", unix_time(record.time)},
            {"level", to_string(record.level)},
            {"component", record.component},
            {"event", record.event},
            {"fields", std::move(fields)},
            {"text", record.text()}};
}

boost::json::object to_json(const ActionOutcome& outcome) {
    return {{"status", to_string(outcome.status)},
            {"result", outcome.result},
            {"message", outcome.message},
            {"code", outcome.code},
            {"device", outcome.device}};
}

}  // namespace backplane::core
