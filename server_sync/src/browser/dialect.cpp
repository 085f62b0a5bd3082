// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/dialect.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <array>

#include "browser/base64.hpp"

namespace backplane::sync {

namespace json = boost::json;
using core::Event;

namespace {

// Whole documents in action_args would be sent to every listener (and once were).
constexpr std::size_t k_long_text = 1024;

struct ScaleWords {
    std::string_view condition;
    std::string_view status;
    std::string_view title;
    std::string_view advice;
};

constexpr ScaleWords k_fault{"fault", "error", "Scale fault",
                             "The scale's answer cannot be understood: check its protocol and line "
                             "settings."};
constexpr std::array k_scale_words{
    ScaleWords{"ok", "connected", "", ""},
    ScaleWords{"in_motion", "connecting", "Scale in motion",
               "The scale is in motion: wait until the load is at rest."},
    ScaleWords{"over_capacity", "error", "Scale overloaded",
               "Too heavy for this scale: take something off."},
    ScaleWords{"under_zero", "error", "Scale below zero",
               "The scale is below zero: empty the platter and zero it."},
    ScaleWords{"not_zeroed", "error", "Scale not zeroed",
               "The scale cannot find its zero: empty the platter and switch it off and on."},
    ScaleWords{
        "unreachable", "disconnected", "Scale not connected",
        "The scale does not answer: check that it is switched on and its cable is plugged in."},
};

const ScaleWords& words_for(std::string_view condition) noexcept {
    for (const auto& words : k_scale_words)
        if (words.condition == condition) return words;
    return k_fault;
}

std::string text_member(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    const auto* text = value != nullptr ? value->if_string() : nullptr;
    return text != nullptr ? std::string(*text) : std::string();
}

std::optional<double> number_in(const json::value* value) noexcept {
    if (value == nullptr) return std::nullopt;
    if (const auto* number = value->if_double()) return *number;
    if (const auto* number = value->if_int64()) return static_cast<double>(*number);
    if (const auto* number = value->if_uint64()) return static_cast<double>(*number);
    return std::nullopt;
}

/// Depth is that of parsed JSON, which is limited.
json::value without_long_texts(const json::value& value) {
    const auto too_long = [](const json::value& v) {
        return v.is_string() && v.get_string().size() > k_long_text;
    };
    if (const auto* object = value.if_object()) {
        json::object out;
        for (const auto& [name, member] : *object)
            if (!too_long(member)) out[name] = without_long_texts(member);
        return out;
    }
    if (const auto* array = value.if_array()) {
        json::array out;
        for (const auto& item : *array)
            if (!too_long(item)) out.push_back(without_long_texts(item));
        return out;
    }
    return value;
}

void add_reading(json::object& out, const WeightReading& reading) {
    out["status"] = scale_status_object(reading);
    out["message"] = reading.message;
    out["condition"] = reading.condition;
    out["stable"] = reading.weight.has_value();
    if (reading.weight) {
        // Boxes up to 18 named it "value", later ones "result".
        out["value"] = *reading.weight;
        out["result"] = *reading.weight;
    } else {
        for (const auto name : {"weight", "value", "result"}) out.erase(name);
    }
}

void add_action(json::object& out, const Event& event) {
    json::object args;
    args["action"] = event.action_name;
    args["session_id"] = event.action_session;
    const json::value asked = without_long_texts(event.action_data);
    for (const auto& [name, member] : asked.get_object()) args[name] = member;
    out["action"] = event.action_name;
    out["action_args"] = std::move(args);
    if (!event.action_unique_id.empty()) out["action_unique_id"] = event.action_unique_id;
}

void add_defaults(json::object& out) {
    for (const auto name : {"value", "result"})
        if (!out.contains(name)) out[name] = "";
}

json::object scale_action(const Event& event) {
    json::object out;
    if (const auto reading = weight_reading(event.action_result)) {
        out = event.action_result.get_object();
        add_reading(out, *reading);
    } else {
        out["status"] = json::object{{"status", "error"},
                                     {"message_title", "Scale"},
                                     {"message_body", event.action_message}};
        out["message"] = event.action_message;
    }
    add_action(out, event);
    return out;
}

json::object plain_action(const Event& event) {
    json::object out;
    const bool success = event.action_status == "success";
    out["status"] = event.action_status;
    if (!success) {
        out["result"] = event.action_message;
        out["message"] = event.action_message;
    } else if (!event.action_result.is_null()) {
        out["result"] = event.action_result;
    }
    add_action(out, event);
    add_defaults(out);
    return out;
}

json::object device_event(const Event& event) {
    json::object out = event.data;
    if (event.device_type == "scale" && event.name == "weight") {
        const auto reading = weight_reading(event.data);
        add_reading(out, reading
                             ? *reading
                             : WeightReading{"fault", std::nullopt, std::string(k_fault.advice)});
        return out;
    }
    if (event.device_type == "camera" && event.payload && !out.contains("result"))
        out["result"] = json::object{{"image", base64_encode(*event.payload)}};
    add_defaults(out);
    return out;
}

json::object scale_state(const Event& event) {
    WeightReading reading{"unreachable", std::nullopt, text_member(event.data, "reason")};
    if (reading.message.empty()) reading.message = words_for(reading.condition).advice;
    json::object out;
    add_reading(out, reading);
    return out;
}

}  // namespace

std::optional<WeightReading> weight_reading(const json::value& value) {
    const auto* object = value.if_object();
    if (object == nullptr || !object->contains("condition")) return std::nullopt;
    WeightReading reading;
    reading.condition = text_member(*object, "condition");
    reading.message = text_member(*object, "message");
    if (reading.condition == "ok") {
        reading.weight = number_in(object->if_contains("weight"));
        if (reading.weight) return reading;
        reading.condition = k_fault.condition;
        reading.message.clear();
    }
    if (reading.message.empty()) reading.message = words_for(reading.condition).advice;
    return reading;
}

std::string_view scale_status(std::string_view condition) noexcept {
    return words_for(condition).status;
}

json::object scale_status_object(const WeightReading& reading) {
    const auto& words = words_for(reading.condition);
    return {{"status", words.status},
            {"message_title", words.title},
            {"message_body", reading.condition == "ok" ? std::string() : reading.message}};
}

bool reports_by_events(std::string_view device_type) noexcept {
    return device_type == "printer" || device_type == "payment";
}

bool is_for_listeners(const Event& event) {
    switch (event.kind) {
        case Event::Kind::device_event:
            return true;
        case Event::Kind::box:
            // What else happens to the box (updates of plug-ins) is the homepage's: a page that waits for the box takes
            // any message of its name for the answer to its own request.
            return event.name == "restart";
        case Event::Kind::action_result:
            if (reports_by_events(event.device_type)) return false;
            // A scale that was told to start reading has succeeded, but has no number yet: the next
            // weight says so.
            return event.device_type != "scale" || event.action_status != "success" ||
                   weight_reading(event.action_result).has_value();
        case Event::Kind::device_state: {
            const auto state = text_member(event.data, "state");
            return event.device_type == "scale" && (state == "unreachable" || state == "gone");
        }
    }
    return false;
}

json::object event_for_listener(const Event& event, std::string_view key, std::string_view session,
                                std::string_view owner) {
    json::object out;
    switch (event.kind) {
        case Event::Kind::device_event:
            out = device_event(event);
            break;
        case Event::Kind::action_result:
            out = event.device_type == "scale" ? scale_action(event) : plain_action(event);
            break;
        case Event::Kind::device_state:
            out = scale_state(event);
            break;
        case Event::Kind::box:
            out = event.data;
            break;
    }
    if (!owner.empty() && !out.contains("owner")) out["owner"] = owner;
    out["device_identifier"] = key;
    out["time"] = event.time;
    out["session_id"] = session;
    return out;
}

}  // namespace backplane::sync
