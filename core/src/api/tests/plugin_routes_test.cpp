// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The list of plug-ins with where their builds come from, and what the owner may do with one of them.
#include <gmock/gmock.h>

#include "api/tests/api_client.hpp"
#include "api/tests/served_api.hpp"

namespace backplane::core::test {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class APluginRoute : public testing::Test {
protected:
    APluginRoute() {
        box.change([](FakeUpdates& updates) {
            DeliveredPlugin scale = delivered_plugin("acme_scale", "1.1.0", "trial");
            scale.reason = "runs on trial for 10 minutes";
            scale.last_good = "1.0.0";
            scale.quarantined = "1.2.0";
            scale.quarantined_reason = "crashed at open";
            scale.pinned = scale.can_roll_back = scale.can_release = true;
            scale.since = 1777881600;
            DeliveredPlugin gone = delivered_plugin("acme_printer", "2.0.0", "disabled");
            gone.reason = "this version was withdrawn and there is no other";
            updates.list = {scale, gone};
        });
    }
    json::object plugin(const std::string& name) {
        const json::value all = client.get("/api/v1/plugins").json.at("plugins");
        for (const json::value& each : all.as_array())
            if (each.at("name").as_string() == name && each.at("state") != "refused")
                return each.as_object();
        return {};
    }

    ServedApi box{
        {.plugins = {{"acme_scale", "1.1.0"}, {"toledo8217", "1.0.0"}}, .refused = {"acme_scale"}}};
    ApiClient client{box.port()};
};

TEST_F(APluginRoute, lists_what_was_delivered_beside_what_the_process_does) {
    const json::object scale = plugin("acme_scale");
    EXPECT_EQ(scale.at("state"), "running");
    EXPECT_EQ(scale.at("pid"), 4711);
    EXPECT_EQ(scale.at("source"), "bundle acme 12");
    EXPECT_EQ(scale.at("signer"), "Acme Ltd");
    EXPECT_EQ(scale.at("update_state"), "trial");
    EXPECT_EQ(scale.at("update_reason"), "runs on trial for 10 minutes");
    EXPECT_EQ(scale.at("update_since"), 1777881600.0);
    EXPECT_EQ(scale.at("last_good"), "1.0.0");
    EXPECT_EQ(scale.at("quarantined"), "1.2.0");
    EXPECT_EQ(scale.at("quarantined_reason"), "crashed at open");
    EXPECT_EQ(scale.at("pinned"), true);
    EXPECT_EQ(scale.at("can_roll_back"), true);
    EXPECT_EQ(scale.at("can_release"), true);
    const json::object own = plugin("toledo8217");
    EXPECT_EQ(own.at("source"), "the box");
    EXPECT_EQ(own.at("update_state"), "");
    EXPECT_EQ(own.at("pinned"), false);
}

TEST_F(APluginRoute, lists_the_version_that_runs_while_another_one_is_about_to) {
    box.change([](FakeUpdates& updates) { updates.list[0].version = "1.3.0"; });
    EXPECT_EQ(plugin("acme_scale").at("version"), "1.1.0");
}

TEST_F(APluginRoute, lists_what_was_delivered_and_may_not_run) {
    const json::object gone = plugin("acme_printer");
    EXPECT_EQ(gone.at("state"), "disabled");
    EXPECT_EQ(gone.at("kind"), "driver");
    EXPECT_EQ(gone.at("version"), "2.0.0");
    EXPECT_EQ(gone.at("reason"), "this version was withdrawn and there is no other");
    EXPECT_EQ(gone.at("pid"), 0);
}

TEST_F(APluginRoute, gives_a_refused_file_of_the_same_name_nothing_of_the_delivered_one) {
    std::size_t refused = 0;
    const json::value all = client.get("/api/v1/plugins").json.at("plugins");
    for (const json::value& each : all.as_array()) {
        if (each.at("state") != "refused") continue;
        ++refused;
        EXPECT_EQ(each.at("name"), "acme_scale");
        EXPECT_EQ(each.at("source"), "the box");
        EXPECT_EQ(each.at("can_roll_back"), false);
    }
    EXPECT_EQ(refused, 1u);
    EXPECT_EQ(all.as_array().size(), 4u);
}

TEST_F(APluginRoute, hands_on_what_the_owner_wants_and_answers_with_the_plug_in) {
    for (const char* verb : {"rollback", "pin", "unpin", "release"}) {
        const ApiAnswer answer =
            client.post("/api/v1/plugins/acme_scale/" + std::string(verb), "{}");
        EXPECT_EQ(answer.status, 200) << verb << answer.body;
        EXPECT_EQ(answer.text("name"), "acme_scale") << verb;
        EXPECT_EQ(answer.text("update_state"), "trial") << verb;
    }
    EXPECT_EQ(client.post("/api/v1/plugins/toledo8217/pin", "{}").body,
              "{\"name\":\"toledo8217\"}\n");
    EXPECT_THAT(box.asked(),
                ElementsAre("rollback acme_scale", "pin acme_scale", "unpin acme_scale",
                            "release acme_scale", "pin toledo8217"));
}

TEST_F(APluginRoute, answers_only_when_the_plug_in_runs) {
    box.on_loop([&] { box.updates().keep_answers = true; });
    std::atomic<int> status = 0;
    std::thread asking{[&] {
        status = ApiClient{box.port()}.post("/api/v1/plugins/acme_scale/rollback", "{}").status;
    }};
    EXPECT_TRUE(eventually([&] { return box.asked().size() == 1; }));
    EXPECT_EQ(status, 0);
    box.on_loop([&] { box.updates().kept.at(0)({}); });
    asking.join();
    EXPECT_EQ(status, 200);
}

TEST_F(APluginRoute, says_404_for_a_plug_in_or_a_wish_that_it_does_not_know) {
    const ApiAnswer unknown = client.post("/api/v1/plugins/no%1bsuch/pin", "{}");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.text("code"), "update.unknown_plugin");
    EXPECT_EQ(unknown.text("message"),
              "the box has no plug-in \"no\\x1bsuch\": take a name of the list of plug-ins");
    for (const char* path : {"acme_scale/remove", "acme_scale", "acme_scale/", "/", "",
                             "acme_scale/pin/pin", "../plugins/acme_scale/pin"}) {
        EXPECT_EQ(client.post("/api/v1/plugins/" + std::string(path), "{}").status, 404) << path;
    }
    EXPECT_THAT(client.post("/api/v1/plugins/acme_scale/remove", "{}").text("message"),
                HasSubstr("/rollback, /pin, /unpin or /release, not \"acme_scale/remove\""));
    EXPECT_EQ(client.get("/api/v1/plugins/acme_scale/rollback").status, 405);
    EXPECT_EQ(client.post("/api/v1/plugins/acme_scale/pin", "{}", "text/plain").status, 415);
    EXPECT_EQ(client.post("/api/v1/plugins/acme_scale/pin", "").status, 400);
    EXPECT_THAT(box.asked(), IsEmpty());
}

TEST_F(APluginRoute, passes_the_reason_of_a_refusal_on) {
    const std::vector<std::pair<std::string, int>> statuses{
        {"update.no_last_good", 409},
        {"update.below_floor", 409},
        {"update.state", 409},
        {"update.unknown_plugin", 404},
        {"swap.crashed", 409},
        {"update.running", 409},
        {"store.full", 503},
        {"update.unavailable", 503},
        {"E_HASH", 422},
    };
    for (const auto& [code, status] : statuses) {
        box.on_loop([&] { box.updates().errors["rollback"] = {code, "because"}; });
        const ApiAnswer answer = client.post("/api/v1/plugins/acme_scale/rollback", "{}");
        EXPECT_EQ(answer.status, status) << code;
        EXPECT_EQ(answer.text("code"), code);
        EXPECT_EQ(answer.text("message"), "because");
    }
}

TEST(APluginRouteWithoutPatience, says_that_a_roll_back_goes_on_and_ignores_its_late_answer) {
    ServedApi box{
        {.plugins = {{"acme_scale", "1.1.0"}}, .owner_patience = std::chrono::milliseconds{20}}};
    box.on_loop([&] { box.updates().keep_answers = true; });
    const ApiAnswer answer =
        ApiClient{box.port()}.post("/api/v1/plugins/acme_scale/rollback", "{}");
    EXPECT_EQ(answer.status, 504);
    EXPECT_EQ(answer.text("code"), "update.timeout");
    EXPECT_THAT(answer.text("message"),
                HasSubstr("the plug-in acme_scale is not done yet, the box goes on with it"));
    box.on_loop([&] { box.updates().kept.at(0)({}); });
    EXPECT_EQ(ApiClient{box.port()}.get("/api/v1/update").status, 200);
}

}  // namespace
}  // namespace backplane::core::test
