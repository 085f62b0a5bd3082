// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/update_route.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "browser/json_rpc.hpp"

namespace backplane::sync {

namespace {

core::HttpResponse page(std::string_view status, std::string_view message) {
    core::HttpResponse response;
    response.content_type = "application/json; charset=utf-8";
    response.body =
        boost::json::serialize(boost::json::object{{"status", status}, {"message", message}});
    add_cors(response, k_plain_methods);
    return response;
}

}  // namespace

void load_handlers(core::Updates* updates, const core::HttpExchangePtr& exchange) {
    // HEAD, too, is answered like GET elsewhere; but it must not set anything going.
    if (exchange->request().method != core::HttpMethod::get) {
        core::HttpResponse response;
        response.status = 405;
        response.body = "405: this route takes GET only\n";
        response.headers.emplace_back("Allow", "GET, OPTIONS");
        add_cors(response, k_plain_methods);
        return exchange->respond(std::move(response));
    }
    if (!updates)
        return exchange->respond(
            page("error", "This box does not update its drivers: look at its settings."));
    updates->check(true, [exchange](const core::Result<void>& begun) {
        exchange->respond(begun ? page("success", "The box is fetching its drivers now.")
                                : page("error", begun.error().text));
    });
}

}  // namespace backplane::sync
