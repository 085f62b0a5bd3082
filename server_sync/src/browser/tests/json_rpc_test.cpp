// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/json_rpc.hpp"

#include "browser/tests/fakes.hpp"

namespace backplane::sync::test {
namespace {

using core::HttpMethod;
using ::testing::HasSubstr;

class AnRpcRoute : public ABrowserBox {};

TEST_F(AnRpcRoute, answers_broken_json_with_400_as_text) {
    const auto answer = send(json_request("/hw_proxy/handshake", "{\"params\": {"));
    EXPECT_EQ(answer->response().status, 400u);
    EXPECT_THAT(answer->response().content_type, HasSubstr("text/plain"));
    EXPECT_THAT(answer->response().body, HasSubstr("the JSON document cannot be read"));
}

TEST_F(AnRpcRoute, refuses_json_that_is_nested_deeper_than_it_reads) {
    const auto nested = [](std::size_t depth) {
        return "{\"params\":{\"x\":" + std::string(depth - 2, '[') + std::string(depth - 2, ']') +
               "}}";
    };
    EXPECT_EQ(send(json_request("/hw_proxy/handshake", nested(33)))->response().status, 400u);
    EXPECT_EQ(send(json_request("/hw_proxy/handshake", nested(32)))->response().status, 200u);
    EXPECT_EQ(send(json_request("/hw_proxy/handshake", nested(1'000'000)))->response().status,
              400u);
}

TEST_F(AnRpcRoute, refuses_a_body_whose_values_would_fill_the_memory) {
    std::string zeros = "{\"params\":{\"x\":[0";
    for (int i = 0; i < 20'000; ++i) zeros += ",0";
    const auto answer = send(json_request("/hw_proxy/handshake", zeros + "]}}"));
    EXPECT_EQ(answer->response().status, 400u);
    EXPECT_THAT(answer->response().body, HasSubstr("more than 20000 values"));
}

TEST_F(AnRpcRoute, does_not_count_commas_inside_texts_as_values) {
    const auto body = "{\"params\":{\"x\":\"" + std::string(50'000, ',') + "\\\"" +
                      std::string(50'000, '[') + "\"}}";
    EXPECT_EQ(send(json_request("/hw_proxy/handshake", body))->result(), json::value(true));
}

TEST_F(AnRpcRoute, refuses_a_document_that_is_no_object) {
    const auto answer = send(json_request("/hw_proxy/handshake", "[1]"));
    EXPECT_EQ(answer->response().status, 400u);
    EXPECT_THAT(answer->response().body, HasSubstr("must be an object"));
}

TEST_F(AnRpcRoute, answers_params_of_the_wrong_type_with_an_error_and_the_id) {
    const auto answer = send(json_request("/hw_proxy/handshake", R"({"id": 9, "params": [1]})"));
    EXPECT_EQ(answer->envelope().at("id"), 9);
    EXPECT_EQ(answer->envelope().at("error").at("code"), 200);
    EXPECT_EQ(answer->envelope().at("error").at("message"), "Odoo Server Error");
    EXPECT_THAT(answer->error_text(), HasSubstr("\"params\" must be an object"));
}

TEST_F(AnRpcRoute, answers_any_other_content_type_with_415_so_that_no_form_reaches_it) {
    for (const auto* type :
         {"", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"}) {
        auto form = json_request("/iot_drivers/action", "{\"params\":{}}");
        form.headers = {{"content-type", type}};
        EXPECT_EQ(send(form)->response().status, 415u) << type;
    }
}

TEST_F(AnRpcRoute, accepts_both_json_types_with_parameters_in_any_case) {
    for (const auto* type :
         {"application/json; charset=utf-8", "Application/JSON ;x=y", "application/json-rpc"}) {
        auto call = json_request("/hw_proxy/handshake", "{}");
        call.headers = {{"content-type", type}};
        EXPECT_EQ(send(call)->result(), json::value(true)) << type;
    }
}

TEST_F(AnRpcRoute, refuses_to_act_on_a_get_even_with_a_json_body) {
    auto link = json_request("/iot_drivers/action", "{}");
    for (const auto method : {HttpMethod::get, HttpMethod::head, HttpMethod::put}) {
        link.method = method;
        const auto answer = send(link);
        EXPECT_EQ(answer->response().status, 405u);
        EXPECT_EQ(answer->header("Allow"), "POST, OPTIONS");
    }
    EXPECT_TRUE(devices.asked.empty());
}

TEST(Quirk2, leaves_result_out_when_it_is_null_and_keeps_false) {
    EXPECT_EQ(rpc_result(nullptr, nullptr).body, R"({"jsonrpc":"2.0","id":null})");
    EXPECT_EQ(rpc_result(nullptr, false).body, R"({"jsonrpc":"2.0","id":null,"result":false})");
}

TEST_F(AnRpcRoute, has_quirk_3_and_needs_no_jsonrpc_method_or_id_but_echoes_the_id) {
    EXPECT_EQ(send(json_request("/hw_proxy/handshake", "{\"params\":{}}"))->envelope().at("id"),
              nullptr);
    for (const auto* id : {"7", "\"abc\"", "null", "1.5"}) {
        const auto answer = send(json_request(
            "/hw_proxy/handshake",
            std::string(R"({"jsonrpc":"2.0","method":"call","params":{},"id":)") + id + "}"));
        EXPECT_EQ(answer->envelope().at("id"), json::parse(id));
    }
}

TEST_F(AnRpcRoute, has_quirk_18_and_lets_pages_of_any_origin_read_its_answers) {
    for (const auto* path :
         {"/iot_drivers/action", "/iot_drivers/event", "/hw_drivers/action", "/hw_drivers/event",
          "/hw_proxy/handshake", "/hw_proxy/status_json", "/hw_proxy/scale_read"}) {
        auto ask = request(HttpMethod::options, path);
        const auto answer = send(ask);
        EXPECT_EQ(answer->response().status, 204u) << path;
        EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "*") << path;
        EXPECT_EQ(answer->header("Access-Control-Allow-Methods"), "POST") << path;
        EXPECT_EQ(answer->header("Access-Control-Max-Age"), "86400") << path;
        EXPECT_EQ(answer->header("Access-Control-Allow-Headers"),
                  "Origin, X-Requested-With, Content-Type, Accept, Authorization")
            << path;
        EXPECT_EQ(answer->header("Access-Control-Allow-Private-Network"), "") << path;
        ask.headers.emplace_back("Access-Control-Request-Private-Network", "true");
        EXPECT_EQ(send(ask)->header("Access-Control-Allow-Private-Network"), "true") << path;
    }
}

TEST_F(AnRpcRoute, has_quirk_19_and_ignores_parameters_that_it_does_not_know) {
    EXPECT_EQ(rpc("/hw_proxy/handshake", {{"action", "get"}})->result(), json::value(true));
    EXPECT_TRUE(rpc("/hw_proxy/status_json", {{"x", json::array{1}}})->has_result());
}

using Defect8 = ABrowserBox;
TEST_F(Defect8, errors_carry_the_headers_that_let_a_page_show_them) {
    auto form = json_request("/iot_drivers/action", "{}");
    form.headers.clear();
    auto link = json_request("/iot_drivers/action", "{}");
    link.method = HttpMethod::get;
    for (const auto& answer :
         {rpc("/iot_drivers/action", {}), send(json_request("/iot_drivers/action", "{")),
          send(form), send(link)}) {
        EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "*");
        EXPECT_EQ(answer->header("Access-Control-Allow-Methods"), "POST");
    }
}

TEST_F(AnRpcRoute, does_not_exist_under_other_names_of_our_prefixes) {
    for (const auto* path :
         {"/iot_drivers/actions", "/iot_drivers/", "/hw_drivers/data", "/hw_proxy/x/y"}) {
        const auto answer = get(path);
        EXPECT_EQ(answer->response().status, 404u) << path;
        EXPECT_THAT(answer->response().content_type, HasSubstr("text/html")) << path;
        EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "") << path;
    }
}

TEST_F(AnRpcRoute, answers_503_when_the_box_has_let_go_of_its_routes) {
    routes.reset();
    EXPECT_EQ(get("/hw_proxy/hello")->response().status, 503u);
    EXPECT_EQ(rpc("/hw_proxy/handshake", {})->response().status, 503u);
}

}  // namespace
}  // namespace backplane::sync::test
