// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/json_rpc.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cctype>

namespace backplane::sync {

namespace json = boost::json;

namespace {

bool same_text(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) ==
               std::tolower(static_cast<unsigned char>(y));
    });
}

/// "application/json; charset=utf-8" → "application/json".
std::string_view media_type(std::string_view header) noexcept {
    header = header.substr(0, header.find(';'));
    while (!header.empty() && (header.back() == ' ' || header.back() == '\t'))
        header.remove_suffix(1);
    while (!header.empty() && (header.front() == ' ' || header.front() == '\t'))
        header.remove_prefix(1);
    return header;
}

/// At least as many as the document has values; exact enough for a limit, and needs no memory.
bool has_too_many_values(std::string_view text) noexcept {
    if (text.size() <= k_json_values) return false;
    std::size_t values = 0;
    bool in_text = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_text) {
            if (c == '\\') ++i;
            if (c == '"') in_text = false;
        } else if (c == '"') {
            in_text = true;
        } else if (c == ',' || c == '[' || c == '{') {
            if (++values > k_json_values) return true;
        }
    }
    return false;
}

core::HttpResponse refusal(unsigned status, std::string text) {
    core::HttpResponse response;
    response.status = status;
    response.body = std::move(text);
    add_cors(response, k_rpc_methods);
    return response;
}

core::HttpResponse envelope(const json::value& id, std::string_view member, json::value content,
                            bool with_content) {
    json::object body;
    body.reserve(3);
    body["jsonrpc"] = "2.0";
    body["id"] = id;
    if (with_content) body[member] = std::move(content);
    core::HttpResponse response;
    response.content_type = "application/json; charset=utf-8";
    response.body = json::serialize(body);
    add_cors(response, k_rpc_methods);
    return response;
}

/// `name` is what Odoo's web client chooses the dialog by.
core::HttpResponse rpc_error(const json::value& id, std::string_view title,
                             std::string_view message, std::string_view name) {
    return envelope(id, "error",
                    json::object{{"code", 200},
                                 {"message", title},
                                 {"data", json::object{{"name", name},
                                                       {"message", message},
                                                       {"arguments", json::array{message}},
                                                       {"context", json::object{}},
                                                       {"debug", ""}}}},
                    true);
}

}  // namespace

core::Result<json::value> parse_json(std::string_view text) {
    if (has_too_many_values(text))
        return core::failure("json.too_large", "the JSON document has more than " +
                                                   std::to_string(k_json_values) +
                                                   " values: send less at once");
    json::parse_options options;
    options.max_depth = k_json_depth;
    boost::system::error_code error;
    json::value value = json::parse(text, error, {}, options);
    if (error)
        return core::failure("json.invalid",
                             "the JSON document cannot be read: " + error.message());
    return value;
}

std::variant<RpcCall, core::HttpResponse> read_rpc(const core::HttpRequest& request,
                                                   RpcMethods methods) {
    if (methods == RpcMethods::post_only && request.method != core::HttpMethod::post) {
        auto response = refusal(405, "405: this route takes POST only\n");
        response.headers.emplace_back("Allow", "POST, OPTIONS");
        return response;
    }
    // Browsers let every page post a form or plain text without asking; JSON needs a preflight. So
    // this check is also what keeps foreign forms out.
    const auto type = media_type(request.header("Content-Type"));
    if (!same_text(type, "application/json") && !same_text(type, "application/json-rpc"))
        return refusal(415, "415: this route takes JSON: send Content-Type: application/json\n");

    auto document = parse_json(request.body);
    if (!document) return refusal(400, "400: " + document.error().text + "\n");
    auto* body = document->if_object();
    if (body == nullptr)
        return refusal(400,
                       "400: the JSON document must be an object with the member \"params\"\n");

    RpcCall call;
    if (auto* id = body->if_contains("id")) call.id = std::move(*id);
    if (auto* params = body->if_contains("params"); params != nullptr && !params->is_null()) {
        if (!params->is_object())
            return rpc_bad_params(call.id,
                                  "\"params\" must be an object with the parameters by name");
        call.params = std::move(params->get_object());
    }
    return call;
}

core::HttpResponse rpc_result(const json::value& id, const json::value& result) {
    return envelope(id, "result", result, !result.is_null());
}

core::HttpResponse rpc_bad_params(const json::value& id, std::string_view message) {
    return rpc_error(id, "Odoo Server Error", message, "werkzeug.exceptions.BadRequest");
}

core::HttpResponse rpc_user_error(const json::value& id, std::string_view advice) {
    return rpc_error(id, advice, advice, "odoo.exceptions.UserError");
}

void add_cors(core::HttpResponse& response, std::string_view methods) {
    response.headers.reserve(response.headers.size() + 2);
    response.headers.emplace_back("Access-Control-Allow-Origin", "*");
    response.headers.emplace_back("Access-Control-Allow-Methods", methods);
}

core::HttpResponse preflight(const core::HttpRequest& request, std::string_view methods) {
    core::HttpResponse response;
    response.status = 204;
    add_cors(response, methods);
    response.headers.emplace_back("Access-Control-Max-Age", "86400");
    response.headers.emplace_back("Access-Control-Allow-Headers",
                                  "Origin, X-Requested-With, Content-Type, Accept, Authorization");
    // A page of the public database may call a box in the LAN only when the box says so.
    if (same_text(request.header("Access-Control-Request-Private-Network"), "true"))
        response.headers.emplace_back("Access-Control-Allow-Private-Network", "true");
    return response;
}

core::Result<std::string> text_param(const json::object& params, std::string_view name,
                                     std::size_t most) {
    const std::string quoted = '"' + std::string(name) + "\"";
    const auto* value = params.if_contains(name);
    if (value == nullptr)
        return core::failure("rpc.missing", "the parameter " + quoted + " is missing");
    const auto* text = value->if_string();
    if (text == nullptr)
        return core::failure("rpc.type", "the parameter " + quoted + " must be a text");
    if (text->empty()) return core::failure("rpc.empty", "the parameter " + quoted + " is empty");
    if (text->size() > most)
        return core::failure("rpc.too_long", "the parameter " + quoted + " is longer than " +
                                                 std::to_string(most) + " bytes");
    return std::string(*text);
}

core::Result<std::string> optional_text_param(const json::object& params, std::string_view name,
                                              std::size_t most) {
    const auto* value = params.if_contains(name);
    if (value == nullptr || value->is_null()) return std::string();
    if (const auto* number = value->if_int64()) return std::to_string(*number);
    if (const auto* text = value->if_string(); text != nullptr && text->empty())
        return std::string();
    return text_param(params, name, most);
}

}  // namespace backplane::sync
