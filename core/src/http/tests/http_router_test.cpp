// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gtest/gtest.h>

#include <optional>

#include "backplane/core/http.hpp"

namespace backplane::core {
namespace {

class RecordedExchange final : public HttpExchange {
public:
    explicit RecordedExchange(std::string path) { request_.path = std::move(path); }
    const HttpRequest& request() const noexcept override { return request_; }
    void respond(HttpResponse response) override { answer = std::move(response); }
    void begin_stream(HttpResponse) override {}
    bool write(std::string) override { return false; }
    void close() override {}
    void on_gone(std::function<void()>) override {}
    std::optional<HttpResponse> answer;

private:
    HttpRequest request_;
};

HttpHandler named(std::string name) {
    return [name = std::move(name)](const HttpExchangePtr& exchange) {
        HttpResponse response;
        response.body = name;
        exchange->respond(std::move(response));
    };
}

class AnHttpRouter : public testing::Test {
protected:
    std::string ask(const std::string& path) {
        const auto exchange = std::make_shared<RecordedExchange>(path);
        router_(exchange);
        if (!exchange->answer) return "(nothing)";
        return exchange->answer->status == 200 ? exchange->answer->body
                                               : std::to_string(exchange->answer->status);
    }
    HttpRouter router_;
};

TEST_F(AnHttpRouter, answers_404_for_a_path_that_nobody_serves) {
    router_.add("/a", named("a"));
    router_.add_prefix("/b/", named("b"));
    for (const char* path : {"/", "/a/", "/ab", "/b", "/bb/", "*", ""})
        EXPECT_EQ(ask(path), "404") << path;
}

TEST_F(AnHttpRouter, prefers_the_exact_path_then_the_longest_prefix) {
    router_.add_prefix("/", named("root"));
    router_.add_prefix("/api/v1/", named("api"));
    router_.add("/api/v1/status", named("status"));
    EXPECT_EQ(ask("/api/v1/status"), "status");
    EXPECT_EQ(ask("/api/v1/status/x"), "api");
    EXPECT_EQ(ask("/api/v1/"), "api");
    EXPECT_EQ(ask("/api/v1"), "root");
    EXPECT_EQ(ask("/api/v2/x"), "root");
}

TEST_F(AnHttpRouter, completes_a_prefix_that_does_not_end_in_a_slash) {
    router_.add_prefix("/static", named("static"));
    EXPECT_EQ(ask("/static/a/b.js"), "static");
    EXPECT_EQ(ask("/statics"), "404");
}

TEST_F(AnHttpRouter, gives_what_nobody_serves_to_the_fallback) {
    router_.set_fallback(named("fallback"));
    EXPECT_EQ(ask("/x"), "fallback");
}

TEST_F(AnHttpRouter, shares_its_table_with_its_copies) {
    const HttpHandler copy = router_;
    router_.add("/late", named("late"));
    const auto exchange = std::make_shared<RecordedExchange>("/late");
    copy(exchange);
    ASSERT_TRUE(exchange->answer.has_value());
    EXPECT_EQ(exchange->answer->body, "late");
}

}  // namespace
}  // namespace backplane::core
