// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/action_route.hpp"

#include <boost/json/serialize.hpp>

#include <utility>

#include "actions/action_request.hpp"
#include "backplane/core/log.hpp"
#include "browser/dialect.hpp"
#include "browser/guarded.hpp"
#include "browser/own_origin.hpp"
#include "link/link_controls.hpp"
#include "server/unix_time.hpp"

namespace backplane::sync {

namespace json = boost::json;
using core::ActionOutcome;

namespace {

constexpr std::size_t k_name_bytes = 256;

/// On the wire; core may call them otherwise.
std::string_view status_word(ActionOutcome::Status status) noexcept {
    switch (status) {
        case ActionOutcome::Status::success:
            return "success";
        case ActionOutcome::Status::error:
            return "error";
        case ActionOutcome::Status::duplicate:
            return "duplicate";
        case ActionOutcome::Status::disconnected:
            return "disconnected";
    }
    return "error";
}

}  // namespace

struct ActionRoute::Asked {
    std::string session;
    std::string device;
    json::object data;
    bool data_was_text = false;
    std::string name;
    std::string unique_id;
};

core::Result<ActionRoute::Asked> ActionRoute::read_action(const json::object& params) {
    Asked asked;
    auto device = text_param(params, "device_identifier", k_name_bytes);
    if (!device) return core::failure(device.error().code, device.error().text);
    asked.device = *std::move(device);

    auto session = optional_text_param(params, "session_id", k_name_bytes);
    if (!session) return core::failure(session.error().code, session.error().text);
    asked.session = *std::move(session);

    const auto* data = params.if_contains("data");
    if (data == nullptr) return core::failure("rpc.missing", "the parameter \"data\" is missing");
    if (const auto* object = data->if_object()) {
        asked.data = *object;
    } else if (const auto* text = data->if_string()) {
        asked.data_was_text = true;
        auto parsed = parse_json(*text);
        if (!parsed)
            return core::failure(parsed.error().code,
                                 "in the parameter \"data\", " + parsed.error().text);
        if (!parsed->is_object())
            return core::failure("rpc.type",
                                 "the parameter \"data\" must be the JSON text of an object");
        asked.data = std::move(parsed->get_object());
    } else {
        return core::failure("rpc.type",
                             "the parameter \"data\" must be an object or the JSON text of one");
    }

    auto name = optional_text_param(asked.data, "action", k_name_bytes);
    if (!name) return core::failure(name.error().code, "in \"data\", " + name.error().text);
    asked.name = *std::move(name);
    auto unique_id = optional_text_param(asked.data, "action_unique_id", k_name_bytes);
    if (!unique_id)
        return core::failure(unique_id.error().code, "in \"data\", " + unique_id.error().text);
    asked.unique_id = *std::move(unique_id);
    // They travel in members of their own; the driver gets what is about the device.
    for (const auto member : {"action", "action_unique_id", "session_id"}) asked.data.erase(member);
    return asked;
}

ActionRoute::ActionRoute(const BrowserContext& context, EventOwners& owners)
    : devices_(context.devices),
      events_(context.events),
      timer_(context.timer),
      box_(context.box),
      restart_(context.restart),
      link_(context.link),
      owners_(owners) {}

void ActionRoute::handle(const core::HttpExchangePtr& exchange, RpcCall call) {
    auto read = read_action(call.params);
    if (!read) return exchange->respond(rpc_bad_params(call.id, read.error().text));
    Asked& asked = *read;

    if (const auto box = box_(); asked.device == box.identifier)
        return act_on_box(exchange, call.id, asked, box.identifier);

    auto device = devices_.find(asked.device);
    if (!device || !can_act(*device)) {
        core::log_info("browser", "action.device_unknown",
                       {{"device", asked.device}, {"action", asked.name}});
        return exchange->respond(rpc_result(call.id, false));
    }

    auto request =
        request_for(*device, asked.name, asked.unique_id, asked.session, std::move(asked.data));
    if (!request)
        return exchange->respond(
            rpc_bad_params(call.id, "in \"data\", the member \"" + request.error().text +
                                        "\" is not base64: nothing was printed"));

    const auto number = ++last_;
    const auto identifier = device->identifier;
    auto& waiting = waiting_[number];
    waiting.exchange = exchange;
    waiting.rpc_id = std::move(call.id);
    waiting.data_was_text = asked.data_was_text;
    waiting.device = *std::move(device);
    waiting.session = asked.session;
    waiting.timer =
        timer_(k_wait, guarded("slow action", [this, number] { answer(number, std::nullopt); }));
    exchange->on_gone(guarded("client gone", [weak = weak_from_this(), number] {
        if (const auto self = weak.lock()) self->waiting_.erase(number);  // the action goes on
    }));

    const auto owner = owners_.action_begun(identifier, asked.session);
    devices_.act(*std::move(request),
                 guarded("end of an action", [weak = weak_from_this(), number, identifier,
                                              owner](ActionOutcome outcome) {
                     const auto self = weak.lock();
                     if (!self) return;
                     self->owners_.action_ended(identifier, owner);
                     self->answer(number, std::move(outcome));
                 }));
}

void ActionRoute::act_on_box(const core::HttpExchangePtr& exchange, const json::value& rpc_id,
                             const Asked& asked, const std::string& box_identifier) {
    if (asked.name == "restart_odoo") {
        restart(asked.session, exchange->request().remote_address);
        return exchange->respond(rpc_result(rpc_id, nullptr));
    }
    // How a page finds out whether it can reach the box this way. Pages that send their data as text
    // know nothing else.
    if (asked.name.empty() || asked.name == "test_protocol" || asked.data_was_text || !link_.get())
        return exchange->respond(rpc_result(rpc_id, true));
    ask_link(exchange, rpc_id, asked, box_identifier);
}

void ActionRoute::ask_link(const core::HttpExchangePtr& exchange, const json::value& rpc_id,
                           const Asked& asked, const std::string& box_identifier) {
    const auto link = link_.get();
    if (asked.name != "test_connection" &&
        !comes_from_server(exchange->request(), link->look().server.url)) {
        const Caller caller = caller_of(exchange->request(), link->names());
        if (caller != Caller::own) return exchange->respond(refuse(exchange->request(), caller));
    }

    struct Reply {
        core::HttpExchangePtr exchange;
        json::value rpc_id;
        std::string session, box;
        core::Subscription timer;

        void send(json::object reply) {
            const auto once = std::exchange(exchange, nullptr);
            if (!once) return;
            timer.reset();
            const auto add = [&reply](std::string_view name, json::value value) {
                if (!reply.contains(name)) reply[name] = std::move(value);
            };
            add("status", "success");
            add("result", nullptr);
            add("session_id", json::value(session));
            add("owner", json::value(session));
            add("iot_box_identifier", json::value(box));
            add("device_identifier", json::value(box));
            add("time", unix_time());
            once->respond(rpc_result(rpc_id, reply));
        }
    };
    const auto reply = std::make_shared<Reply>();
    reply->exchange = exchange;
    reply->rpc_id = rpc_id;
    reply->session = asked.session;
    reply->box = box_identifier;
    // Kept by who was asked; the timer goes with it.
    reply->timer = timer_(k_wait, guarded("slow answer", [weak = std::weak_ptr(reply)] {
                              if (const auto self = weak.lock())
                                  self->send({{"status", "error"},
                                              {"message",
                                               "The box is still at it and cannot answer yet. Try "
                                               "again in a moment."}});
                          }));
    link->ask(asked.name, asked.data, asked.session,
              [reply](json::object answer) { reply->send(std::move(answer)); });
}

void ActionRoute::restart(const std::string& session, const std::string& by) {
    core::log_info("browser", "box.restart_requested", {{"box", box_().identifier}, {"by", by}});
    // The event first: whoever waits for it has it before the restart cuts the connections.
    core::Event event;
    event.kind = core::Event::Kind::box;
    event.name = "restart";
    event.data["status"] = "success";
    event.action_session = session;
    events_.publish(std::move(event));
    if (restart_timer_) return;  // asked for already
    restart_timer_ = timer_(k_restart_after, guarded("restart", [weak = weak_from_this()] {
                                const auto self = weak.lock();
                                if (!self) return;
                                const auto keep = std::move(self->restart_timer_);
                                if (self->restart_) self->restart_();
                            }));
}

void ActionRoute::answer(std::uint64_t number, const std::optional<ActionOutcome>& outcome) {
    const auto node = waiting_.extract(number);
    if (node.empty()) return;  // answered before, or nobody waits any more
    const Waiting& waiting = node.mapped();
    waiting.exchange->respond(rpc_result(waiting.rpc_id, result_for(waiting, outcome)));
}

json::value ActionRoute::result_for(const Waiting& waiting,
                                    const std::optional<ActionOutcome>& outcome) const {
    using Status = ActionOutcome::Status;
    if (waiting.data_was_text) return !outcome || outcome->status != Status::disconnected;

    json::object out;
    out["status"] = outcome ? status_word(outcome->status) : "success";
    out["result"] = outcome ? outcome->result : json::value("pending");
    out["session_id"] = waiting.session;
    out["owner"] = waiting.session;
    out["iot_box_identifier"] = box_().identifier;
    out["device_identifier"] = waiting.device.identifier;
    out["time"] = unix_time();
    if (!outcome) return out;

    const auto fail_with = [&out](const std::string& why) {
        out["status"] = "error";
        out["result"] = why;
        out["message"] = why;
    };
    switch (outcome->status) {
        case Status::success:
            if (reports_by_events(waiting.device.type) && outcome->result.is_null()) {
                out["result"] = "pending";
            } else if (const auto reading = waiting.device.type == "scale"
                                                ? weight_reading(outcome->result)
                                                : std::nullopt) {
                if (reading->weight) {
                    out["result"] = *reading->weight;
                } else if (reading->condition == "in_motion") {
                    out["result"] =
                        "pending";  // no failure: the weight follows when the load is at rest
                } else {
                    fail_with(reading->message);
                }
            }
            break;
        case Status::error:
            fail_with(outcome->message.empty()
                          ? "The device could not do this (" + outcome->code + ")."
                          : outcome->message);
            break;
        case Status::duplicate:
        case Status::disconnected:
            out["message"] = outcome->message;
            break;
    }
    return out;
}

}  // namespace backplane::sync
