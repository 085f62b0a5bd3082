// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "api/tests/api_client.hpp"
#include "api/tests/served_api.hpp"
#include "backplane/core/log.hpp"

namespace backplane::core::test {
namespace {

using testing::HasSubstr;

class TheRoutesOfLogs : public testing::Test {
protected:
    TheRoutesOfLogs() : api({.plugins = {{"acme_scale", "1.0.0"}}}), client(api.port()) {}
    boost::json::object entry(const ApiAnswer& answer, std::string_view component) {
        if (const auto* levels = answer.json.if_contains("levels"))
            for (const auto& each : levels->as_array())
                if (each.at("component").as_string() == component) return each.as_object();
        return {};
    }
    ServedApi api;
    ApiClient client;
};

TEST_F(TheRoutesOfLogs, give_the_records_that_are_asked_for) {
    const std::uint64_t before = last_log_seq();
    log_info("routes-test", "first");
    log_warning("routes-test", "second");
    log_error("other-test", "third");
    const std::string from = "/api/v1/logs?after=" + std::to_string(before);
    EXPECT_THAT(client.get(from + "&component=routes-test").body,
                AllOf(HasSubstr("first"), HasSubstr("second"), Not(HasSubstr("third"))));
    EXPECT_THAT(client.get(from + "&level=warning&component=routes-test").body,
                AllOf(Not(HasSubstr("first")), HasSubstr("second")));
    EXPECT_THAT(client.get(from + "&limit=1&component=routes-test").body, Not(HasSubstr("first")));
    const ApiAnswer wrong = client.get("/api/v1/logs?level=loud");
    EXPECT_EQ(wrong.status, 400);
    EXPECT_EQ(wrong.text("message"), "\"loud\" is no level: give error, warning, info or debug");
}

TEST_F(TheRoutesOfLogs, list_the_level_of_everything_and_of_each_plug_in) {
    const ApiAnswer answer = client.get("/api/v1/logs/levels");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(entry(answer, "").at("level").as_string(), "info");
    EXPECT_EQ(entry(answer, "").at("configured").as_string(), "info");
    EXPECT_TRUE(entry(answer, "").at("until").is_null());
    EXPECT_EQ(entry(answer, "acme_scale").at("level").as_string(), "info");
    EXPECT_TRUE(entry(answer, "acme_scale").at("configured").is_null());
    EXPECT_TRUE(entry(answer, "acme_scale").at("plugin").as_bool());
}

TEST_F(TheRoutesOfLogs, change_a_level_for_a_time_and_take_that_back) {
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    ApiAnswer answer = client.post("/api/v1/logs/levels",
                                   R"({"component":"acme_scale","level":"debug","hours":2})");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(log_level("acme_scale"), LogLevel::debug);
    EXPECT_NEAR(entry(answer, "acme_scale").at("until").as_double(), now + 7200, 300);
    answer = client.post("/api/v1/logs/levels", R"({"component":"acme_scale","level":null})");
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(entry(answer, "acme_scale").at("until").is_null());
    EXPECT_EQ(log_level("acme_scale"), LogLevel::info);
}

TEST_F(TheRoutesOfLogs, tell_plug_ins_that_run_their_level) {
    api.on_loop([&] { api.runner("acme_scale").calls.clear(); });
    EXPECT_EQ(client.post("/api/v1/logs/levels", R"({"component":"","level":"debug"})").status,
              200);
    EXPECT_TRUE(api.on_loop([&] { return api.runner("acme_scale").was_asked("log debug"); }));
    EXPECT_EQ(client.post("/api/v1/logs/levels", R"({"component":"","level":null})").status, 200);
    EXPECT_TRUE(api.on_loop([&] { return api.runner("acme_scale").was_asked("log info"); }));
}

TEST_F(TheRoutesOfLogs, say_what_is_wrong_with_a_request) {
    const auto refused = [&](const char* body) {
        const ApiAnswer answer = client.post("/api/v1/logs/levels", body);
        EXPECT_EQ(answer.status, 400) << body;
        return answer.text("code");
    };
    EXPECT_EQ(refused(R"({"component":"acme_scale","level":"loud"})"), "logs.level");
    EXPECT_EQ(refused(R"({"component":"acme_scale"})"), "logs.level");
    EXPECT_EQ(refused(R"({"component":5,"level":"debug"})"), "logs.component");
    EXPECT_EQ(refused(R"({"component":"a b","level":"debug"})"), "logs.component");
    EXPECT_EQ(refused(R"({"level":"debug","hours":0})"), "logs.time");
    EXPECT_EQ(refused(R"({"level":"debug","hours":"x"})"), "logs.time");
    EXPECT_EQ(refused(R"({"level":"debug","hours":100000000000})"), "logs.time");
    EXPECT_EQ(client.post("/api/v1/logs/levels", "{}", "text/plain").status, 415);
    EXPECT_EQ(client.put("/api/v1/logs/levels").status, 405);
    EXPECT_EQ(client.put("/api/v1/logs/levels").allow, "GET, POST");
}

TEST(ABoxWithoutLevels, says_that_it_changes_none) {
    ServedApi api{{.has_log_levels = false}};
    EXPECT_EQ(ApiClient{api.port()}.get("/api/v1/logs/levels").status, 503);
}

}  // namespace
}  // namespace backplane::core::test
