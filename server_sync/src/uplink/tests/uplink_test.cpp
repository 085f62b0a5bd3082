// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "uplink/tests/uplink_box.hpp"

namespace backplane::sync {
namespace {

using test::AnUplink;
using test::FakeLanes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace json = boost::json;
using namespace std::chrono_literals;

TEST_F(AnUplink, tells_the_server_what_its_browsers_would_get_and_which_box_says_it) {
    finish("picture", "page-7", json::object{{"image", "AAAA"}});
    EXPECT_THAT(lanes.sent(), IsEmpty()) << "not inside of whoever publishes an event";
    settle();
    ASSERT_EQ(lanes.sent().size(), 1u);
    const auto& request = lanes.last().request;
    EXPECT_EQ(request.url, "https://shop.example.com/iot/box/send_websocket");
    EXPECT_EQ(request.content_type, "application/json");
    EXPECT_EQ(request.total, 5s);
    const auto params = json::parse(request.body).at("params").as_object();
    EXPECT_EQ(params.at("iot_box_identifier"), "box-1");
    EXPECT_EQ(params.at("device_identifier"), "camera-1");
    EXPECT_EQ(params.at("session_id"), "page-7");
    EXPECT_EQ(params.at("owner"), "page-7");
    EXPECT_EQ(params.at("status"), "success");
    EXPECT_EQ(params.at("result").at("image"), "AAAA");
    EXPECT_EQ(lanes.lanes(), std::vector<std::string>{"uplink"});
    lanes.succeed("{}");
    settle();
    EXPECT_EQ(uplink->status().sent, 1u);
    EXPECT_EQ(uplink->status().state, "idle");
    EXPECT_EQ(on_disk("SELECT count(*) FROM outgoing"), "0");

    weigh(0.5);
    settle();
    EXPECT_EQ(json::parse(lanes.last().request.body).at("params").at("session_id"), "0")
        << "of nobody in particular";
}

TEST_F(AnUplink, keeps_what_a_printer_says_to_somebody_as_it_does_results) {
    const auto number = owners->action_begun("printer-1", "page-3");
    auto event = test::device_event("printer-1", "printer", "status", {{"status", "success"}});
    ring.publish(event);
    owners->action_ended("printer-1", number);
    auto own = test::action_result("printer-1", "printer", "page-3", "print_receipt", nullptr);
    ring.publish(own);
    settle();
    EXPECT_EQ(on_disk("SELECT count(*) FROM outgoing"), "1");
    ASSERT_THAT(told(), ElementsAre("success")) << "and only the printer itself speaks of paper";
    EXPECT_EQ(json::parse(lanes.last().request.body).at("params").at("session_id"), "page-3");
}

TEST_F(AnUplink, sends_one_after_the_other_and_results_before_all_else_after_a_return) {
    weigh(1);
    settle();
    finish("a");
    weigh(2);
    finish("b");
    settle();
    EXPECT_THAT(told(), ElementsAre("1E0")) << "one at a time";
    lanes.fail();
    settle();
    EXPECT_EQ(uplink->status().state, "failing");
    EXPECT_THAT(uplink->status().reason, HasSubstr("sending an event to https://shop.example.com: "
                                                   "nobody is there"));
    EXPECT_EQ(uplink->status().dropped.at("weight"), 1u);
    EXPECT_EQ(lanes.waiting(), 0u) << "a pause first";
    advance(500ms);
    serve();
    EXPECT_THAT(told(), ElementsAre("1E0", "a", "b", "2E0"));
    EXPECT_EQ(uplink->status().state, "idle");
    EXPECT_EQ(uplink->status().reason, "");
}

TEST_F(AnUplink, pauses_longer_from_failure_to_failure_but_not_when_the_server_is_heard_of) {
    finish("a");
    settle();
    for (const auto pause : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 15000ms, 15000ms}) {
        lanes.answer(FakeLanes::status(503));
        settle();
        advance(pause - 1ms);
        EXPECT_EQ(lanes.waiting(), 0u) << pause.count();
        advance(1ms);
        EXPECT_EQ(lanes.waiting(), 1u) << pause.count();
    }
    lanes.fail();
    settle();
    uplink->try_now();
    settle();
    EXPECT_EQ(lanes.waiting(), 1u);
}

TEST_F(AnUplink, drops_weights_after_five_seconds_and_says_how_many) {
    for (int i = 0; i < 10; ++i) {
        weigh(i);
        if (i == 0) settle();
    }
    lanes.fail();
    settle();
    finish("late");
    advance(5s);
    EXPECT_EQ(lanes.waiting(), 1u) << "a server that takes its time does not keep them either";
    EXPECT_EQ(uplink->status().passing, 0u);
    EXPECT_EQ(uplink->status().dropped.at("weight"), 10u);
    EXPECT_EQ(uplink->status().waiting, 1u) << "a result waits";
}

TEST_F(AnUplink, does_not_let_one_that_the_server_refuses_hold_up_the_others) {
    finish("bad");
    finish("odd");
    finish("good");
    settle();
    lanes.answer(FakeLanes::status(413));
    settle();
    EXPECT_EQ(told().back(), "odd");
    lanes.succeed(R"({"jsonrpc":"2.0","error":{"code":200,"message":"Odoo Server Error"}})");
    settle();
    EXPECT_EQ(told().back(), "good");
    lanes.succeed("{}");
    settle();
    EXPECT_EQ(uplink->status().refused, 2u);
    EXPECT_EQ(uplink->status().sent, 1u);
    EXPECT_EQ(uplink->status().waiting, 0u);
}

TEST_F(AnUplink, takes_no_login_page_timeout_or_redirect_for_an_answer_of_odoo) {
    finish("a");
    settle();
    for (const auto& answer : {FakeLanes::page(), FakeLanes::status(408), FakeLanes::status(429),
                               FakeLanes::status(302), FakeLanes::status(500)}) {
        lanes.answer(answer);
        settle();
        EXPECT_EQ(uplink->status().waiting, 1u) << answer->status;
        EXPECT_EQ(uplink->status().state, "failing");
        const bool is_page = answer->status == 200;
        EXPECT_THAT(uplink->status().reason,
                    HasSubstr(is_page ? "a web page came instead" : "the server answered"));
        advance(15s);
    }
    EXPECT_EQ(lanes.waiting(), 1u);
}

TEST_F(AnUplink, keeps_results_over_a_restart_in_their_order) {
    for (int i = 0; i < 40; ++i) finish("a" + std::to_string(i));
    uplink->send({{"session_id", "page-1"}, {"status", "disconnected"}});
    settle();
    lanes.fail();
    restart();
    EXPECT_EQ(uplink->status().waiting, 41u);
    finish("after");
    serve();
    std::vector<std::string> expected{"a0"};  // the one that failed before
    for (int i = 0; i < 40; ++i) expected.push_back("a" + std::to_string(i));
    expected.push_back("disconnected");
    expected.push_back("after");
    EXPECT_EQ(told(), expected);
    EXPECT_EQ(json::parse(lanes.sent()[41].request.body).at("params"),
              (json::object{{"session_id", "page-1"},
                            {"status", "disconnected"},
                            {"iot_box_identifier", "box-1"}}));
    EXPECT_EQ(on_disk("SELECT count(*) FROM outgoing"), "0");
    EXPECT_EQ(uplink->status().waiting_bytes, 0u);
}

TEST_F(AnUplink, keeps_to_its_limits_with_large_results_and_loses_the_oldest) {
    const std::string picture(1u << 20, 'A');
    for (int i = 0; i < 70; ++i) {
        finish("p" + std::to_string(i), "page-1", json::object{{"image", picture}});
        if (i % 8 == 0) settle();
    }
    settle();
    EXPECT_LE(uplink->status().waiting_bytes, 64u << 20);
    EXPECT_EQ(uplink->status().waiting, 63u);
    EXPECT_EQ(uplink->status().dropped_durable, 7u);
    EXPECT_EQ(on_disk("SELECT count(*) FROM outgoing"), "63");
    finish("huge", "page-1", json::object{{"image", std::string(65u << 20, 'A')}});
    EXPECT_EQ(uplink->status().dropped_durable, 8u) << "itself, not all others";
    EXPECT_EQ(uplink->status().waiting, 63u);
    lanes.succeed("{}");
    settle();
    EXPECT_EQ(told().back(), "p7");
}

TEST_F(AnUplink, forgets_everything_with_the_server_and_is_silent_without_one) {
    finish("a");
    finish("b");
    settle();
    account->unpair({});
    settle();
    EXPECT_EQ(uplink->status().state, "off");
    EXPECT_EQ(uplink->status().waiting, 0u);
    EXPECT_EQ(lanes.cancelled(), 1u) << "what was under way is given up";
    finish("c");
    weigh(1);
    uplink->send({{"status", "success"}});
    settle();
    EXPECT_EQ(lanes.sent().size(), 1u);
    EXPECT_EQ(uplink->status().waiting, 0u);
    EXPECT_EQ(on_disk("SELECT count(*) FROM outgoing"), "0");
    pair("https://other.example.com");
    EXPECT_EQ(lanes.waiting(), 0u) << "another server gets nothing of it";
    finish("d");
    settle();
    EXPECT_EQ(lanes.last().request.url, "https://other.example.com/iot/box/send_websocket");
    EXPECT_EQ(told().back(), "d");
}

TEST_F(AnUplink, follows_its_server_to_a_new_address_with_all_that_waits) {
    finish("a");
    settle();
    account->move_to("https://moved.example.com", {});
    settle();
    EXPECT_EQ(lanes.cancelled(), 1u);
    EXPECT_EQ(lanes.last().request.url, "https://moved.example.com/iot/box/send_websocket");
    EXPECT_EQ(told().back(), "a");
}

TEST_F(AnUplink, sends_results_though_the_disk_is_full) {
    ASSERT_TRUE(store->read([](core::Database& database) {
        return database.execute(
            "CREATE TEMP TRIGGER full BEFORE INSERT ON outgoing BEGIN SELECT raise(ABORT, 'no "
            "room'); END");
    }));
    for (int i = 0; i < 30; ++i) finish("a" + std::to_string(i));
    settle();
    EXPECT_EQ(on_disk("SELECT count(*) FROM outgoing"), "0");
    EXPECT_EQ(told().back(), "a0");
    lanes.succeed("{}");
    settle();
    EXPECT_EQ(told().back(), "a1");
    ASSERT_TRUE(store->read(
        [](core::Database& database) { return database.execute("DROP TRIGGER full"); }));
    advance(5s);
    EXPECT_EQ(on_disk("SELECT count(*) FROM outgoing"), "29") << "written as soon as it goes";
    serve();
    EXPECT_EQ(lanes.sent().size(), 30u);
    EXPECT_EQ(on_disk("SELECT count(*) FROM outgoing"), "0");
}

TEST_F(AnUplink, calls_nobody_after_it_has_gone) {
    finish("a");
    settle();
    int told_of = 0;
    const auto watch = uplink->on_change([&told_of] { ++told_of; });
    stop();
    EXPECT_EQ(lanes.waiting(), 0u);
    clock.advance(1h);
    weigh(1);
    EXPECT_EQ(told_of, 0);
}

TEST_F(AnUplink, tells_listeners_when_the_server_stops_and_begins_to_answer) {
    std::vector<std::string> states;
    const auto watch = uplink->on_change([&] { states.push_back(uplink->status().state); });
    finish("a");
    settle();
    lanes.fail();
    settle();
    advance(500ms);
    serve();
    finish("b");
    serve();
    ASSERT_FALSE(states.empty());
    EXPECT_EQ(states.front(), "failing");
    EXPECT_EQ(states.size(), 2u) << "not for each event";
}

}  // namespace
}  // namespace backplane::sync
