// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/json_answer.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <string>
#include <utility>

#include "browser/json_rpc.hpp"

namespace backplane::sync {

namespace json = boost::json;

namespace {

bool is_json(std::string_view content_type) {
    std::string type(content_type.substr(0, content_type.find(';')));
    while (!type.empty() && type.back() == ' ') type.pop_back();
    std::transform(type.begin(), type.end(), type.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return type == "application/json";
}

}  // namespace

core::HttpResponse json_answer(unsigned status, const json::value& body) {
    core::HttpResponse response;
    response.status = status;
    response.content_type = "application/json; charset=utf-8";
    response.headers.emplace_back("Cache-Control", "no-store");
    response.body = json::serialize(body) + "\n";
    return response;
}

core::HttpResponse error_answer(unsigned status, std::string_view code, std::string_view message) {
    return json_answer(status, json::object{{"code", code}, {"message", message}});
}

std::optional<json::object> posted_object(const core::HttpExchangePtr& exchange, std::size_t most) {
    const core::HttpRequest& request = exchange->request();
    const auto refuse = [&](unsigned status, std::string_view code, const std::string& message) {
        exchange->respond(error_answer(status, code, message));
        return std::nullopt;
    };
    if (request.method != core::HttpMethod::post) {
        auto response = error_answer(405, "http.method", "this address takes POST only");
        response.headers.emplace_back("Allow", "POST");
        exchange->respond(std::move(response));
        return std::nullopt;
    }
    if (!is_json(request.header("Content-Type")))
        return refuse(415, "http.content_type", "send the body as application/json");
    if (request.body.size() > most)
        return refuse(413, "http.body",
                      "the body has " + std::to_string(request.body.size()) +
                          " bytes, this address takes at most " + std::to_string(most));
    auto body = parse_json(request.body);
    if (!body) return refuse(400, "http.body", body.error().text);
    if (!body->is_object())
        return refuse(400, "http.body", "the body must be a JSON object, such as {}");
    return std::move(body->get_object());
}

}  // namespace backplane::sync
