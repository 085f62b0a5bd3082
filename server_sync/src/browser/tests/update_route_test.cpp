// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/tests/fakes.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::HasSubstr;

class LoadIotHandlers : public ABrowserBox {
protected:
    static constexpr const char* k_path = "/iot_drivers/load_iot_handlers";

    static json::object body(const FakeExchangePtr& exchange) {
        return json::parse(exchange->response().body).as_object();
    }
};

TEST_F(LoadIotHandlers, says_so_on_a_box_that_has_no_updates) {
    routes = std::make_unique<BrowserRoutes>(BrowserContext{
        devices, ring, clock.timers(), [this] { return box; }, [this] { ++restarts; }});
    core::HttpRouter other;
    routes->install(other);
    auto exchange = std::make_shared<FakeExchange>(request(core::HttpMethod::get, k_path));
    other(exchange);
    EXPECT_EQ(
        body(exchange),
        (json::object{{"status", "error"},
                      {"message", "This box does not update its drivers: look at its settings."}}));
    EXPECT_EQ(exchange->header("Access-Control-Allow-Origin"), "");
}

TEST_F(LoadIotHandlers, tells_why_an_update_cannot_begin) {
    const auto answer = get(k_path);
    EXPECT_FALSE(answer->answered());
    ASSERT_EQ(updates.asked.size(), 1u);
    updates.asked[0].done(core::failure("update.running", "an update is running already"));
    EXPECT_EQ(body(answer),
              (json::object{{"status", "error"}, {"message", "an update is running already"}}));
    EXPECT_EQ(answer->response().status, 200u);
}

TEST_F(LoadIotHandlers, forces_an_update_and_answers_when_it_has_begun) {
    const auto answer = get(k_path);
    ASSERT_EQ(updates.asked.size(), 1u);
    EXPECT_TRUE(updates.asked[0].force);
    updates.asked[0].done({});
    EXPECT_EQ(body(answer), (json::object{{"status", "success"},
                                          {"message", "The box is fetching its drivers now."}}));
    EXPECT_THAT(answer->response().content_type, HasSubstr("application/json"));
    EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "") << "no other origin may ask";
    advance(10s);
    EXPECT_EQ(restarts, 0) << "drivers are swapped while the box runs";
}

TEST_F(LoadIotHandlers, answers_although_the_routes_have_gone_meanwhile) {
    const auto answer = get(k_path);
    routes.reset();
    updates.asked.at(0).done({});
    EXPECT_EQ(body(answer).at("status"), "success");
}

TEST_F(LoadIotHandlers, sets_nothing_going_but_on_get) {
    EXPECT_EQ(send(request(core::HttpMethod::head, k_path))->response().status, 405u);
    EXPECT_EQ(send(request(core::HttpMethod::put, k_path))->response().status, 405u);
    EXPECT_EQ(send(request(core::HttpMethod::post, k_path))->response().status, 405u);
    EXPECT_EQ(
        send(request(core::HttpMethod::options, k_path))->header("Access-Control-Allow-Origin"),
        "");
    EXPECT_TRUE(updates.asked.empty());
}

TEST_F(LoadIotHandlers, has_no_old_name) {
    EXPECT_EQ(get("/hw_drivers/load_iot_handlers")->response().status, 404u);
    EXPECT_TRUE(updates.asked.empty());
}

}  // namespace
}  // namespace backplane::sync::test
