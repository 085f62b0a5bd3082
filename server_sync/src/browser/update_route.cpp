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
    return response;
}

}  // namespace

void load_handlers(core::Updates* updates, const core::HttpExchangePtr& exchange) {
    if (!updates)
        return exchange->respond(
            page("error", "This box does not update its drivers: look at its settings."));
    updates->check(true, [exchange](const core::Result<void>& begun) {
        exchange->respond(begun ? page("success", "The box is fetching its drivers now.")
                                : page("error", begun.error().text));
    });
}

}  // namespace backplane::sync
