// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "link/odoo_routes.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "browser/json_answer.hpp"
#include "browser/own_origin.hpp"
#include "link/status_json.hpp"

namespace backplane::sync {

namespace json = boost::json;
using core::HttpExchangePtr;

namespace {

using ControlsPtr = std::shared_ptr<LinkControls>;

constexpr std::string_view k_confirmations = "/api/v1/odoo/confirmations/";
constexpr std::size_t k_token_bytes = 16u << 10;  // the token itself has a limit of its own
constexpr std::size_t k_credential_bytes = 256;
// The answer goes out first; what waits in the page is told before the connections are cut.
constexpr std::chrono::milliseconds k_restart_after{1'000};
constexpr std::chrono::milliseconds k_patience{4'000};

unsigned status_of_error(std::string_view code) {
    if (code == "confirmation.unknown") return 404;
    if (code.starts_with("token.") || code.starts_with("credentials.")) return 400;
    if (code.starts_with("pairing.")) return 409;
    return 503;
}

void answer_error(const HttpExchangePtr& exchange, const core::Error& error) {
    exchange->respond(error_answer(status_of_error(error.code), error.code, error.text));
}

/// A text of at most `most` bytes without control characters; otherwise that has been answered.
std::optional<std::string> text_of(const HttpExchangePtr& exchange, const json::object& body,
                                   std::string_view name, std::size_t most) {
    const json::value* const value = body.if_contains(name);
    const auto refuse = [&](const std::string& what) {
        exchange->respond(
            error_answer(400, "http.body", "the member \"" + std::string(name) + "\" " + what));
        return std::nullopt;
    };
    if (value == nullptr || !value->is_string()) return refuse("must be a text");
    const json::string& text = value->get_string();
    if (text.size() > most) return refuse("is longer than " + std::to_string(most) + " bytes");
    return std::string(text);
}

std::optional<bool> flag_of(const HttpExchangePtr& exchange, const json::object& body,
                            std::string_view name) {
    const json::value* const value = body.if_contains(name);
    if (value != nullptr && value->is_bool()) return value->get_bool();
    exchange->respond(error_answer(
        400, "http.body", "the member \"" + std::string(name) + "\" must be true or false"));
    return std::nullopt;
}

std::string trimmed(std::string text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), blank));
    text.erase(std::find_if_not(text.rbegin(), text.rend(), blank).base(), text.end());
    return text;
}

void pair(const ControlsPtr& controls, const HttpExchangePtr& exchange, const json::object& body) {
    const auto token = text_of(exchange, body, "token", k_token_bytes);
    if (!token) return;
    controls->pair(*token, [exchange, weak = std::weak_ptr(controls)](core::Result<void> result) {
        if (!result) return answer_error(exchange, result.error());
        const auto now = weak.lock();
        exchange->respond(json_answer(
            200, json::object{{"paired", true}, {"server", now ? now->look().server.url : ""}}));
    });
}

/// Answers with the whole state as it is then, so that a page need not ask once more.
LinkControls::Done then_status(const ControlsPtr& controls, const HttpExchangePtr& exchange) {
    return [exchange, weak = std::weak_ptr(controls)](core::Result<void> result) {
        if (!result) return answer_error(exchange, result.error());
        const auto now = weak.lock();
        exchange->respond(json_answer(200, now ? status_of(now->look()) : json::object{}));
    };
}

void credentials(const ControlsPtr& controls, const HttpExchangePtr& exchange,
                 const json::object& body) {
    auto uuid = text_of(exchange, body, "db_uuid", k_credential_bytes);
    if (!uuid) return;
    auto code = text_of(exchange, body, "enterprise_code", k_credential_bytes);
    if (!code) return;
    *uuid = trimmed(*std::move(uuid));
    *code = trimmed(*std::move(code));
    if (uuid->empty() != code->empty())
        return answer_error(
            exchange,
            {"credentials.both",
             uuid->empty() ? "The identifier of the database is missing: Odoo shows it under "
                             "Settings, General Settings, in developer mode. Leave both fields "
                             "empty to forget them."
                           : "The number of the contract is missing: it is on the invoice of the "
                             "Odoo subscription. Leave both fields empty to forget them."});
    controls->set_credentials(*std::move(uuid), *std::move(code), then_status(controls, exchange));
}

void confirm(const ControlsPtr& controls, const HttpExchangePtr& exchange,
             const json::object& body) {
    const std::string id = exchange->request().path.substr(k_confirmations.size());
    const auto allowed = flag_of(exchange, body, "allow");
    if (!allowed) return;
    const auto result = controls->answer_confirmation(id, *allowed);
    core::log_info("odoo", "confirmation.answered",
                   {{"allowed", *allowed ? "yes" : "no"},
                    {"known", result ? "yes" : "no"},
                    {"by", exchange->request().remote_address}});
    then_status(controls, exchange)(result);
}

/// The service that is asked may take minutes. The page gets what is known after k_patience, and the
/// rest by the event.
void check_certificate(const ControlsPtr& controls, const HttpExchangePtr& exchange) {
    struct Waiting {
        LinkControls::Done answer;
        core::Subscription timer;
        void end() {
            timer.reset();
            if (const auto once = std::exchange(answer, nullptr)) once({});
        }
    };
    const auto waiting = std::make_shared<Waiting>();
    waiting->answer = then_status(controls, exchange);
    // Kept by the check; the timer goes with it.
    waiting->timer =
        controls->timer(k_patience, guarded("certificate", [weak = std::weak_ptr(waiting)] {
                            if (const auto self = weak.lock()) self->end();
                        }));
    controls->check_certificate([waiting] { waiting->end(); });
}

class Restart : public std::enable_shared_from_this<Restart> {
public:
    void ask(const ControlsPtr& controls, const HttpExchangePtr& exchange) {
        if (!timer_) {
            core::log_info("odoo", "box.restart_requested",
                           {{"by", exchange->request().remote_address}});
            core::Event event;
            event.kind = core::Event::Kind::box;
            event.name = "restart";
            event.data["status"] = "success";
            controls->events->publish(std::move(event));
            timer_ = controls->timer(
                k_restart_after,
                guarded("restart", [weak = weak_from_this(), link = std::weak_ptr(controls)] {
                    const auto self = weak.lock();
                    if (!self) return;
                    const auto keep = std::move(self->timer_);
                    if (const auto now = link.lock()) now->restart();
                }));
        }
        exchange->respond(json_answer(202, json::object{{"restarting", true}}));
    }

private:
    core::Subscription timer_;
};

/// `serve(controls, exchange)` while there is a link, and no exception beyond.
template <typename Serve>
core::HttpHandler route(const std::weak_ptr<LinkControls>& weak, Serve serve) {
    return [weak, serve](const HttpExchangePtr& exchange) {
        guarded("request", [&] {
            if (const auto controls = weak.lock()) return serve(controls, exchange);
            exchange->respond(error_answer(503, "odoo.stopping",
                                           "the box is stopping: try again when it is back"));
        })();
    };
}

/// The same for what changes something: only for own pages and programs, and with a JSON object.
template <typename Serve>
core::HttpHandler change(const std::weak_ptr<LinkControls>& weak, Serve serve) {
    return route(weak, [serve](const ControlsPtr& controls, const HttpExchangePtr& exchange) {
        const Caller caller = caller_of(exchange->request(), controls->names());
        if (caller != Caller::own) return exchange->respond(refuse(exchange->request(), caller));
        if (const auto body = posted_object(exchange)) serve(controls, exchange, *body);
    });
}

}  // namespace

void install_odoo_routes(core::HttpRouter& router, std::weak_ptr<LinkControls> weak) {
    router.add("/api/v1/odoo",
               route(weak, [](const ControlsPtr& controls, const HttpExchangePtr& exchange) {
                   const auto method = exchange->request().method;
                   if (method == core::HttpMethod::get || method == core::HttpMethod::head)
                       return exchange->respond(json_answer(200, status_of(controls->look())));
                   auto refused = error_answer(405, "http.method", "this address takes GET only");
                   refused.headers.emplace_back("Allow", "GET");
                   exchange->respond(std::move(refused));
               }));
    router.add("/api/v1/odoo/pair", change(weak, pair));
    router.add("/api/v1/odoo/code",
               change(weak, [](const ControlsPtr& controls, const HttpExchangePtr& exchange,
                               const json::object&) {
                   controls->new_code(then_status(controls, exchange));
               }));
    router.add("/api/v1/odoo/unpair",
               change(weak, [](const ControlsPtr& controls, const HttpExchangePtr& exchange,
                               const json::object&) {
                   core::log_info("odoo", "unpair.requested",
                                  {{"by", exchange->request().remote_address}});
                   controls->unpair(then_status(controls, exchange));
               }));
    router.add("/api/v1/odoo/credentials", change(weak, credentials));
    router.add("/api/v1/odoo/certificate/check",
               change(weak, [](const ControlsPtr& controls, const HttpExchangePtr& exchange,
                               const json::object&) { check_certificate(controls, exchange); }));
    router.add("/api/v1/odoo/logs",
               change(weak, [](const ControlsPtr& controls, const HttpExchangePtr& exchange,
                               const json::object& body) {
                   const auto on = flag_of(exchange, body, "on");
                   if (!on) return;
                   controls->send_logs(*on);
                   then_status(controls, exchange)({});
               }));
    router.add_prefix(std::string(k_confirmations), change(weak, confirm));
    router.add("/api/v1/restart",
               change(weak, [restart = std::make_shared<Restart>()](
                                const ControlsPtr& controls, const HttpExchangePtr& exchange,
                                const json::object&) { restart->ask(controls, exchange); }));
}

}  // namespace backplane::sync
