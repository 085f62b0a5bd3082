// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/update_routes.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "api/answers.hpp"
#include "api/json_views.hpp"
#include "backplane/core/http_form.hpp"
#include "util/utf8.hpp"

namespace backplane::core {

namespace json = boost::json;

namespace {

using ContextPtr = std::shared_ptr<const ApiContext>;  // shared by all routes

constexpr std::string_view k_bundle_path = "/api/v1/update/bundle";
constexpr std::string_view k_plugins_path = "/api/v1/plugins/";
// A bundle may have 32 MiB. One that is a little larger is still taken in, so that the refusal can say what is wrong.
constexpr std::size_t k_bundle_bytes = 33u << 20;
constexpr std::size_t k_label_bytes = 200;
constexpr std::size_t k_shown_name_bytes = 100;

unsigned status_of(const Error& error) {
    if (error.code == "update.unknown_plugin") return 404;
    if (error.code == "update.stopping" || error.code == "update.unavailable") return 503;
    if (error.code.starts_with("update.") || error.code.starts_with("swap.")) return 409;
    return error.code.starts_with("E_") ? 422 : 503;
}

/// The report, and after which event of /api/v1/events a client goes on reading to miss nothing.
json::object report_view(const ApiContext& context) {
    json::object out = to_json(context.updates->report());
    out["seq"] = context.events.last_seq();
    return out;
}

/// An answer that comes when `done` is called, or after 30 s, or never if the client has gone.
class Reply : public std::enable_shared_from_this<Reply> {
public:
    Reply(boost::asio::io_context& loop, HttpExchangePtr exchange)
        : exchange_(std::move(exchange)), timer_(loop) {}

    void give_up_after(std::chrono::milliseconds patience, std::string name) {
        timer_.expires_after(patience);
        // The timer keeps it, also when `done` is dropped.
        timer_.async_wait([self = shared_from_this(),
                           name = std::move(name)](const boost::system::error_code& error) {
            if (!error)
                self->send(error_response(504, "update.timeout",
                                          "the plug-in " + name +
                                              " is not done yet, the box goes on with it: see how "
                                              "it ends in the list of plug-ins"));
        });
    }
    void send(HttpResponse response) {
        timer_.cancel();
        if (exchange_) std::exchange(exchange_, nullptr)->respond(std::move(response));
    }

private:
    HttpExchangePtr exchange_;
    boost::asio::steady_timer timer_;
};

Updates::Done accepted(const ContextPtr& context, const HttpExchangePtr& exchange) {
    return [context, exchange](const Result<void>& begun) {
        exchange->respond(begun ? json_response(202, report_view(*context))
                                : error_response(status_of(begun.error()), begun.error().code,
                                                 begun.error().text));
    };
}

void begin_check(const ContextPtr& context, const HttpExchangePtr& exchange) {
    const auto body = body_object(exchange);
    if (!body) return;
    const json::value* const force = body->if_contains("force");
    if (force && !force->is_bool())
        return exchange->respond(
            error_response(400, "update.force", "\"force\" is neither true nor false"));
    context->updates->check(force && force->get_bool(), accepted(context, exchange));
}

void take_bundle(const ContextPtr& context, const HttpExchangePtr& exchange) {
    if (!has_content_type(exchange, "application/zip")) return;
    const HttpRequest& request = exchange->request();
    const std::string force = form_value(request.query, "force").value_or("0");
    if (force != "0" && force != "1")
        return exchange->respond(error_response(
            400, "update.force", "\"force\" is neither 0 nor 1 in the address of the request"));
    if (request.body.empty())
        return exchange->respond(
            error_response(400, "http.body", "the body is empty: send the bundle, a zip file"));
    std::string label =
        to_printable(form_value(request.query, "label").value_or(""), k_label_bytes);
    if (label.empty()) label = "a file";
    std::vector<std::byte> archive(request.body.size());
    std::memcpy(archive.data(), request.body.data(), archive.size());
    context->updates->install(std::move(archive), std::move(label), force == "1",
                              accepted(context, exchange));
}

bool is_known(const ApiContext& context, const std::string& name) {
    const auto has_name = [&](const auto& plugin) { return plugin.name == name; };
    const auto plugins = context.registry.plugins();
    const auto delivered = context.updates->plugins();
    return std::any_of(plugins.begin(), plugins.end(), has_name) ||
           std::any_of(delivered.begin(), delivered.end(), has_name);
}

void ask_for_plugin(const ContextPtr& context, const HttpExchangePtr& exchange) {
    if (!body_object(exchange)) return;
    const std::string rest = exchange->request().path.substr(k_plugins_path.size());
    const std::size_t slash = rest.rfind('/');
    const std::string name = rest.substr(0, slash);
    const std::string verb = slash == std::string::npos ? "" : rest.substr(slash + 1);
    if (verb != "rollback" && verb != "pin" && verb != "unpin" && verb != "release")
        return exchange->respond(
            error_response(404, "http.path",
                           "a plug-in takes " + std::string(k_plugins_path) +
                               "NAME/rollback, /pin, /unpin or /release, not \"" +
                               to_printable(rest, k_shown_name_bytes) + "\""));
    if (!is_known(*context, name))
        return exchange->respond(error_response(404, "update.unknown_plugin",
                                                "the box has no plug-in \"" +
                                                    to_printable(name, k_shown_name_bytes) +
                                                    "\": take a name of the list of plug-ins"));

    const auto reply = std::make_shared<Reply>(context->loop, exchange);
    reply->give_up_after(context->owner_patience, name);
    // Weak: an owner's wish that is dropped without an answer is answered by the deadline.
    const Updates::Done done = [context, name,
                                weak = std::weak_ptr(reply)](const Result<void>& result) {
        const auto waiting = weak.lock();
        if (!waiting) return;
        if (!result)
            return waiting->send(error_response(status_of(result.error()), result.error().code,
                                                result.error().text));
        json::object now{{"name", name}};
        for (const DeliveredPlugin& plugin : context->updates->plugins())
            if (plugin.name == name) now = to_json(plugin);
        waiting->send(json_response(200, now));
    };
    if (verb == "rollback")
        context->updates->roll_back(name, done);
    else if (verb == "release")
        context->updates->release(name, done);
    else
        context->updates->pin(name, verb == "pin", done);
}

}  // namespace

HttpLimits with_room_for_bundles(HttpLimits limits) {
    limits.larger_bodies.emplace_back(k_bundle_path, k_bundle_bytes);
    return limits;
}

void install_update_routes(HttpRouter& router, std::shared_ptr<const ApiContext> context) {
    const auto route = [&context](auto handler) {
        return [context, handler](const HttpExchangePtr& exchange) {
            if (!context->updates)
                return exchange->respond(error_response(
                    503, "update.unavailable",
                    "this box takes no updates of its plug-ins: its log says why since its start"));
            handler(context, exchange);
        };
    };
    const HttpHandler look = route([](const ContextPtr& box, const HttpExchangePtr& exchange) {
        exchange->respond(json_response(200, report_view(*box)));
    });
    const HttpHandler begin = route(begin_check);
    router.add("/api/v1/update", [look, begin](const HttpExchangePtr& exchange) {
        if (exchange->request().method == HttpMethod::post) return begin(exchange);
        only(HttpMethod::get, "GET, POST", look)(exchange);
    });
    router.add(std::string(k_bundle_path), only(HttpMethod::post, "POST", route(take_bundle)));
    router.add_prefix(std::string(k_plugins_path),
                      only(HttpMethod::post, "POST", route(ask_for_plugin)));
}

}  // namespace backplane::core
