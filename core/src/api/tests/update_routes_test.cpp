// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// /api/v1/update and /api/v1/update/bundle, through a real server.
#include <gmock/gmock.h>

#include "api/tests/api_client.hpp"
#include "api/tests/served_api.hpp"

namespace backplane::core::test {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AnUpdateRoute : public testing::Test {
protected:
    ServedApi box{{}};
    ApiClient client{box.port()};
};

TEST_F(AnUpdateRoute, tells_the_whole_report_and_changes_nothing) {
    box.change([](FakeUpdates& updates) {
        updates.now.phase = UpdateReport::Phase::swapping;
        updates.now.trigger = "force";
        updates.now.source = "https://shop.example.com";
        updates.now.received = updates.now.expected = 4'000'000;
        updates.now.steps = {
            {"acme_scale", "1.0.0", "1.1.0", UpdateStep::State::swapping, "", "is being swapped"},
            {"acme_printer", "", "2.0.0", UpdateStep::State::failed, "swap.load", "did not load"},
        };
        updates.now.started = 1777881600.5;
        updates.now.warnings = {"the box is in development mode"};
    });
    const ApiAnswer answer = client.get("/api/v1/update");
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.text("phase"), "swapping");
    EXPECT_EQ(answer.text("trigger"), "force");
    EXPECT_EQ(answer.text("source"), "https://shop.example.com");
    EXPECT_EQ(answer.json.at("received").to_number<int>(), 4'000'000);
    EXPECT_EQ(answer.json.at("steps"), json::parse(R"([
        {"plugin":"acme_scale","from":"1.0.0","to":"1.1.0","state":"swapping","code":"","text":"is being swapped"},
        {"plugin":"acme_printer","from":"","to":"2.0.0","state":"failed","code":"swap.load","text":"did not load"}])"));
    EXPECT_EQ(answer.json.at("started").to_number<double>(), 1777881600.5);
    EXPECT_EQ(answer.json.at("warnings"), json::parse(R"(["the box is in development mode"])"));
    EXPECT_EQ(answer.json.at("seq").to_number<int>(), 1) << "the event that told of it";
    EXPECT_THAT(box.asked(), IsEmpty());
}

TEST_F(AnUpdateRoute, begins_an_update_with_and_without_force_and_answers_how_it_stands) {
    box.on_loop([&] {
        box.updates().on_question = [&](const std::string&) {
            box.updates().now.phase = UpdateReport::Phase::downloading;
            box.updates().now.started += 1;
        };
    });
    const ApiAnswer forced = client.post("/api/v1/update", R"({"force":true})");
    EXPECT_EQ(forced.status, 202) << forced.body;
    EXPECT_EQ(forced.text("phase"), "downloading");
    EXPECT_EQ(forced.json.at("started").to_number<int>(), 1);
    EXPECT_TRUE(forced.json.contains("seq"));
    EXPECT_EQ(client.post("/api/v1/update", R"({"force":false})").status, 202);
    EXPECT_EQ(client.post("/api/v1/update", "{}").status, 202);
    EXPECT_THAT(box.asked(), ElementsAre("check force", "check", "check"));
}

TEST_F(AnUpdateRoute, answers_409_while_one_runs_and_503_when_the_box_stops) {
    box.on_loop([&] {
        box.updates().errors["check"] = {"update.running", "an update runs: wait for its end"};
        box.updates().errors["install"] = {"update.stopping", "the box is stopping"};
    });
    const ApiAnswer running = client.post("/api/v1/update", "{}");
    EXPECT_EQ(running.status, 409);
    EXPECT_EQ(running.text("code"), "update.running");
    EXPECT_EQ(running.text("message"), "an update runs: wait for its end");
    EXPECT_EQ(client.post("/api/v1/update/bundle", "x", "application/zip").status, 503);
    box.on_loop([&] { box.updates().errors["check"] = {"E_NET", "no server is known"}; });
    EXPECT_EQ(client.post("/api/v1/update", "{}").status, 422);
}

TEST_F(AnUpdateRoute, refuses_what_a_foreign_page_could_send_without_asking) {
    for (const char* type : {"text/plain", "application/x-www-form-urlencoded", ""}) {
        EXPECT_EQ(client.post("/api/v1/update", "{}", type).status, 415) << type;
        EXPECT_EQ(client.post("/api/v1/update/bundle", "PK", type).status, 415) << type;
    }
    EXPECT_EQ(client.post("/api/v1/update/bundle", "PK", "application/json").text("message"),
              "send the body as application/zip");
    EXPECT_THAT(box.asked(), IsEmpty());
}

TEST_F(AnUpdateRoute, refuses_bodies_and_methods_that_it_does_not_know) {
    for (const char* body : {"", "{", "[]", "true", R"({"force":1})", R"({"force":"true"})"}) {
        EXPECT_EQ(client.post("/api/v1/update", body).status, 400) << body;
    }
    EXPECT_EQ(client.post("/api/v1/update", R"({"force":1})").text("message"),
              "\"force\" is neither true nor false");
    const ApiAnswer put = client.put("/api/v1/update");
    EXPECT_EQ(put.status, 405);
    EXPECT_EQ(put.allow, "GET, POST");
    EXPECT_EQ(client.get("/api/v1/update/bundle").status, 405);
    EXPECT_THAT(box.asked(), IsEmpty());
}

TEST_F(AnUpdateRoute, hands_a_bundle_on_byte_by_byte_also_one_larger_than_other_bodies) {
    std::string zip(20u << 20, '\0');
    for (std::size_t i = 0; i < zip.size(); i += 4093) zip[i] = static_cast<char>(i);
    const ApiAnswer answer =
        client.post("/api/v1/update/bundle?label=acme%2d12.zip&force=1", zip, "application/zip");
    ASSERT_EQ(answer.status, 202) << answer.body;
    EXPECT_EQ(answer.text("phase"), "idle");
    EXPECT_THAT(box.asked(), ElementsAre("install acme-12.zip 20971520 force"));
    const bool same = box.on_loop([&] {
        const auto& got = box.updates().archive;
        return got.size() == zip.size() && std::memcmp(got.data(), zip.data(), zip.size()) == 0;
    });
    EXPECT_TRUE(same);
}

TEST_F(AnUpdateRoute, gives_a_bundle_a_label_that_can_be_shown) {
    EXPECT_EQ(client.post("/api/v1/update/bundle", "PK", "application/zip").status, 202);
    EXPECT_EQ(
        client
            .post("/api/v1/update/bundle?force=0&label=a%1b%5b2J%0ab", "PK", "application/zip; x=y")
            .status,
        202);
    EXPECT_THAT(box.asked(), ElementsAre("install a file 2", "install a\\x1b[2J\\nb 2"));
}

TEST_F(AnUpdateRoute, refuses_a_bundle_that_is_empty_or_far_too_large) {
    const ApiAnswer empty = client.post("/api/v1/update/bundle", "", "application/zip");
    EXPECT_EQ(empty.status, 400);
    EXPECT_EQ(empty.text("message"), "the body is empty: send the bundle, a zip file");
    const ApiAnswer force = client.post("/api/v1/update/bundle?force=2", "PK", "application/zip");
    EXPECT_EQ(force.status, 400);
    EXPECT_THAT(force.text("message"), HasSubstr("neither 0 nor 1"));
    // One that is only a little too large is taken in, so that the refusal can say what is wrong.
    const std::string zip((33u << 20) + 1, 'x');
    EXPECT_EQ(ApiClient{box.port()}.post("/api/v1/update/bundle", zip, "application/zip").status,
              413);
    EXPECT_EQ(ApiClient{box.port()}.post("/api/v1/update", zip.substr(0, 11u << 20)).status, 413)
        << "only bundles may be that large";
    EXPECT_THAT(box.asked(), IsEmpty());
}

TEST(AnApiWithoutUpdates, says_so_on_each_of_their_routes) {
    ServedApi box{{.plugins = {{"toledo8217", "1.0.0"}}, .has_updates = false}};
    ApiClient client{box.port()};
    for (const ApiAnswer& answer :
         {client.get("/api/v1/update"), client.post("/api/v1/update", "{}"),
          client.post("/api/v1/update/bundle", "PK", "application/zip"),
          client.post("/api/v1/plugins/toledo8217/rollback", "{}")}) {
        EXPECT_EQ(answer.status, 503);
        EXPECT_EQ(answer.text("code"), "update.unavailable");
        EXPECT_THAT(answer.text("message"), HasSubstr("takes no updates of its plug-ins"));
    }
    EXPECT_TRUE(client.get("/api/v1/status").json.at("update").is_null());
    const json::object plugin = client.get("/api/v1/plugins").json.at("plugins").at(0).as_object();
    EXPECT_EQ(plugin.at("source"), "the box");
    EXPECT_EQ(plugin.at("update_state"), "");
    EXPECT_EQ(plugin.at("can_roll_back"), false);
    EXPECT_EQ(client.get("/metrics").body.find("backplane_update"), std::string::npos);
}

}  // namespace
}  // namespace backplane::core::test
