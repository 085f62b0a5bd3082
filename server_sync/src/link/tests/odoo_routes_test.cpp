// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "link/odoo_routes.hpp"

#include "browser/tests/fakes.hpp"
#include "link/tests/fake_link.hpp"

namespace backplane::sync::test {
namespace {

using core::HttpMethod;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TheRoutesOfTheLink : public testing::Test {
protected:
    TheRoutesOfTheLink() { install_odoo_routes(router, std::weak_ptr(link.controls)); }

    FakeExchangePtr send(HttpMethod method, std::string path, std::string body = {},
                         std::vector<std::pair<std::string, std::string>> more = {}) {
        core::HttpRequest request;
        request.method = method;
        request.path = request.target = std::move(path);
        request.remote_address = "192.168.1.30";
        request.headers = {{"Host", "192.168.1.20:8069"}};
        if (method == HttpMethod::post)
            request.headers.emplace_back("Content-Type", "application/json");
        for (auto& header : more) request.headers.push_back(std::move(header));
        request.body = std::move(body);
        auto exchange = std::make_shared<FakeExchange>(std::move(request));
        router(exchange);
        return exchange;
    }
    FakeExchangePtr post(std::string path, std::string body = "{}") {
        return send(HttpMethod::post, std::move(path), std::move(body));
    }
    static json::object body(const FakeExchangePtr& exchange) {
        return json::parse(exchange->response().body).as_object();
    }
    static std::string error(const FakeExchangePtr& exchange) {
        const auto all = body(exchange);
        return std::to_string(exchange->response().status) + " " +
               std::string(all.at("code").as_string()) + ": " +
               std::string(all.at("message").as_string());
    }

    FakeClock clock;
    core::EventRing ring;
    FakeLink link{ring, clock.timers()};
    core::HttpRouter router;
};

constexpr const char* k_changes[] = {"/api/v1/odoo/pair",
                                     "/api/v1/odoo/code",
                                     "/api/v1/odoo/unpair",
                                     "/api/v1/odoo/credentials",
                                     "/api/v1/odoo/logs",
                                     "/api/v1/odoo/certificate/check",
                                     "/api/v1/odoo/confirmations/00c0ffee00c0ffee",
                                     "/api/v1/restart"};

TEST_F(TheRoutesOfTheLink, change_nothing_for_a_page_of_another_origin) {
    for (const char* path : k_changes) {
        const auto answer = send(HttpMethod::post, path, R"({"token":"x","on":true,"allow":true})",
                                 {{"Origin", "https://evil.example.com"}});
        EXPECT_EQ(error(answer),
                  "403 http.foreign_origin: This request does not come from a page of this box, so "
                  "nothing was changed. Do it on the box's own homepage.")
            << path;
        EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "") << path;
    }
    EXPECT_THAT(link.asked, IsEmpty());
}

TEST_F(TheRoutesOfTheLink, change_nothing_for_a_name_that_was_made_to_lead_here) {
    for (const char* path : k_changes) {
        auto exchange = std::make_shared<FakeExchange>([&] {
            core::HttpRequest request;
            request.method = HttpMethod::post;
            request.path = request.target = path;
            request.headers = {{"Host", "evil.example.com:8069"},
                               {"Origin", "http://evil.example.com:8069"},
                               {"Sec-Fetch-Site", "same-origin"},
                               {"Content-Type", "application/json"}};
            request.body = "{}";
            return request;
        }());
        router(exchange);
        EXPECT_THAT(error(exchange), testing::StartsWith("421 http.unknown_host: ")) << path;
        EXPECT_EQ(exchange->header("Access-Control-Allow-Origin"), "") << path;
    }
    EXPECT_THAT(link.asked, IsEmpty());
}

TEST_F(TheRoutesOfTheLink, change_nothing_but_by_a_post_of_json) {
    for (const char* path : k_changes) {
        for (const auto method : {HttpMethod::get, HttpMethod::head, HttpMethod::put,
                                  HttpMethod::delete_, HttpMethod::options}) {
            const auto answer = send(method, path);
            EXPECT_EQ(answer->response().status, 405u) << path;
            EXPECT_EQ(answer->header("Allow"), "POST");
        }
        auto form = std::make_shared<FakeExchange>([&] {
            core::HttpRequest request;
            request.method = HttpMethod::post;
            request.path = request.target = path;
            request.headers = {{"Host", "localhost"}, {"Content-Type", "text/plain"}};
            request.body = "{}";
            return request;
        }());
        router(form);
        EXPECT_EQ(error(form), "415 http.content_type: send the body as application/json") << path;
        EXPECT_EQ(error(post(path, "[]")),
                  "400 http.body: the body must be a JSON object, such as {}");
        EXPECT_THAT(error(post(path, "{")), HasSubstr("400 http.body: "));
        EXPECT_THAT(error(post(path, std::string(70'000, ' '))), HasSubstr("413 http.body: "));
    }
    EXPECT_THAT(link.asked, IsEmpty());
}

TEST_F(TheRoutesOfTheLink, say_503_after_the_link_has_gone) {
    link.controls.reset();
    EXPECT_EQ(error(send(HttpMethod::get, "/api/v1/odoo")),
              "503 odoo.stopping: the box is stopping: try again when it is back");
    EXPECT_EQ(post("/api/v1/odoo/unpair")->response().status, 503u);
}

TEST_F(TheRoutesOfTheLink, show_the_state_to_every_reader_and_keep_it_from_other_origins) {
    link.pair_with("https://shop.example.com");
    const auto answer = send(HttpMethod::get, "/api/v1/odoo");
    EXPECT_EQ(body(answer).at("server").at("url"), "https://shop.example.com");
    EXPECT_EQ(answer->header("Cache-Control"), "no-store");
    EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "");
    EXPECT_EQ(post("/api/v1/odoo")->response().status, 405u);
}

TEST_F(TheRoutesOfTheLink, tell_what_is_wrong_with_a_token_and_never_the_token) {
    EXPECT_EQ(error(post("/api/v1/odoo/pair", R"({"tokn":"x"})")),
              "400 http.body: the member \"token\" must be a text");
    const auto answer = post("/api/v1/odoo/pair", R"({"token":"s3cret"})");
    EXPECT_FALSE(answer->answered());
    link.end(core::failure("token.no_url", "This is no token of Odoo."));
    EXPECT_EQ(error(answer), "400 token.no_url: This is no token of Odoo.");
}

TEST_F(TheRoutesOfTheLink, pair_by_token_when_that_is_durable) {
    const auto answer =
        post("/api/v1/odoo/pair", R"({"token":"https://shop.example.com?token=t"})");
    EXPECT_THAT(link.asked, ElementsAre("pair https://shop.example.com?token=t"));
    EXPECT_FALSE(answer->answered());
    link.pair_with("https://shop.example.com");
    link.end();
    EXPECT_EQ(body(answer),
              (json::object{{"paired", true}, {"server", "https://shop.example.com"}}));
}

TEST_F(TheRoutesOfTheLink, say_when_it_cannot_be_written_down) {
    const auto answer = post("/api/v1/odoo/unpair");
    link.end(core::failure("store.full", "The disk is full."));
    EXPECT_EQ(error(answer), "503 store.full: The disk is full.");
    const auto code = post("/api/v1/odoo/code");
    link.end(core::failure("pairing.paired", "This box is paired."));
    EXPECT_EQ(error(code), "409 pairing.paired: This box is paired.");
}

TEST_F(TheRoutesOfTheLink, answer_a_wish_with_the_state_after_it) {
    link.pair_with("https://shop.example.com");
    const auto answer = post("/api/v1/odoo/unpair");
    link.now = {};
    link.end();
    EXPECT_EQ(body(answer).at("server").at("url"), "");
    post("/api/v1/odoo/code");
    post("/api/v1/odoo/logs", R"({"on":false})");
    EXPECT_THAT(link.asked, ElementsAre("unpair", "new_code", "logs off"));
    EXPECT_EQ(error(post("/api/v1/odoo/logs", R"({"on":"no"})")),
              "400 http.body: the member \"on\" must be true or false");
}

TEST_F(TheRoutesOfTheLink, take_both_credentials_or_none) {
    post("/api/v1/odoo/credentials", R"({"db_uuid":" u-1\n","enterprise_code":"\tM123 "})");
    post("/api/v1/odoo/credentials", R"({"db_uuid":"","enterprise_code":""})");
    EXPECT_THAT(link.asked, ElementsAre("credentials u-1/M123", "credentials /"));
    EXPECT_THAT(error(post("/api/v1/odoo/credentials", R"({"db_uuid":"u","enterprise_code":" "})")),
                HasSubstr("400 credentials.both: The number of the contract is missing"));
    EXPECT_THAT(error(post("/api/v1/odoo/credentials", R"({"db_uuid":"","enterprise_code":"M"})")),
                HasSubstr("400 credentials.both: The identifier of the database is missing"));
    EXPECT_EQ(error(post("/api/v1/odoo/credentials",
                         R"({"enterprise_code":"","db_uuid":")" + std::string(300, 'u') + "\"}")),
              "400 http.body: the member \"db_uuid\" is longer than 256 bytes");
    EXPECT_EQ(link.asked.size(), 2u);
}

TEST_F(TheRoutesOfTheLink, answer_the_check_of_the_certificate_when_it_ends_or_after_four_seconds) {
    const auto quick = post("/api/v1/odoo/certificate/check");
    link.now.certificate.source = "odoo";
    link.end();
    EXPECT_EQ(body(quick).at("certificate").at("source"), "odoo");
    EXPECT_EQ(clock.running(), 0u) << "nothing is left of it";

    const auto slow = post("/api/v1/odoo/certificate/check");
    clock.advance(3999ms);
    EXPECT_FALSE(slow->answered());
    clock.advance(1ms);
    EXPECT_TRUE(slow->answered());
    link.end();
    EXPECT_EQ(slow->answers, 1);
}

TEST_F(TheRoutesOfTheLink, pass_on_what_the_owner_says_to_a_request) {
    link.now.confirmations = {{"00c0ffee00c0ffee", "remote_debug", "Help?", 1, 2}};
    const auto answer = post("/api/v1/odoo/confirmations/00c0ffee00c0ffee", R"({"allow":false})");
    EXPECT_EQ(body(answer).at("confirmations"), json::array{});
    EXPECT_THAT(link.asked, ElementsAre("deny 00c0ffee00c0ffee"));
    EXPECT_THAT(error(post("/api/v1/odoo/confirmations/00c0ffee00c0ffee", R"({"allow":true})")),
                HasSubstr("404 confirmation.unknown: There is no such request any more"));
    EXPECT_EQ(error(post("/api/v1/odoo/confirmations/00c0ffee00c0ffee", R"({"allow":1})")),
              "400 http.body: the member \"allow\" must be true or false");
}

TEST_F(TheRoutesOfTheLink, restart_once_and_tell_waiting_pages_before) {
    std::vector<std::string> heard;
    const auto listening =
        ring.subscribe([&](const core::EventPtr& event) { heard.push_back(event->name); });
    EXPECT_EQ(post("/api/v1/restart")->response().status, 202u);
    EXPECT_EQ(post("/api/v1/restart")->response().status, 202u);
    EXPECT_THAT(heard, ElementsAre("restart"));
    EXPECT_THAT(link.asked, IsEmpty()) << "the answer goes out first";
    clock.advance(1s);
    EXPECT_THAT(link.asked, ElementsAre("restart"));
    clock.advance(1h);
    EXPECT_EQ(link.asked.size(), 1u);
}

}  // namespace
}  // namespace backplane::sync::test
