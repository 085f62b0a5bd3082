// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Which path leads where, and the rules that all routes of one kind share.
#include <utility>

#include "backplane/core/log.hpp"
#include "backplane/sync/browser.hpp"
#include "browser/action_route.hpp"
#include "browser/box_pages.hpp"
#include "browser/delayed_answers.hpp"
#include "browser/event_owners.hpp"
#include "browser/event_polls.hpp"
#include "browser/guarded.hpp"
#include "browser/hw_proxy.hpp"
#include "browser/json_rpc.hpp"
#include "browser/odoo_pages.hpp"
#include "link/link_controls.hpp"

namespace backplane::sync {

using core::HttpExchangePtr;
using core::HttpMethod;
using core::HttpResponse;

struct BrowserRoutes::Impl {
    // Members that refer to others come after them. The parts are shared only with the callbacks of
    // requests, weakly.
    explicit Impl(BrowserContext with)
        : context(std::move(with)),
          link(context.link.get()),
          own_owners(context.events),
          owners(link ? *link->owners : own_owners),
          delayed(std::make_shared<DelayedAnswers>(context.timer)),
          polls(std::make_shared<EventPolls>(context.events, context.timer, context.box, owners,
                                             *delayed)),
          actions(std::make_shared<ActionRoute>(context, owners)),
          pages(std::make_shared<OdooPages>(context, actions)),
          proxy(std::make_shared<HwProxy>(context.devices, context.timer)),
          subscription(
              context.events.subscribe(guarded("event", [this](const core::EventPtr& event) {
                  if (&owners == &own_owners) owners.note(*event);  // else the link has done it
                  polls->on_event(*event);
              }))) {
        pages->begin();
        link.reset();  // the routes hold it no longer than a call
    }

    BrowserContext context;
    std::shared_ptr<LinkControls> link;
    EventOwners own_owners;
    EventOwners& owners;  ///< of the link, which outlives this object, or own_owners
    std::shared_ptr<DelayedAnswers> delayed;
    std::shared_ptr<EventPolls> polls;
    std::shared_ptr<ActionRoute> actions;
    std::shared_ptr<OdooPages> pages;
    std::shared_ptr<HwProxy> proxy;
    core::Subscription subscription;
};

namespace {

void answer_unavailable(const HttpExchangePtr& exchange) {
    HttpResponse response;
    response.status = 503;
    response.body = "503: the box is stopping\n";
    exchange->respond(std::move(response));
}

void answer_unknown(const HttpExchangePtr& exchange) {
    HttpResponse response;
    response.status = 404;
    response.content_type = "text/html; charset=utf-8";
    response.body =
        "<!doctype html><title>404 Not Found</title><h1>Not Found</h1>"
        "<p>This box has no such route. Its own pages begin at <a href=\"/\">/</a>.</p>\n";
    exchange->respond(std::move(response));
}

/// True when the request is not for a plain route's content, and has been answered.
bool answer_plain_methods(const HttpExchangePtr& exchange) {
    const auto& request = exchange->request();
    HttpResponse response;
    switch (request.method) {
        case HttpMethod::get:
        case HttpMethod::head:
            return false;
        case HttpMethod::options:
            response = preflight(request, k_plain_methods);
            break;
        case HttpMethod::post:
            // What a box without a database does with a form that carries no token.
            response.status = 303;
            response.headers.emplace_back("Location", "/web/database/selector");
            add_cors(response, k_plain_methods);
            break;
        case HttpMethod::put:
        case HttpMethod::delete_:
        case HttpMethod::other:
            response.status = 405;
            response.body = "405: this route takes GET only\n";
            response.headers.emplace_back("Allow", "GET, HEAD, OPTIONS");
            add_cors(response, k_plain_methods);
            break;
    }
    exchange->respond(std::move(response));
    return true;
}

/// `serve(impl, exchange)` with `impl` alive, and no exception beyond.
template <typename Impl, typename Serve>
core::HttpHandler handler_for(std::weak_ptr<Impl> weak, Serve serve) {
    return [weak = std::move(weak), serve = std::move(serve)](const HttpExchangePtr& exchange) {
        guarded("request", [&] {
            if (const auto impl = weak.lock())
                serve(*impl, exchange);
            else
                answer_unavailable(exchange);
        })();
    };
}

template <typename Impl, typename Serve>
core::HttpHandler plain(const std::shared_ptr<Impl>& impl, Serve serve) {
    return handler_for(std::weak_ptr<Impl>(impl),
                       [serve](Impl& self, const HttpExchangePtr& exchange) {
                           if (!answer_plain_methods(exchange)) exchange->respond(serve(self));
                       });
}

/// `refuse(impl, exchange, response)` sends the answer to a request that is no proper call.
template <typename Impl, typename Serve, typename Refuse>
core::HttpHandler rpc(const std::shared_ptr<Impl>& impl, RpcMethods methods, Serve serve,
                      Refuse refuse) {
    return handler_for(std::weak_ptr<Impl>(impl), [=](Impl& self, const HttpExchangePtr& exchange) {
        const auto& request = exchange->request();
        if (request.method == HttpMethod::options)
            return exchange->respond(preflight(request, k_rpc_methods));
        auto call = read_rpc(request, methods);
        if (auto* refusal = std::get_if<HttpResponse>(&call))
            return refuse(self, exchange, std::move(*refusal));
        serve(self, exchange, std::move(std::get<RpcCall>(call)));
    });
}

}  // namespace

BrowserRoutes::BrowserRoutes(BrowserContext context)
    : impl_(std::make_shared<Impl>(std::move(context))) {}
BrowserRoutes::~BrowserRoutes() = default;

void BrowserRoutes::install(core::HttpRouter& router) {
    const auto now = [](Impl&, const HttpExchangePtr& exchange, HttpResponse response) {
        exchange->respond(std::move(response));
    };
    const auto later = [](Impl& impl, const HttpExchangePtr& exchange, HttpResponse response) {
        impl.delayed->send(exchange, std::move(response));
    };

    for (const std::string prefix : {"/iot_drivers/", "/hw_drivers/"}) {
        router.add(prefix + "action",
                   rpc(
                       impl_, RpcMethods::post_only,
                       [](Impl& impl, const HttpExchangePtr& exchange, RpcCall call) {
                           impl.actions->handle(exchange, std::move(call));
                       },
                       now));
        router.add(prefix + "event",
                   rpc(
                       impl_, RpcMethods::post_only,
                       [](Impl& impl, const HttpExchangePtr& exchange, RpcCall call) {
                           impl.polls->poll(exchange, std::move(call));
                       },
                       later));
        router.add(prefix + "download_logs", plain(impl_, [](Impl& impl) {
                       return log_page(impl.context.box().hostname, core::recent_logs(),
                                       std::chrono::system_clock::now());
                   }));
        router.add_prefix(prefix, answer_unknown);
    }
    router.add("/iot_drivers/ping", plain(impl_, [](Impl&) { return ping_page(); }));
    router.add("/iot_drivers/data", plain(impl_, [](Impl& impl) {
                   return data_page(impl.context.box(), impl.context.devices.list(),
                                    impl.pages->pairing());
               }));

    router.add("/iot_drivers/iot_logs",
               plain(impl_, [](Impl& impl) { return impl.pages->iot_logs(); }));
    router.add("/iot_drivers/log_levels",
               plain(impl_, [](Impl& impl) { return impl.pages->log_levels(); }));
    router.add("/iot_drivers/version_info",
               plain(impl_, [](Impl& impl) { return impl.pages->version_info(); }));

    // What changes the box: who may is decided there.
    using Change = void (OdooPages::*)(const HttpExchangePtr&);
    for (const auto& [name, change] : std::initializer_list<std::pair<const char*, Change>>{
             {"connect_to_server", &OdooPages::connect_to_server},
             {"save_credential", &OdooPages::save_credential},
             {"log_levels_update", &OdooPages::log_levels_update},
             {"clear_credential", &OdooPages::clear_credential},
             {"server_clear", &OdooPages::server_clear},
             {"restart_odoo_service", &OdooPages::restart},
             {"load_iot_handlers", &OdooPages::load_iot_handlers}})
        router.add(std::string("/iot_drivers/") + name,
                   handler_for(std::weak_ptr<Impl>(impl_),
                               [change = change](Impl& impl, const HttpExchangePtr& exchange) {
                                   ((*impl.pages).*change)(exchange);
                               }));

    // Every POS asks this before anything else, and again and again: no more than a copy of four
    // bytes and two headers.
    HttpResponse hello;
    hello.body = "ping";
    add_cors(hello, k_plain_methods);
    router.add("/hw_proxy/hello", plain(impl_, [hello](Impl&) { return hello; }));
    router.add("/hw_proxy/handshake",
               rpc(
                   impl_, RpcMethods::any,
                   [](Impl& impl, const HttpExchangePtr& exchange, const RpcCall& call) {
                       impl.proxy->handshake(exchange, call);
                   },
                   now));
    router.add("/hw_proxy/status_json",
               rpc(
                   impl_, RpcMethods::any,
                   [](Impl& impl, const HttpExchangePtr& exchange, const RpcCall& call) {
                       impl.proxy->status_json(exchange, call);
                   },
                   now));
    router.add("/hw_proxy/scale_read",
               rpc(
                   impl_, RpcMethods::any,
                   [](Impl& impl, const HttpExchangePtr& exchange, RpcCall call) {
                       impl.proxy->scale_read(exchange, std::move(call));
                   },
                   now));
    router.add_prefix("/hw_proxy/", answer_unknown);
}

}  // namespace backplane::sync
