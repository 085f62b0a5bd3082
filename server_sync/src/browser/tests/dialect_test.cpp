// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/dialect.hpp"

#include "browser/tests/fakes.hpp"

namespace backplane::sync::test {
namespace {

json::object heard(const core::Event& event, std::string_view owner = "") {
    return event_for_listener(event, "/dev/ttyUSB0", "u1", owner);
}
core::Event weight_event(json::object data) {
    return device_event("/dev/ttyUSB0", "scale", "weight", std::move(data));
}

TEST(DialectOfScales, never_passes_on_a_number_that_the_scale_does_not_vouch_for) {
    for (const auto* condition : {"in_motion", "over_capacity", "under_zero", "not_zeroed",
                                  "unreachable", "fault", "new"}) {
        auto data = no_weight(condition, "why");
        for (const auto* name : {"weight", "value", "result"})
            data[name] = 1.5;  // a driver that gets it wrong
        const auto event = heard(weight_event(data));
        for (const auto* name : {"weight", "value", "result"})
            EXPECT_FALSE(event.contains(name)) << condition << name;
        EXPECT_EQ(event.at("stable"), false);
        EXPECT_EQ(event.at("status").at("message_body"), "why") << condition;
        EXPECT_NE(event.at("status").at("message_title"), "") << condition;
    }
}

TEST(DialectOfScales, calls_each_condition_what_a_pos_understands) {
    const std::map<std::string, std::string> expected{{"ok", "connected"},
                                                      {"in_motion", "connecting"},
                                                      {"over_capacity", "error"},
                                                      {"under_zero", "error"},
                                                      {"not_zeroed", "error"},
                                                      {"fault", "error"},
                                                      {"unreachable", "disconnected"}};
    for (const auto& [condition, status] : expected) {
        auto data = condition == "ok" ? weight(1) : no_weight(condition, "");
        EXPECT_EQ(heard(weight_event(data)).at("status").at("status"), json::value(status))
            << condition;
    }
}

TEST(DialectOfScales, says_what_to_do_when_the_driver_does_not) {
    EXPECT_EQ(heard(weight_event(no_weight("over_capacity", ""))).at("status").at("message_body"),
              "Too heavy for this scale: take something off.");
}

TEST(DialectOfScales, takes_an_ok_without_a_number_for_a_fault) {
    for (const json::value& nothing :
         {json::value(nullptr), json::value("1.5"), json::value(json::object{})}) {
        auto data = weight(1);
        data["weight"] = nothing;
        const auto event = heard(weight_event(data));
        EXPECT_EQ(event.at("status").at("status"), "error");
        EXPECT_FALSE(event.contains("result"));
        EXPECT_FALSE(event.contains("weight"));
    }
    EXPECT_EQ(heard(weight_event({})).at("status").at("status"), "error");
}

TEST(DialectOfScales, has_quirk_7_with_value_and_result_and_a_status_object) {
    const auto event = heard(weight_event(weight(0.455)));
    EXPECT_EQ(event.at("value"), 0.455);
    EXPECT_EQ(event.at("result"), 0.455);
    EXPECT_EQ(event.at("status"),
              (json::object{{"status", "connected"}, {"message_title", ""}, {"message_body", ""}}));
    EXPECT_EQ(event.at("unit"), "kg");
    EXPECT_EQ(event.at("net"), false);
}

TEST(DialectOfScales, takes_whole_numbers_too) {
    auto data = weight(0);
    data["weight"] = 2;
    EXPECT_EQ(heard(weight_event(data)).at("result"), 2.0);
}

TEST(DialectOfScales, gives_the_weight_of_an_action_with_its_status_object_and_its_arguments) {
    auto event = action_result("/dev/ttyUSB0", "scale", "u1", "read_once", weight(0.455));
    event.action_data = {{"tag", 5}};
    ASSERT_TRUE(is_for_listeners(event));
    const auto out = heard(event, "u1");
    EXPECT_EQ(out.at("result"), 0.455);
    EXPECT_EQ(out.at("status").at("status"), "connected");
    EXPECT_EQ(out.at("action"), "read_once");
    EXPECT_EQ(out.at("action_args"),
              (json::object{{"action", "read_once"}, {"session_id", "u1"}, {"tag", 5}}));
}

TEST(DialectOfScales, does_not_claim_to_be_connected_for_an_action_that_brought_no_number) {
    EXPECT_FALSE(
        is_for_listeners(action_result("/dev/ttyUSB0", "scale", "u1", "start_reading", nullptr)));
}

TEST(DialectOfScales, gives_the_reason_of_an_action_that_failed) {
    auto event = action_result("/dev/ttyUSB0", "scale", "u1", "zero", nullptr);
    event.action_status = "error";
    event.action_message = "The scale is in motion.";
    ASSERT_TRUE(is_for_listeners(event));
    EXPECT_EQ(heard(event).at("status").at("status"), "error");
    EXPECT_EQ(heard(event).at("status").at("message_body"), "The scale is in motion.");
    EXPECT_FALSE(heard(event).contains("result"));
}

TEST(DialectOfScales, tells_of_a_scale_that_has_gone_and_of_no_other_state) {
    auto event = device_event("/dev/ttyUSB0", "scale", "state",
                              {{"state", "unreachable"}, {"reason", "no answer"}});
    event.kind = core::Event::Kind::device_state;
    ASSERT_TRUE(is_for_listeners(event));
    EXPECT_EQ(heard(event).at("status").at("status"), "disconnected");
    EXPECT_EQ(heard(event).at("status").at("message_body"), "no answer");
    event.data["state"] = "ready";
    EXPECT_FALSE(is_for_listeners(event));
    event.data["state"] = "unreachable";
    event.device_type = "printer";
    EXPECT_FALSE(is_for_listeners(event));
}

TEST(DialectOfDevices, tells_of_a_restart_of_the_box_and_of_nothing_else_that_happens_to_it) {
    core::Event event;
    event.kind = core::Event::Kind::box;
    event.name = "restart";
    event.data = {{"status", "success"}};
    EXPECT_TRUE(is_for_listeners(event));
    for (const char* name : {"update", "plugins", ""}) {
        event.name = name;
        EXPECT_FALSE(is_for_listeners(event)) << name;
    }
}

TEST(DialectOfDevices, fills_in_value_and_result_where_they_are_missing) {
    const auto key = heard(device_event("k", "keyboard", "key", {{"value", "a"}}));
    EXPECT_EQ(key.at("value"), "a");
    EXPECT_EQ(key.at("result"), "");
    EXPECT_EQ(key.size(), 5u) << "value, result, device_identifier, time, session_id";
    EXPECT_EQ(heard(device_event("d", "device", "measure", {{"result", 5}})).at("value"), "");
}

TEST(DialectOfDevices, does_not_let_a_driver_speak_for_another_device_or_session) {
    auto event = device_event(
        "k", "keyboard", "key",
        {{"device_identifier", "x"}, {"session_id", "x"}, {"time", 1}, {"owner", "x"}});
    event.time = 5;
    const auto out = heard(event);
    EXPECT_EQ(out.at("device_identifier"), "/dev/ttyUSB0");
    EXPECT_EQ(out.at("session_id"), "u1");
    EXPECT_EQ(out.at("time"), 5.0);
}

TEST(DialectOfDevices, gives_the_result_of_an_action_and_its_reason_when_it_failed) {
    auto event = action_result("d", "device", "u2", "measure", 0.123);
    auto out = heard(event, "u2");
    EXPECT_EQ(out.at("status"), "success");
    EXPECT_EQ(out.at("result"), 0.123);
    EXPECT_EQ(out.at("value"), "");
    EXPECT_FALSE(out.contains("message"));
    event.action_status = "error";
    event.action_message = "the caliper is switched off";
    out = heard(event, "u2");
    EXPECT_EQ(out.at("status"), "error");
    EXPECT_EQ(out.at("result"), "the caliper is switched off");
    EXPECT_EQ(out.at("message"), "the caliper is switched off");
}

TEST(DialectOfDevices, gives_a_picture_as_base64) {
    auto event = device_event("cam", "camera", "picture", {});
    event.payload = std::make_shared<const std::vector<std::uint8_t>>(
        std::vector<std::uint8_t>{0xff, 0xd8, 0xff});
    EXPECT_EQ(heard(event).at("result"), (json::object{{"image", "/9j/"}}));
}

TEST(Defect12, documents_are_not_echoed_in_action_args) {
    auto event = action_result("d", "device", "u1", "show", nullptr);
    const std::string page(1025, 'x');
    event.action_data = {{"document", page},
                         {"short", std::string(1024, 'y')},
                         {"nested", json::object{{"page", page}, {"n", 1}}},
                         {"list", json::array{page, 2}}};
    const auto args = heard(event).at("action_args").as_object();
    EXPECT_FALSE(args.contains("document"));
    EXPECT_TRUE(args.contains("short"));
    EXPECT_EQ(args.at("nested"), (json::object{{"n", 1}}));
    EXPECT_EQ(args.at("list"), (json::array{2}));
}

TEST(Quirk8, a_finished_action_of_a_printer_or_a_payment_terminal_is_no_event) {
    for (const auto* type : {"printer", "payment"}) {
        auto event = action_result("p", type, "u1", "print_receipt", nullptr);
        EXPECT_FALSE(is_for_listeners(event)) << type;
        event.action_status = "error";
        EXPECT_FALSE(is_for_listeners(event)) << type;
        EXPECT_TRUE(is_for_listeners(device_event("p", type, "status", {{"status", "success"}})))
            << type;
    }
}

}  // namespace
}  // namespace backplane::sync::test
