// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/api.hpp"

#include <algorithm>

#include "api/answers.hpp"
#include "api/event_stream.hpp"
#include "api/json_views.hpp"
#include "api/log_routes.hpp"
#include "api/metrics.hpp"
#include "api/plugin_list.hpp"
#include "api/update_announcer.hpp"
#include "api/update_routes.hpp"
#include "util/json_members.hpp"

namespace backplane::core {

namespace json = boost::json;

namespace {

unsigned status_of(const ActionOutcome& outcome) {
    switch (outcome.status) {
        case ActionOutcome::Status::success:
        case ActionOutcome::Status::duplicate:
            return 200;
        case ActionOutcome::Status::disconnected:
            return 404;
        case ActionOutcome::Status::error:
            break;
    }
    if (outcome.code == "action.queue_full") return 429;
    return outcome.code.ends_with(".INVALID") || outcome.code.ends_with(".UNSUPPORTED") ? 400 : 503;
}

}  // namespace

struct Api::State {
    explicit State(ApiContext c)
        : context(std::move(c)),
          metrics(context.events),
          announcer(std::make_shared<UpdateAnnouncer>(context.loop, context.events)) {}
    ApiContext context;
    Metrics metrics;
    std::shared_ptr<UpdateAnnouncer> announcer;  // shared with its timer

    json::object status() const;
};

json::object Api::State::status() const {
    json::array problems;
    for (const std::string& problem : context.problems()) problems.emplace_back(problem);

    std::size_t ready = 0, unsupported = 0;
    json::array not_ready;
    const auto devices = context.registry.list();
    for (const DeviceInfo& device : devices) {
        if (device.state == DeviceState::ready)
            ++ready;
        else if (device.state == DeviceState::unsupported)
            ++unsupported;
        else {
            not_ready.emplace_back(device.identifier);
            if (device.state == DeviceState::unreachable)
                problems.emplace_back(device.name + " cannot be reached: " + device.reason);
        }
    }
    std::size_t running = 0;
    json::array put_aside, refused;
    const auto plugins = context.registry.plugins();
    for (const PluginInfo& plugin : plugins) {
        running += plugin.state == "running";
        if (plugin.state == "put_aside") {
            put_aside.emplace_back(plugin.name);
            problems.emplace_back("the plug-in " + plugin.name +
                                  " was put aside: " + plugin.reason);
        } else if (plugin.state == "refused") {
            refused.emplace_back(plugin.path);
        }
    }
    json::value update;  // null: this box takes no updates of plug-ins
    if (context.updates) {
        const UpdateReport report = context.updates->report();
        // What the box says of itself may be among the warnings, too.
        for (const std::string& warning : report.warnings)
            if (std::find(problems.begin(), problems.end(), json::value(warning)) == problems.end())
                problems.emplace_back(warning);
        for (const DeliveredPlugin& plugin : context.updates->plugins())
            if (plugin.state == "disabled")
                problems.emplace_back("the plug-in " + plugin.name +
                                      " must not run: " + plugin.reason);
        update =
            json::object{{"phase", to_string(report.phase)},
                         {"result", report.result},
                         {"text", report.text},
                         {"last_contact", report.last_contact},
                         {"warnings", json::array(report.warnings.begin(), report.warnings.end())}};
    }
    json::array ports, https_ports;
    for (const std::uint16_t port : context.ports()) ports.emplace_back(port);
    if (context.https_ports)
        for (const std::uint16_t port : context.https_ports()) https_ports.emplace_back(port);
    const bool degraded = !problems.empty();
    return {{"version", context.version},
            {"identifier", context.identifier},
            {"hostname", context.hostname},
            {"started_at",
             std::chrono::duration<double>(context.started_at.time_since_epoch()).count()},
            {"uptime_s", std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                                       context.started_at_steady)
                             .count()},
            {"http", {{"ports", std::move(ports)}, {"https_ports", std::move(https_ports)}}},
            {"devices",
             {{"ready", ready},
              {"total", devices.size()},
              {"unsupported", unsupported},
              {"not_ready", not_ready}}},
            {"plugins",
             {{"running", running},
              {"total", plugins.size()},
              {"put_aside", put_aside},
              {"refused", refused}}},
            {"update", std::move(update)},
            {"state", degraded ? "degraded" : "ok"},
            {"problems", std::move(problems)}};
}

Api::Api(ApiContext context) : state_(std::make_shared<State>(std::move(context))) {
    if (!state_->context.updates) return;
    state_->context.updates->on_change([weak = std::weak_ptr(state_)] {
        const auto state = weak.lock();
        if (!state) return;
        state->metrics.update_changed(state->context.updates->report());
        state->announcer->changed(state->context.updates);
    });
}
Api::~Api() {
    // The loop may hold handlers, and with them the state, longer than updates and events live.
    state_->announcer->stop();
    state_->metrics.stop();
}

void Api::install(HttpRouter& router) {
    const std::shared_ptr<State> state = state_;
    const auto get = [&](std::string path, HttpHandler handler) {
        router.add(std::move(path), only(HttpMethod::get, "GET", std::move(handler)));
    };
    const auto post = [&](std::string path, HttpHandler handler) {
        router.add(std::move(path), only(HttpMethod::post, "POST", std::move(handler)));
    };

    // Alive: this thread answers. Ready: every interface has told what is plugged in.
    get("/healthz", [](const HttpExchangePtr& exchange) {
        exchange->respond(json_response(200, json::object{{"status", "ok"}}));
    });
    get("/readyz", [state](const HttpExchangePtr& exchange) {
        const bool ready = state->context.registry.all_interfaces_settled();
        exchange->respond(json_response(
            ready ? 200 : 503,
            json::object{
                {"status", ready ? "ready" : "starting"},
                {"message", ready ? "" : "the interfaces are still looking for devices"}}));
    });
    get("/metrics", [state](const HttpExchangePtr& exchange) {
        exchange->respond({200,
                           "application/openmetrics-text; version=1.0.0; charset=utf-8",
                           {},
                           state->metrics.text(state->context)});
    });
    get("/api/v1/status", [state](const HttpExchangePtr& exchange) {
        exchange->respond(json_response(200, state->status()));
    });
    get("/api/v1/devices", [state](const HttpExchangePtr& exchange) {
        json::array devices;
        for (const DeviceInfo& device : state->context.registry.list())
            devices.push_back(to_json(device));
        exchange->respond(json_response(200, {{"devices", std::move(devices)}}));
    });
    get("/api/v1/plugins", [state](const HttpExchangePtr& exchange) {
        exchange->respond(json_response(
            200, {{"plugins", plugin_list(state->context.registry, state->context.updates)}}));
    });
    get("/api/v1/events", [state](const HttpExchangePtr& exchange) {
        serve_event_stream(state->context.loop, state->context.events, exchange);
    });
    post("/api/v1/actions", [state](const HttpExchangePtr& exchange) {
        auto body = body_object(exchange);
        if (!body) return;
        ActionRequest request;
        request.device = text_member(*body, "device");
        request.name = text_member(*body, "action");
        request.unique_id = text_member(*body, "unique_id");
        request.session = text_member(*body, "session");
        if (request.device.empty())
            return exchange->respond(error_response(
                400, "action.device", "say which \"device\" is meant: its identifier"));
        if (const auto* data = body->if_contains("data")) {
            if (!data->is_object())
                return exchange->respond(
                    error_response(400, "action.data", "\"data\" is not a JSON object"));
            request.data = data->get_object();
        }
        state->context.registry.act(std::move(request), [exchange](const ActionOutcome& outcome) {
            exchange->respond(json_response(status_of(outcome), to_json(outcome)));
        });
    });
    install_update_routes(router, {state, &state->context});
    install_log_routes(router, {state, &state->context});
    // Simulated devices are set by name: a request to the interface that makes them.
    router.add_prefix(
        "/api/v1/simulator/",
        only(HttpMethod::post, "POST", [state](const HttpExchangePtr& exchange) {
            auto body = body_object(exchange);
            if (!body) return;
            (*body)["name"] =
                exchange->request().path.substr(std::string_view("/api/v1/simulator/").size());
            state->context.registry.act_on_interface(
                "simulator", "set", std::move(*body), [exchange](const ActionOutcome& outcome) {
                    exchange->respond(
                        outcome.status == ActionOutcome::Status::success
                            ? json_response(200, outcome.result)
                            : error_response(status_of(outcome), outcome.code, outcome.message));
                });
        }));
}

}  // namespace backplane::core
