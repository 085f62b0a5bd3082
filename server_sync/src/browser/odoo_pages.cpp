// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/odoo_pages.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <utility>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "browser/json_rpc.hpp"
#include "browser/update_route.hpp"
#include "logs/log_text_page.hpp"

namespace backplane::sync {

namespace json = boost::json;
using core::HttpExchangePtr;
using core::HttpMethod;

namespace {

constexpr std::size_t k_token_bytes = 16u << 10;
constexpr std::size_t k_credential_bytes = 256;
constexpr std::size_t k_level_name_bytes = 256;
constexpr std::string_view k_no_levels = "The levels of this box's log cannot be changed here.";
constexpr std::string_view k_no_link =
    "This box cannot talk to an Odoo database at the moment: its log says why.";

json::object message(std::string_view status, std::string_view text) {
    return {{"status", status}, {"message", text}};
}

core::HttpResponse page(const json::object& content) {
    core::HttpResponse response;
    response.content_type = "application/json; charset=utf-8";
    response.body = json::serialize(content);
    return response;
}

core::HttpResponse open_page(const json::object& content) {
    auto response = page(content);
    add_cors(response, k_plain_methods);
    return response;
}

/// Of a route that no other origin may use: a browser that asks first learns so.
core::HttpResponse closed_preflight(std::string_view methods) {
    core::HttpResponse response;
    response.status = 204;
    response.headers.emplace_back("Allow", methods);
    return response;
}

void without_cors(core::HttpResponse& response) {
    std::erase_if(response.headers,
                  [](const auto& header) { return header.first.starts_with("Access-Control-"); });
}

}  // namespace

OdooPages::OdooPages(const BrowserContext& context, std::shared_ptr<ActionRoute> actions)
    : box_(context.box),
      timer_(context.timer),
      updates_(context.updates),
      log_levels_(context.log_levels),
      plugins_(context.plugins),
      link_(context.link),
      actions_(std::move(actions)) {}

void OdooPages::begin() {
    const auto link = link_.get();
    if (!link) return;
    last_url_ = link->look().server.url;
    changes_ = link->on_change(guarded("pairing", [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->look_for_new();
    }));
}

void OdooPages::look_for_new() {
    const auto link = link_.get();
    if (!link) return;
    auto url = link->look().server.url;
    if (url == last_url_) return;
    new_url_ = last_url_.empty() ? url : std::string();
    last_url_ = std::move(url);
    new_timer_.reset();
    if (!new_url_.empty())
        new_timer_ = timer_(k_new_for, guarded("pairing", [weak = weak_from_this()] {
                                if (const auto self = weak.lock()) self->new_url_.clear();
                            }));
}

PairingData OdooPages::pairing() const {
    PairingData out;
    out.new_url = new_url_;
    if (const auto link = link_.get()) {
        const PairingStatus now = link->look().pairing;
        if (now.state == "code") out.code = now.code;
        out.expired = now.state == "expired";
    }
    return out;
}

Caller OdooPages::caller(const core::HttpRequest& request) const {
    const auto link = link_.get();
    if (link) return caller_of(request, link->names());
    const BoxInfo box = box_();
    return caller_of(request, {box.hostname, box.domain});
}

bool OdooPages::is_own_get(const HttpExchangePtr& exchange) const {
    const auto& request = exchange->request();
    if (request.method == HttpMethod::options) {
        exchange->respond(closed_preflight("GET, OPTIONS"));
        return false;
    }
    // HEAD, too, is answered like GET elsewhere; but it must not change anything.
    if (request.method != HttpMethod::get) {
        core::HttpResponse response;
        response.status = 405;
        response.body = "405: this route takes GET only\n";
        response.headers.emplace_back("Allow", "GET, OPTIONS");
        exchange->respond(std::move(response));
        return false;
    }
    const Caller who = caller(request);
    if (who == Caller::own) return true;
    exchange->respond(refuse(request, who));
    return false;
}

void OdooPages::connect_to_server(const HttpExchangePtr& exchange) {
    const auto& request = exchange->request();
    if (request.method == HttpMethod::options)
        return exchange->respond(preflight(request, k_rpc_methods));
    auto read = read_rpc(request, RpcMethods::post_only);
    if (auto* refusal = std::get_if<core::HttpResponse>(&read))
        return exchange->respond(std::move(*refusal));
    const auto& call = std::get<RpcCall>(read);

    const auto link = link_.get();
    const std::string url = link ? link->look().server.url : box_().server_url;
    const Caller who = caller(request);
    const bool of_a_database = who == Caller::foreign && comes_from_web_page(request) &&
                               (url.empty() || comes_from_server(request, url));
    if (who != Caller::own && !of_a_database) return exchange->respond(refuse(request, who));

    const auto answer = [&](std::string_view status, std::string_view text) {
        exchange->respond(rpc_result(call.id, message(status, text)));
    };
    if (!link) return answer("failure", k_no_link);
    const auto token = optional_text_param(call.params, "token", k_token_bytes);
    if (!token) return exchange->respond(rpc_bad_params(call.id, token.error().text));
    link->pair(*token, [exchange, id = call.id](core::Result<void> result) {
        exchange->respond(rpc_result(
            id, result ? message("success", "This box is connected to your database now.")
                       : message("failure", result.error().text)));
    });
}

std::optional<RpcCall> OdooPages::own_call(const HttpExchangePtr& exchange) const {
    const auto& request = exchange->request();
    if (request.method == HttpMethod::options) {
        exchange->respond(closed_preflight("POST, OPTIONS"));
        return std::nullopt;
    }
    const Caller who = caller(request);
    if (who != Caller::own) {
        exchange->respond(refuse(request, who));
        return std::nullopt;
    }
    auto read = read_rpc(request, RpcMethods::post_only);
    if (auto* refusal = std::get_if<core::HttpResponse>(&read)) {
        without_cors(*refusal);
        exchange->respond(std::move(*refusal));
        return std::nullopt;
    }
    return std::move(std::get<RpcCall>(read));
}

void OdooPages::save_credential(const HttpExchangePtr& exchange) {
    const auto asked = own_call(exchange);
    if (!asked) return;
    const RpcCall& call = *asked;
    const auto reply = [exchange, id = call.id](const json::object& content) {
        auto response = rpc_result(id, content);
        without_cors(response);
        exchange->respond(std::move(response));
    };
    const auto uuid = text_param(call.params, "db_uuid", k_credential_bytes);
    if (!uuid) return reply(message("failure", uuid.error().text));
    const auto code = text_param(call.params, "enterprise_code", k_credential_bytes);
    if (!code) return reply(message("failure", code.error().text));
    const auto link = link_.get();
    if (!link) return reply(message("failure", k_no_link));
    link->set_credentials(*uuid, *code, [reply](core::Result<void> result) {
        reply(result ? message("success", "The credentials are saved.")
                     : message("failure", result.error().text));
    });
}

void OdooPages::clear_credential(const HttpExchangePtr& exchange) {
    if (!is_own_get(exchange)) return;
    const auto link = link_.get();
    if (!link) return exchange->respond(page(message("error", k_no_link)));
    link->set_credentials({}, {}, [exchange](core::Result<void> result) {
        exchange->respond(page(result ? message("success", "The credentials are forgotten.")
                                      : message("error", result.error().text)));
    });
}

void OdooPages::server_clear(const HttpExchangePtr& exchange) {
    if (!is_own_get(exchange)) return;
    const auto link = link_.get();
    if (!link) return exchange->respond(page(message("error", k_no_link)));
    core::log_info("odoo", "unpair.requested", {{"by", exchange->request().remote_address}});
    link->unpair([exchange](core::Result<void> result) {
        exchange->respond(page(result
                                   ? message("success", "This box belongs to no database any more.")
                                   : message("error", result.error().text)));
    });
}

void OdooPages::restart(const HttpExchangePtr& exchange) {
    if (!is_own_get(exchange)) return;
    actions_->restart({}, exchange->request().remote_address);
    exchange->respond(page(message("success", "The box restarts now.")));
}

void OdooPages::load_iot_handlers(const HttpExchangePtr& exchange) {
    if (is_own_get(exchange)) load_handlers(updates_, exchange);
}

core::HttpResponse OdooPages::iot_logs() const {
    return open_page(log_text_answer(core::recent_logs()));
}

LogLevelPage OdooPages::log_level_page() const {
    LogLevelPage out;
    if (plugins_) {
        auto names = plugins_();
        out.drivers = std::move(names.drivers);
        out.interfaces = std::move(names.interfaces);
    }
    if (const auto link = link_.get()) {
        const LinkSnapshot now = link->look();
        out.server = now.server.url;
        out.to_server = now.logs.on;
    }
    return out;
}

core::HttpResponse OdooPages::log_levels() const {
    if (log_levels_ == nullptr) return open_page(message("error", k_no_levels));
    return open_page(log_levels_answer(*log_levels_, log_level_page()));
}

void OdooPages::log_levels_update(const HttpExchangePtr& exchange) {
    const auto call = own_call(exchange);
    if (!call) return;
    const auto reply = [&](const json::object& content) {
        auto response = rpc_result(call->id, content);
        without_cors(response);
        exchange->respond(std::move(response));
    };
    const auto name = text_param(call->params, "name", k_level_name_bytes);
    if (!name) return reply(message("error", name.error().text));
    if (log_levels_ == nullptr) return reply(message("error", k_no_levels));
    const auto* const value = call->params.if_contains("value");
    reply(update_log_level(*log_levels_, log_level_page(), *name,
                           value != nullptr ? *value : json::value(), [this](bool on) {
                               if (const auto link = link_.get()) link->send_logs(on);
                           }));
}

core::HttpResponse OdooPages::version_info() const {
    // What this box runs is its own release; its drivers are what the server may have newer ones of.
    const bool behind = updates_ != nullptr && updates_->report().result == "failed";
    return open_page({{"status", "success"},
                      {"odooIsUpToDate", !behind},
                      {"imageIsUpToDate", true},
                      {"currentCommitHash", box_().version}});
}

}  // namespace backplane::sync
