// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/answers.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <string>

#include "http/http_types.hpp"

namespace backplane::core {

namespace json = boost::json;

HttpResponse json_response(unsigned status, const json::value& body) {
    return {status,
            "application/json; charset=utf-8",
            {{"Cache-Control", "no-store"}},
            json::serialize(body) + "\n"};
}

HttpResponse error_response(unsigned status, std::string_view code, std::string_view message) {
    return json_response(status, json::object{{"code", code}, {"message", message}});
}

HttpHandler only(HttpMethod method, std::string_view allowed, HttpHandler handler) {
    return [=](HttpExchangePtr exchange) {
        const HttpMethod got = exchange->request().method;
        if (got == method || (method == HttpMethod::get && got == HttpMethod::head))
            return handler(std::move(exchange));
        HttpResponse refused = error_response(
            405, "http.method", "this address takes " + std::string(allowed) + " only");
        refused.headers.emplace_back("Allow", allowed);
        exchange->respond(std::move(refused));
    };
}

bool has_content_type(const HttpExchangePtr& exchange, std::string_view type) {
    const std::string_view sent = exchange->request().header("Content-Type");
    if (equal_ignoring_case(sent.substr(0, sent.find(';')), type)) return true;
    exchange->respond(
        error_response(415, "http.content_type", "send the body as " + std::string(type)));
    return false;
}

std::optional<json::object> body_object(const HttpExchangePtr& exchange) {
    const HttpRequest& request = exchange->request();
    if (!has_content_type(exchange, "application/json")) return std::nullopt;
    json::parse_options options;
    options.max_depth = 16;
    boost::system::error_code error;
    json::value value = json::parse(request.body, error, {}, options);
    if (error || !value.is_object()) {
        exchange->respond(error_response(
            400, "http.body",
            error ? "the body is not JSON: " + error.message() : "the body is not a JSON object"));
        return std::nullopt;
    }
    return std::move(value.get_object());
}

}  // namespace backplane::core
