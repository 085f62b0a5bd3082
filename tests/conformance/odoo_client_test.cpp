// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What unmodified clients of Odoo 15 to 19 do to a box, in their order and with their
// peculiarities: the point of sale without the IoT app (/hw_proxy), and pages with it (/iot_drivers
// of 19, /hw_drivers of 17 and 18).
#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <future>
#include <set>

#include "support/box_test.hpp"
#include "support/listeners.hpp"

namespace backplane::tests {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string k_scale = "simulator:scale";

class AnOdooClient : public BoxTest {
protected:
    void SetUp() override { start_demo(); }

    /// POST of {"params": …} as a browser sends it, with the origin of the database.
    HttpAnswer call(const std::string& path, const json::object& params) {
        return box().post(path, json::serialize(json::object{{"params", params}}),
                          "application/json", {{"Origin", "https://shop.example.com"}});
    }
    json::object envelope(const std::string& path, const json::object& params) {
        const HttpAnswer answer = call(path, params);
        EXPECT_EQ(answer.status, 200) << path;
        return answer.json().as_object();
    }
    /// 17 and 18: `data` is JSON text.
    json::object old_action(const std::string& device, const json::object& data,
                            const std::string& session = "old") {
        return envelope("/hw_drivers/action", {{"session_id", session},
                                               {"device_identifier", device},
                                               {"data", json::serialize(data)}});
    }
    void weigh(double kilograms) {
        box().simulate("scale", {{"weight_kg", kilograms}, {"motion", false}});
    }
    static Fits weighs(double kilograms) {
        return [=](const json::object& event) { return number_in(event, "result") == kilograms; };
    }
    static std::vector<double> numbers(const std::vector<json::object>& events) {
        std::vector<double> out;
        for (const auto& event : events)
            if (const auto number = number_in(event, "result")) out.push_back(*number);
        return out;
    }
};

// ---- the point of sale without the IoT app ------------------------------------------------------

TEST_F(AnOdooClient, of_the_pos_says_hello_shakes_hands_and_reads_the_scale) {
    const HttpAnswer hello = box().get("/hw_proxy/hello", {{"Origin", "https://shop.example.com"}});
    EXPECT_EQ(hello.status, 200);
    EXPECT_EQ(hello.body, "ping");
    EXPECT_EQ(hello.headers.at("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(envelope("/hw_proxy/handshake", {}).at("result"), json::value(true));

    const json::object status = envelope("/hw_proxy/status_json", {}).at("result").as_object();
    EXPECT_EQ(text_at(status, {"scale", "status"}), "connected");
    EXPECT_THAT(json::serialize(status.at("scale").at("messages")), "[]");
    EXPECT_EQ(text_at(status, {"printer", "status"}), "disconnected");
    EXPECT_EQ(text_at(status, {"scanner", "status"}), "disconnected");

    for (const double weight : {0.5, 1.234, 0.005}) {
        weigh(weight);
        const json::object read = envelope("/hw_proxy/scale_read", {}).at("result").as_object();
        EXPECT_EQ(number_in(read, "weight"), weight);
    }
}

TEST_F(AnOdooClient, of_the_pos_may_send_parameters_that_nobody_knows_and_leave_out_the_envelope) {
    const std::string body =
        R"({"id": 17, "params": {"pos_id": 1, "anything": [1, {"a": null}]}, "extra": 1})";
    const json::object answer =
        box().post("/hw_proxy/handshake", body, "application/json").json().as_object();
    EXPECT_EQ(answer.at("id").to_number<int>(), 17);
    EXPECT_EQ(text_at(answer, {"jsonrpc"}), "2.0");
    const HttpAnswer bare = box().post("/hw_proxy/handshake", R"({"params": {}})",
                                       "application/json-rpc; charset=utf-8");
    EXPECT_EQ(bare.status, 200);
    EXPECT_TRUE(bare.json().at("id").is_null());
    EXPECT_EQ(bare.headers.at("Content-Type"), "application/json; charset=utf-8");
}

TEST_F(AnOdooClient, of_the_pos_gets_no_number_but_the_reason_while_the_load_moves) {
    box().simulate("scale", {{"motion", true}});
    const json::object answer = envelope("/hw_proxy/scale_read", {});
    EXPECT_FALSE(answer.contains("result"));
    EXPECT_EQ(text_at(answer, {"error", "data", "message"}),
              "The scale is in motion: wait until the load is at rest.");
    EXPECT_EQ(answer.at("error").at("code").to_number<int>(), 200);
    const json::object status = envelope("/hw_proxy/status_json", {}).at("result").as_object();
    EXPECT_EQ(text_at(status, {"scale", "status"}), "connected")
        << "otherwise it would not ask again";
    EXPECT_THAT(json::serialize(status.at("scale").at("messages")), HasSubstr("in motion"));
}

TEST_F(AnOdooClient, of_the_pos_reads_null_and_sees_no_scale_when_the_cable_is_out) {
    box().simulate("scale", {{"unplugged", true}});
    ASSERT_TRUE(eventually([&] { return !box().device("scale"); }));
    EXPECT_FALSE(envelope("/hw_proxy/scale_read", {}).contains("result"));
    EXPECT_FALSE(envelope("/hw_proxy/scale_read", {}).contains("error"));
    EXPECT_FALSE(envelope("/hw_proxy/status_json", {}).at("result").as_object().contains("scale"));
    box().simulate("scale", {{"unplugged", false}});
    box().wait_for_state("scale", "ready");
    EXPECT_EQ(text_at(envelope("/hw_proxy/status_json", {}).at("result").as_object(),
                      {"scale", "status"}),
              "connected");
}

// ---- CORS ---------------------------------------------------------------------------------------

TEST_F(AnOdooClient,
       in_a_browser_is_let_in_by_the_preflight_of_every_route_also_from_the_public_net) {
    for (const std::string path :
         {"/hw_proxy/hello", "/hw_proxy/handshake", "/hw_proxy/status_json", "/hw_proxy/scale_read",
          "/iot_drivers/action", "/iot_drivers/event", "/iot_drivers/ping", "/iot_drivers/data",
          "/iot_drivers/download_logs", "/hw_drivers/action", "/hw_drivers/event",
          "/hw_drivers/download_logs"}) {
        const HttpAnswer answer =
            box().options(path, {{"Origin", "https://shop.example.com"},
                                 {"Access-Control-Request-Method", "POST"},
                                 {"Access-Control-Request-Headers", "content-type"},
                                 {"Access-Control-Request-Private-Network", "true"}});
        EXPECT_EQ(answer.status, 204) << path;
        EXPECT_EQ(answer.headers.at("Access-Control-Allow-Origin"), "*") << path;
        EXPECT_THAT(answer.headers.at("Access-Control-Allow-Methods"), HasSubstr("POST")) << path;
        EXPECT_THAT(answer.headers.at("Access-Control-Allow-Headers"), HasSubstr("Content-Type"))
            << path;
        EXPECT_EQ(answer.headers.at("Access-Control-Max-Age"), "86400") << path;
        EXPECT_EQ(answer.headers.at("Access-Control-Allow-Private-Network"), "true") << path;
    }
    EXPECT_FALSE(box()
                     .options("/hw_proxy/hello", {{"Origin", "https://a.example"}})
                     .headers.contains("Access-Control-Allow-Private-Network"));
}

TEST_F(AnOdooClient, in_a_browser_can_read_answers_and_errors_but_not_what_is_not_there) {
    // Defect 8: errors without these headers look like a dead network.
    EXPECT_EQ(call("/iot_drivers/action", {}).headers.at("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(call("/hw_proxy/handshake", {}).headers.at("Access-Control-Allow-Origin"), "*");
    const HttpAnswer unknown = call("/iot_drivers/nothing", {});
    EXPECT_EQ(unknown.status, 404);
    EXPECT_FALSE(unknown.headers.contains("Access-Control-Allow-Origin"));
    // The box's own API changes things without a password: no page of another origin may read or
    // write it.
    const HttpAnswer own = box().get("/api/v1/devices", {{"Origin", "https://evil.example"}});
    EXPECT_FALSE(own.headers.contains("Access-Control-Allow-Origin"));
}

// ---- pages with the IoT app ---------------------------------------------------------------------

TEST_F(AnOdooClient, of_19_acts_and_gets_its_event_with_owner_time_and_session) {
    OdooPage page{box(), "u1", {k_scale}};
    page.wait_for(weighs(0.5));
    const json::object answer = envelope(
        "/iot_drivers/action", {{"session_id", "u1"},
                                {"device_identifier", k_scale},
                                {"data", {{"action", "read_once"}, {"action_unique_id", "7f3c"}}}});
    const json::object result = answer.at("result").as_object();
    EXPECT_EQ(text_at(result, {"status"}), "success");
    EXPECT_EQ(number_in(result, "result"), 0.5);
    EXPECT_EQ(text_at(result, {"session_id"}), "u1");

    const json::object event =
        page.wait_for([](const json::object& e) { return text_at(e, {"action"}) == "read_once"; });
    EXPECT_EQ(number_in(event, "result"), 0.5);
    EXPECT_EQ(text_at(event, {"session_id"}), "u1");
    EXPECT_EQ(text_at(event, {"owner"}), "u1");
    EXPECT_EQ(text_at(event, {"device_identifier"}), k_scale);
    EXPECT_EQ(text_at(event, {"status", "status"}), "connected");
    EXPECT_EQ(text_at(event, {"action_args", "action"}), "read_once");
    EXPECT_GT(number_in(event, "time").value_or(0), 1.7e9);
}

TEST_F(AnOdooClient,
       of_17_and_18_sends_data_as_json_text_to_the_old_routes_and_gets_true_or_false) {
    OdooPage page{box(), "old", {k_scale}, "/hw_drivers/event"};
    page.wait_for(weighs(0.5));
    EXPECT_EQ(old_action(k_scale, {{"action", "read_once"}}).at("result"), json::value(true));
    const json::object event =
        page.wait_for([](const json::object& e) { return text_at(e, {"action"}) == "read_once"; });
    EXPECT_EQ(number_in(event, "value"), 0.5) << "its name up to 18";
    EXPECT_EQ(old_action("/dev/ttyUSB7", {{"action", "read_once"}}).at("result"),
              json::value(false));
    weigh(0.75);
    EXPECT_EQ(number_in(page.wait_for(weighs(0.75)), "value"), 0.75);
}

TEST_F(AnOdooClient, of_either_age_gets_false_for_an_unknown_device_and_true_from_the_box_itself) {
    const json::object unknown = box().action("/dev/nothing", {{"action", "read_once"}});
    EXPECT_EQ(unknown.at("result"), json::value(false));
    const std::string identifier =
        text_at(box().get("/iot_drivers/data").json().as_object(), {"identifier"});
    EXPECT_EQ(box().action(identifier, {{"action", "test_protocol"}}).at("result"),
              json::value(true));
    EXPECT_EQ(old_action(identifier, {{"action", "test_protocol"}}).at("result"),
              json::value(true));
}

TEST_F(AnOdooClient, that_asks_for_an_unknown_action_hears_it_at_once_and_in_its_event) {
    OdooPage page{box(), "u1", {k_scale}};
    page.wait_for(weighs(0.5));
    const json::object answer = box().action(k_scale, {{"action", "dance"}}, "u1");
    EXPECT_EQ(text_at(answer, {"result", "status"}), "error");
    EXPECT_THAT(text_at(answer, {"result", "message"}), HasSubstr("knows no action \"dance\""));
    const json::object event =
        page.wait_for([](const json::object& e) { return text_at(e, {"action"}) == "dance"; });
    EXPECT_EQ(text_at(event, {"status", "status"}), "error");
    EXPECT_THAT(text_at(event, {"status", "message_body"}), HasSubstr("knows no action \"dance\""));
    EXPECT_FALSE(number_in(event, "result"));
}

TEST_F(AnOdooClient, that_repeats_an_action_after_a_failover_has_it_run_once) {
    EventRecorder events{box()};
    const json::object data{{"action", "read_once"}, {"action_unique_id", "same"}};
    EXPECT_EQ(text_at(box().action(k_scale, data), {"result", "status"}), "success");
    EXPECT_EQ(text_at(box().action(k_scale, data), {"result", "status"}), "duplicate");
    EXPECT_EQ(old_action(k_scale, data).at("result"), json::value(true));
    // Forgotten after an error, so that a retry works.
    const json::object bad{{"action", "dance"}, {"action_unique_id", "bad"}};
    EXPECT_EQ(text_at(box().action(k_scale, bad), {"result", "status"}), "error");
    EXPECT_EQ(text_at(box().action(k_scale, bad), {"result", "status"}), "error");
    box().action(k_scale, {{"action", "get_status"}});
    events.wait_for([](const auto& e) { return text_at(e, {"action", "name"}) == "get_status"; });
    std::vector<std::string> run;
    for (const auto& event : events.events())
        if (text_at(event, {"kind"}) == "action_result")
            run.push_back(text_at(event, {"action", "name"}));
    EXPECT_THAT(run, testing::ElementsAre("read_once", "dance", "dance", "get_status"));
}

TEST_F(AnOdooClient, that_names_a_device_by_its_type_gets_answers_under_the_type) {
    OdooPage by_type{box(), "by-type", {"scale"}};
    OdooPage by_name{box(), "by-name", {k_scale}};
    by_type.wait_for(weighs(0.5));
    by_name.wait_for(weighs(0.5));
    weigh(0.75);
    // Defect 4: what is written for one listener must not be read by another.
    EXPECT_EQ(text_at(by_type.wait_for(weighs(0.75)), {"device_identifier"}), "scale");
    EXPECT_EQ(text_at(by_name.wait_for(weighs(0.75)), {"device_identifier"}), k_scale);
    EXPECT_EQ(
        text_at(box().action("scale", {{"action", "read_once"}}), {"result", "device_identifier"}),
        k_scale);
    EXPECT_EQ(box().action("printer", {{"action", "cashbox"}}).at("result"), json::value(false));
}

TEST_F(AnOdooClient, that_adds_a_listener_has_its_old_poll_ended_at_once) {
    OdooPage page{box(), "u1", {"printer"}};
    auto cut = std::async(std::launch::async, [&] {
        return call("/iot_drivers/event", {{"listener",
                                            {{"session_id", "u1"},
                                             {"last_event", 0},
                                             {"devices", {{"printer", json::object{}}}}}}});
    });
    ASSERT_TRUE(eventually([&] {
        return box().get("/metrics").body.find("backplane_http_waiting 2") != std::string::npos;
    }));
    OdooPage both{box(), "u1", {"printer", k_scale}};
    auto second = std::async(std::launch::async, [&] { return both.wait_for(weighs(0.625)); });
    const HttpAnswer old = cut.get();
    EXPECT_EQ(old.status, 200);
    EXPECT_FALSE(old.json().as_object().contains("result"));
    weigh(0.625);
    EXPECT_EQ(number_in(second.get(), "result"), 0.625);
}

TEST_F(AnOdooClient,
       is_not_the_only_one_defect_1_all_pages_are_woken_by_every_event_in_the_same_order) {
    constexpr int k_pages = 20;
    constexpr int k_weights = 30;
    EventRecorder events{box()};
    std::vector<std::future<std::vector<double>>> pages;
    for (int i = 0; i < k_pages; ++i)
        pages.push_back(std::async(std::launch::async, [this, i] {
            OdooPage page{box(),
                          "page-" + std::to_string(i),
                          {i % 2 ? k_scale : "scale"},
                          i % 3 ? "/iot_drivers/event" : "/hw_drivers/event"};
            page.wait_for(weighs(0.5));
            page.wait_for(weighs(k_weights / 1000.0), 20s);
            return numbers(page.seen());
        }));
    ASSERT_TRUE(eventually([&] {
        return box()
                   .get("/metrics")
                   .body.find("backplane_http_waiting " + std::to_string(k_pages + 2)) !=
               std::string::npos;
    })) << "all wait, and the stream, and the question";
    std::vector<double> expected{0.5};
    for (int grams = 1; grams <= k_weights; ++grams) {
        weigh(grams / 1000.0);
        events.wait_for([&](const auto& e) { return is_weight(e, k_scale, grams / 1000.0); });
        expected.push_back(grams / 1000.0);
    }
    for (auto& page : pages)
        EXPECT_THAT(page.get(), ElementsAreArray(expected)) << "each once, none missing";
}

TEST_F(AnOdooClient, that_was_between_two_polls_has_missed_nothing_defect_5) {
    OdooPage page{box(), "u1", {k_scale}};
    page.wait_for(weighs(0.5));
    EventRecorder events{box()};
    std::vector<double> expected{0.5};
    for (int grams = 1; grams <= 25; ++grams) {
        weigh(grams / 1000.0);
        events.wait_for([&](const auto& e) { return is_weight(e, k_scale, grams / 1000.0); });
        expected.push_back(grams / 1000.0);
    }
    page.wait_for(weighs(0.025));
    EXPECT_THAT(numbers(page.seen()), ElementsAreArray(expected));
    std::set<double> times;
    for (const auto& event : page.seen())
        EXPECT_TRUE(times.insert(event.at("time").to_number<double>()).second);
}

TEST_F(AnOdooClient, that_is_new_gets_the_last_5_s_and_not_what_is_older) {
    EventRecorder events{box()};
    weigh(0.111);
    const auto at = events.wait_for([&](const auto& e) { return is_weight(e, k_scale, 0.111); })
                        .at("time")
                        .to_number<double>();
    OdooPage early{box(), "early", {k_scale}};
    early.wait_for(weighs(0.111));  // replayed
    // Another event says that more than 5 s have passed since.
    ASSERT_TRUE(eventually(
        [&] {
            box().action(k_scale, {{"action", "stop_reading"}}, "clock");
            const auto all = events.events();
            return all.back().at("time").to_number<double>() > at + 5.5;
        },
        20s));
    OdooPage late{box(), "late", {k_scale}};
    EXPECT_FALSE(late.next(300ms)) << json::serialize(late.seen().back());
    weigh(0.222);
    EXPECT_EQ(number_in(late.next().value_or(json::object{}), "result"), 0.222);
    // A page that has been there before gets all that it has missed, however old.
    EXPECT_EQ(number_in(early.wait_for(weighs(0.222)), "result"), 0.222);
}

TEST_F(AnOdooClient, is_answered_before_it_fails_over_when_the_action_takes_long_defect_6) {
    box().simulate("scale", {{"motion", true}});
    const auto begin = std::chrono::steady_clock::now();
    auto slow = std::async(std::launch::async, [&] {
        return box().action(k_scale, {{"action", "read_once"}}, "u1");
    });
    // Nobody waits for it meanwhile: all these are answered before it is.
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(
            text_at(box().action(k_scale, {{"action", "get_status"}}, "u2"), {"result", "status"}),
            "success");
    EXPECT_EQ(slow.wait_for(0s), std::future_status::timeout);
    const json::object answer = slow.get();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 6s * k_patience);
    EXPECT_FALSE(number_in(answer.at("result").as_object(), "result")) << json::serialize(answer);
}

TEST_F(AnOdooClient, that_reloads_has_a_new_session_and_the_old_one_holds_nothing) {
    for (int round = 0; round < 50; ++round) {
        OdooPage page{box(), "load-" + std::to_string(round), {"printer"}};
        EXPECT_FALSE(page.next(20ms));  // the browser cuts the poll
    }
    EXPECT_TRUE(eventually([&] {
        return box().get("/metrics").body.find("backplane_http_waiting 1\n") != std::string::npos;
    })) << box().get("/metrics").body;
}

// ---- the pages of the box -----------------------------------------------------------------------

TEST_F(AnOdooClient, that_scans_for_boxes_finds_ping_data_and_logs) {
    EXPECT_EQ(text_at(box().get("/iot_drivers/ping").json().as_object(), {"message"}), "pong");
    const json::object data = box().get("/iot_drivers/data").json().as_object();
    ASSERT_TRUE(data.at("devices").as_object().contains("scale"));
    const json::object scale = data.at("devices").at("scale").at(0).as_object();
    EXPECT_EQ(text_at(scale, {"identifier"}), k_scale);
    EXPECT_EQ(text_at(scale, {"type"}), "scale");
    EXPECT_EQ(text_at(scale, {"connection"}), "serial");
    EXPECT_FALSE(text_at(scale, {"name"}).empty());
    EXPECT_THAT(text_at(data, {"version"}), StartsWith("L"));
    EXPECT_EQ(data.at("pairing_code"), json::value(false));
    for (const std::string path : {"/iot_drivers/download_logs", "/hw_drivers/download_logs"}) {
        const HttpAnswer logs = box().get(path);
        EXPECT_EQ(logs.status, 200);
        EXPECT_THAT(logs.headers.at("Content-Disposition"),
                    StartsWith("attachment; filename=\"iot-odoo-"));
        EXPECT_THAT(logs.headers.at("Content-Type"), StartsWith("text/plain"));
        EXPECT_THAT(logs.body, HasSubstr("device.ready"));
    }
}

}  // namespace
}  // namespace backplane::tests
