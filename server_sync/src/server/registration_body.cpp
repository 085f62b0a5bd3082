// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/registration_body.hpp"

#include <boost/json/value.hpp>

#include <algorithm>

#include "browser/json_rpc.hpp"
#include "server/net_errors.hpp"
#include "server/server_url.hpp"

namespace backplane::sync {

namespace json = boost::json;

namespace {

constexpr std::size_t k_channel_bytes = 512;

json::object device_entry(const core::DeviceInfo& device) {
    json::object entry;
    entry["name"] = device.name;
    if (device.state == core::DeviceState::unsupported || device.type == "unsupported") {
        entry["identifier"] = device.identifier;
        entry["type"] = "unsupported";
        entry["connection"] = device.connection;
        return entry;
    }
    entry["type"] = device.type;
    entry["manufacturer"] = device.manufacturer;
    entry["connection"] = device.connection;
    entry["subtype"] = device.type == "printer" ? device.subtype : std::string();
    return entry;
}

/// The text at the end of this path of members, or empty.
std::string_view text_at(const json::value& value, std::initializer_list<const char*> path) {
    const json::value* at = &value;
    for (const char* name : path) {
        const auto* const object = at->if_object();
        at = object ? object->if_contains(name) : nullptr;
        if (!at) return {};
    }
    const auto* const text = at->if_string();
    return text ? std::string_view(*text) : std::string_view();
}

bool is_page(std::string_view body) {
    const std::size_t first = body.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
    return first != std::string_view::npos && body[first] == '<';
}

/// JSON-RPC, a bare text, or something else: whatever says most.
std::string reason_of(const json::value& error) {
    for (const std::string_view text :
         {text_at(error, {"data", "message"}), text_at(error, {"message"}),
          error.is_string() ? std::string_view(error.get_string()) : std::string_view()})
        if (!text.empty()) return foreign_text(text);
    return "without a reason";
}

bool is_channel(std::string_view text) {
    return text.size() <= k_channel_bytes && std::all_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
           });
}

}  // namespace

json::object registration_params(const BoxInfo& box, std::string_view token,
                                 const std::vector<core::DeviceInfo>& devices) {
    json::object who;
    who["identifier"] = box.identifier;
    who["mac"] = box.mac;
    who["ip"] = !box.domain.empty() ? box.domain : !box.ip.empty() ? box.ip : "127.0.0.1";
    who["token"] = token;
    who["version"] = box.version;
    who["name"] = box.hostname;
    json::object what;
    for (const auto& device : devices) {
        // Without a type nobody knows yet what it is: a moment later it has one.
        if (device.state == core::DeviceState::gone) continue;
        if (device.type.empty() && device.state != core::DeviceState::unsupported) continue;
        what[device.identifier] = device_entry(device);
    }
    json::object params;
    params["iot_box"] = std::move(who);
    params["devices"] = std::move(what);
    return params;
}

core::Result<std::string> registration_answer(const std::string& origin,
                                              const ServerAnswer& answer) {
    const std::string who = "the Odoo server " + origin;
    if (answer.status != 200) {
        const StatusText text = status_text(answer.status);
        return core::failure("setup.status", who + " answered the registration of the box with " +
                                                 text.what + ": " + text.advice);
    }
    if (is_page(answer.body))
        return core::failure(
            "setup.page", who +
                              " answered the registration of the box with a web page: check that "
                              "its address leads to Odoo itself and not to a login or "
                              "maintenance page before it");
    const auto parsed = parse_json(answer.body);
    if (!parsed || !parsed->is_object())
        return core::failure("setup.answer",
                             who +
                                 " answered the registration of the box with something that is no "
                                 "JSON-RPC: check that its address leads to Odoo itself, and that "
                                 "the IoT app is installed in the database");
    const json::object& body = parsed->get_object();
    if (const auto* const error = body.if_contains("error"); error && !error->is_null())
        return core::failure("setup.refused",
                             who + " refuses the registration of the box (" + reason_of(*error) +
                                 "): check that the IoT app is installed in the database, and pair "
                                 "the box again if its token is not valid any more");
    const auto* const result = body.if_contains("result");
    const auto* const channel = result ? result->if_string() : nullptr;
    return channel && is_channel(*channel) ? std::string(*channel) : std::string();
}

}  // namespace backplane::sync
