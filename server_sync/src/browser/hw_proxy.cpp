// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/hw_proxy.hpp"

#include <boost/json/array.hpp>

#include <algorithm>

#include "browser/dialect.hpp"
#include "browser/guarded.hpp"

namespace backplane::sync {

namespace json = boost::json;
using core::DeviceInfo;
using core::DeviceState;

namespace {

/// The words of the POS. A scale that answers is "connected", even if what it answers is no weight:
/// otherwise the POS would stop asking, and never learn that the overload is gone.
std::string_view status_of(DeviceState state) noexcept {
    switch (state) {
        case DeviceState::ready:
            return "connected";
        case DeviceState::discovered:
        case DeviceState::probing:
        case DeviceState::opening:
        case DeviceState::quiescing:
            return "connecting";
        case DeviceState::unreachable:
        case DeviceState::gone:
        case DeviceState::unsupported:
            return "disconnected";
    }
    return "disconnected";
}

json::object scale_entry(const DeviceInfo& scale) {
    json::array messages;
    if (scale.state != DeviceState::ready) {
        if (!scale.reason.empty()) messages.emplace_back(scale.reason);
    } else if (scale.last_event_name == "weight") {
        const auto reading = weight_reading(scale.last_event);
        if (reading && !reading->weight) messages.emplace_back(reading->message);
    }
    return {{"status", status_of(scale.state)}, {"messages", std::move(messages)}};
}

std::string not_ready_text(const DeviceInfo& scale) {
    if (status_of(scale.state) == "connecting")
        return "The scale is being connected: try again in a moment." +
               (scale.reason.empty() ? std::string() : " (" + scale.reason + ")");
    return "The scale does not answer: check that it is switched on and its cable is plugged in." +
           (scale.reason.empty() ? std::string() : " (" + scale.reason + ")");
}

}  // namespace

void HwProxy::handshake(const core::HttpExchangePtr& exchange, const RpcCall& call) {
    exchange->respond(rpc_result(call.id, true));
}

void HwProxy::status_json(const core::HttpExchangePtr& exchange, const RpcCall& call) {
    const auto devices = devices_.list();
    const auto connected = [&devices](std::string_view type, std::string_view connection) {
        return std::any_of(devices.begin(), devices.end(), [&](const DeviceInfo& device) {
            return device.type == type && device.state == DeviceState::ready &&
                   (connection.empty() || device.connection == connection);
        });
    };
    const auto entry = [](bool is_connected) -> json::object {
        return {{"status", is_connected ? "connected" : "disconnected"}, {"messages", ""}};
    };
    json::object out;
    if (const auto scale = devices_.find("scale")) out["scale"] = scale_entry(*scale);
    // The printing of /hw_proxy goes to printers on a cable of their own only.
    out["printer"] = entry(connected("printer", "direct"));
    out["scanner"] = entry(connected("scanner", ""));
    exchange->respond(rpc_result(call.id, out));
}

void HwProxy::scale_read(const core::HttpExchangePtr& exchange, RpcCall call) {
    const auto scale = devices_.find("scale");
    if (!scale) return exchange->respond(rpc_result(call.id, nullptr));
    if (scale->state != DeviceState::ready)
        return exchange->respond(rpc_user_error(call.id, not_ready_text(*scale)));

    const auto number = ++last_;
    auto& read = reads_[number];
    read.exchange = exchange;
    read.rpc_id = std::move(call.id);
    read.device = scale->identifier;
    read.in_the_way =
        "The scale has not answered in time: check that it is switched on and its cable is plugged "
        "in.";
    read.deadline =
        timer_(k_scale_wait, guarded("scale reading", [this, number] {
                   if (const auto it = reads_.find(number); it != reads_.end())
                       finish(number, rpc_user_error(it->second.rpc_id, it->second.in_the_way));
               }));
    exchange->on_gone(guarded("client gone", [weak = weak_from_this(), number] {
        if (const auto self = weak.lock()) self->reads_.erase(number);
    }));
    ask(number);
}

void HwProxy::ask(std::uint64_t number) {
    const auto it = reads_.find(number);
    if (it == reads_.end()) return;
    core::ActionRequest request;
    request.device = it->second.device;
    request.name = "read_once";
    request.deadline = k_scale_wait;
    devices_.act(std::move(request), guarded("scale reading", [weak = weak_from_this(),
                                                               number](core::ActionOutcome end) {
                     if (const auto self = weak.lock()) self->outcome(number, end);
                 }));
}

void HwProxy::outcome(std::uint64_t number, const core::ActionOutcome& end) {
    const auto it = reads_.find(number);
    if (it == reads_.end()) return;  // too late, or the client has gone
    Read& read = it->second;
    // A driver may call an overload a failure: the reading says more than the status, but only
    // success vouches for it.
    const auto reading = weight_reading(end.result);
    if (reading && reading->condition == "in_motion") {
        read.in_the_way = reading->message;
        read.again =
            timer_(k_scale_again, guarded("scale reading", [this, number] { ask(number); }));
        return;
    }
    if (reading && reading->weight && end.status == core::ActionOutcome::Status::success)
        return finish(number, rpc_result(read.rpc_id, json::object{{"weight", *reading->weight}}));

    std::string advice = reading && !reading->weight ? reading->message : end.message;
    if (advice.empty())
        advice = "The scale's answer cannot be understood: check its protocol and line settings.";
    finish(number, rpc_user_error(read.rpc_id, advice));
}

void HwProxy::finish(std::uint64_t number, core::HttpResponse response) {
    const auto node = reads_.extract(number);
    if (!node.empty()) node.mapped().exchange->respond(std::move(response));
}

}  // namespace backplane::sync
