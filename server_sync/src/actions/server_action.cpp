// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "actions/server_action.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace backplane::sync {

namespace json = boost::json;

namespace {

constexpr std::size_t k_name_bytes = 256;
constexpr std::size_t k_devices = 256;

/// A text, or a whole number as text; empty for anything else and for what is too long for a name.
std::string name_in(const json::value& value) {
    std::string out;
    if (const auto* text = value.if_string())
        out.assign(text->data(), text->size());
    else if (const auto* number = value.if_int64())
        out = std::to_string(*number);
    else if (const auto* big = value.if_uint64())
        out = std::to_string(*big);
    if (out.size() > k_name_bytes) out.clear();
    return out;
}

std::string name_member(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr ? name_in(*value) : std::string{};
}

void add_device(std::vector<std::string>& devices, const json::value& value) {
    std::string name = name_in(value);
    if (name.empty() || devices.size() >= k_devices) return;
    if (std::find(devices.begin(), devices.end(), name) == devices.end())
        devices.push_back(std::move(name));
}

}  // namespace

core::Result<ServerAction> read_server_action(json::value payload) {
    auto* object = payload.if_object();
    if (object == nullptr)
        return core::failure("action.payload", "the action that the server sent is no JSON object");
    ServerAction out;
    // 19.0 sends a list, newer servers one; and nothing forbids a list of one under the newer name.
    for (const auto member : {"device_identifiers", "device_identifier"}) {
        const auto* value = object->if_contains(member);
        if (value == nullptr) continue;
        if (const auto* list = value->if_array())
            for (const auto& one : *list) add_device(out.devices, one);
        else
            add_device(out.devices, *value);
    }
    if (out.devices.empty())
        return core::failure("action.no_device",
                             "the action that the server sent names no device that could be one");
    out.name = name_member(*object, "action");
    out.unique_id = name_member(*object, "action_unique_id");
    if (auto session = name_member(*object, "session_id"); !session.empty())
        out.session = std::move(session);
    out.data = std::move(*object);
    for (const auto member : {"iot_identifiers", "iot_identifier"}) out.data.erase(member);
    return out;
}

bool goes_beside(std::string_view device_type, std::string_view name,
                 const json::object& data) noexcept {
    if (device_type != "payment") return false;
    if (name == "cancel" || name == "Cancel") return true;
    const auto* kind = data.if_contains("messageType");
    const auto* text = kind != nullptr ? kind->if_string() : nullptr;
    return text != nullptr && *text == "Cancel";
}

bool is_unsure(const core::ActionOutcome& outcome) noexcept {
    if (outcome.status == core::ActionOutcome::Status::success ||
        outcome.status == core::ActionOutcome::Status::duplicate)
        return false;
    // "device.gone" ends what has begun together with what has not; so does a stop of the box.
    constexpr std::array<std::string_view, 9> k_unsure{
        "action.timeout",  "driver.gone",           "device.gone",
        "box.stopping",    "driver.TIMEOUT",        "driver.CANCELLED",
        "driver.INTERNAL", "driver.TRANSPORT_GONE", "driver.TRANSPORT_TIMEOUT"};
    return std::find(k_unsure.begin(), k_unsure.end(), outcome.code) != k_unsure.end();
}

}  // namespace backplane::sync
