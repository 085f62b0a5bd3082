// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What /api/v1/status and /metrics say of updates.
#include <gmock/gmock.h>

#include "api/tests/api_client.hpp"
#include "api/tests/served_api.hpp"

namespace backplane::core::test {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

TEST(TheStatus, has_each_standing_warning_of_the_updates_among_its_problems_once) {
    ServedApi box{{.problems = {"the box is in development mode"}}};
    ApiClient client{box.port()};
    EXPECT_EQ(client.get("/api/v1/status").json.at("problems").as_array().size(), 1u);
    box.change([](FakeUpdates& updates) {
        updates.now.warnings = {"the box is in development mode",
                                "the release acme 12 has expired"};
        updates.now.result = "unchanged";
        updates.now.text = "Nothing new.";
        updates.now.last_contact = 1777881600;
    });
    const ApiAnswer answer = client.get("/api/v1/status");
    EXPECT_EQ(answer.text("state"), "degraded");
    EXPECT_EQ(
        answer.json.at("problems"),
        json::parse(R"(["the box is in development mode","the release acme 12 has expired"])"));
    EXPECT_EQ(answer.json.at("update"), json::parse(R"({
        "phase":"idle","result":"unchanged","text":"Nothing new.","last_contact":1.7778816E9,
        "warnings":["the box is in development mode","the release acme 12 has expired"]})"));
}

TEST(TheStatus, names_a_plug_in_that_must_not_run) {
    ServedApi box{{}};
    box.change([](FakeUpdates& updates) {
        updates.list = {delivered_plugin("acme_scale", "1.0.0", "disabled"),
                        delivered_plugin("acme_printer", "1.0.0", "good")};
        updates.list[0].reason = "it was withdrawn";
    });
    const ApiAnswer answer = ApiClient{box.port()}.get("/api/v1/status");
    EXPECT_EQ(answer.text("state"), "degraded");
    EXPECT_EQ(answer.json.at("problems"),
              json::parse(R"(["the plug-in acme_scale must not run: it was withdrawn"])"));
}

TEST(TheStatus, is_ok_while_updates_go_on_without_trouble) {
    ServedApi box{{}};
    box.change([](FakeUpdates& updates) { updates.now.phase = UpdateReport::Phase::swapping; });
    const ApiAnswer answer = ApiClient{box.port()}.get("/api/v1/status");
    EXPECT_EQ(answer.text("state"), "ok");
    EXPECT_EQ(answer.json.at("update").at("phase"), "swapping");
}

TEST(TheMetrics, tell_of_the_last_contact_the_result_and_what_was_put_away) {
    ServedApi box{{}};
    box.change([](FakeUpdates& updates) {
        updates.now.last_contact = 1777881600;
        updates.now.result = "partly";
        updates.list = {delivered_plugin("acme_scale", "1.1.0", "quarantined"),
                        delivered_plugin("acme_printer", "1.0.0", "good")};
        updates.list[0].quarantined = "1.2.0";
    });
    const std::string text = ApiClient{box.port()}.get("/metrics").body;
    for (const char* line : {"# TYPE backplane_update_last_contact_seconds gauge\n",
                             "backplane_update_last_contact_seconds 1777881600.000000\n",
                             "backplane_update_result{result=\"partly\"} 1\n",
                             "backplane_update_result{result=\"updated\"} 0\n",
                             "backplane_plugin_quarantined{plugin=\"acme_scale\"} 1\n",
                             "backplane_plugin_quarantined{plugin=\"acme_printer\"} 0\n",
                             "# TYPE backplane_update_swaps counter\n",
                             "backplane_update_swaps_total{result=\"done\"} 0\n"}) {
        EXPECT_THAT(text, HasSubstr(line));
    }
    EXPECT_TRUE(text.ends_with("# EOF\n"));
}

TEST(TheMetrics, count_each_swap_once_when_its_update_has_ended) {
    ServedApi box{{}};
    ApiClient client{box.port()};
    const auto counted = [&](const std::string& how, int count) {
        return client.get("/metrics")
                   .body.find("backplane_update_swaps_total{result=\"" + how + "\"} " +
                              std::to_string(count) + "\n") != std::string::npos;
    };
    box.change([](FakeUpdates& updates) {
        updates.now.phase = UpdateReport::Phase::swapping;
        updates.now.steps = {{"a", "1", "2", UpdateStep::State::done, "", ""},
                             {"b", "1", "2", UpdateStep::State::swapping, "", ""}};
    });
    EXPECT_TRUE(counted("done", 0)) << "it still runs";
    for (int i = 0; i < 3; ++i) {
        box.change([](FakeUpdates& updates) {
            updates.now.phase = UpdateReport::Phase::idle;
            updates.now.finished = 100;
            updates.now.steps[1].state = UpdateStep::State::failed;
        });
    }
    EXPECT_TRUE(counted("done", 1));
    EXPECT_TRUE(counted("failed", 1));
    box.change([](FakeUpdates& updates) { updates.now.finished = 200; });
    EXPECT_TRUE(counted("done", 2));
    EXPECT_TRUE(counted("failed", 2));
    EXPECT_TRUE(counted("left_out", 0));
}

}  // namespace
}  // namespace backplane::core::test
