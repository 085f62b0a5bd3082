// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/action_route.hpp"

#include "browser/tests/fakes.hpp"

namespace backplane::sync::test {
namespace {

using Status = core::ActionOutcome::Status;
using ::testing::HasSubstr;

class TheActionRoute : public ABrowserBox {
protected:
    TheActionRoute() {
        devices.add("printer1", "printer");
        devices.add("/dev/ttyUSB0", "scale", "serial");
        devices.add("cam", "camera");
    }
};

using Defect6 = TheActionRoute;
TEST_F(Defect6, a_device_that_hangs_does_not_hold_the_request_longer_than_the_client_waits) {
    // Odoo ran the action inside the request; after 6 s the client failed over and sent the same
    // action again.
    const auto modern = action("u1", "cam", json::object{{"action", ""}});
    const auto legacy = action("u1", "cam", R"({"action":""})");
    advance(4999ms);
    EXPECT_FALSE(modern->answered());
    advance(1ms);
    EXPECT_EQ(modern->result().at("status"), "success");
    EXPECT_EQ(modern->result().at("result"), "pending");
    EXPECT_EQ(legacy->result(), json::value(true));
    devices.succeed();  // too late for the answer, and no second one
    devices.succeed();
    EXPECT_EQ(modern->answers, 1);
}

TEST_F(Defect6, a_device_that_hangs_does_not_keep_another_one_waiting) {
    const auto hanging = action("u1", "cam", json::object{{"action", ""}});
    const auto other = action("u1", "/dev/ttyUSB0", json::object{{"action", "read_once"}});
    ASSERT_EQ(devices.asked.size(), 2u);
    std::swap(devices.asked[0], devices.asked[1]);
    devices.succeed(weight(1.5));
    EXPECT_TRUE(other->answered());
    EXPECT_FALSE(hanging->answered());
}

using Defect7 = TheActionRoute;
TEST_F(Defect7, waiting_polls_hear_of_the_restart_before_it_happens) {
    const auto waiting = poll("u1", {box.identifier});
    const auto stranger = poll("u2", {"cam"});
    const auto answer = action("u1", box.identifier, json::object{{"action", "restart_odoo"}});
    EXPECT_EQ(waiting->result(), (json::object{{"status", "success"},
                                               {"owner", "u1"},
                                               {"device_identifier", box.identifier},
                                               {"time", time_of(waiting)},
                                               {"session_id", "u1"}}));
    EXPECT_FALSE(answer->has_result());
    EXPECT_FALSE(stranger->answered());
    advance(1999ms);
    EXPECT_EQ(restarts, 0);
    advance(1ms);
    EXPECT_EQ(restarts, 1);
}

TEST_F(Defect7, asking_twice_restarts_once) {
    action("u1", box.identifier, R"({"action":"restart_odoo"})");
    advance(1s);
    action("u2", box.identifier, R"({"action":"restart_odoo"})");
    advance(10s);
    EXPECT_EQ(restarts, 1);
}

TEST_F(TheActionRoute, answers_a_protocol_test_of_the_box_itself_with_true) {
    EXPECT_EQ(action("u1", box.identifier, json::object{{"action", "test_protocol"}})->result(),
              json::value(true));
    EXPECT_EQ(action("u1", box.identifier, json::object{})->result(), json::value(true));
    EXPECT_EQ(restarts, 0);
}

using Quirk9 = TheActionRoute;
TEST_F(Quirk9, an_unknown_device_is_false_for_every_client) {
    devices.add("usb_x", "unsupported").state = core::DeviceState::unsupported;
    devices.add("old", "camera").state = core::DeviceState::gone;
    for (const auto* name : {"nobody", "usb_x", "old", "caliper"}) {
        EXPECT_EQ(action("u1", name, json::object{{"action", "x"}})->result(), json::value(false))
            << name;
        EXPECT_EQ(action("u1", name, R"({"action":"x"})")->result(), json::value(false)) << name;
    }
    EXPECT_TRUE(devices.asked.empty());
}

TEST_F(Quirk9, clients_that_send_data_as_text_get_true_whatever_happened_inside) {
    for (const auto status : {Status::success, Status::error, Status::duplicate}) {
        const auto answer = action("u1", "cam", R"({"action":"x"})");
        devices.fail(status, "x", "failed");
        EXPECT_EQ(answer->result(), json::value(true));
    }
    const auto answer = action("u1", "cam", R"({"action":"x"})");
    devices.fail(Status::disconnected, "device.gone", "unplugged");
    EXPECT_EQ(answer->result(), json::value(false));
}

TEST_F(Quirk9, clients_that_send_an_object_get_an_object_that_is_true_in_their_eyes) {
    const auto answer = action("u1", "cam", json::object{{"action", "x"}});
    devices.succeed(json::object{{"image", "/9j/"}});
    const auto result = answer->result();
    EXPECT_GT(result.at("time").as_double(), 1.7e9);
    EXPECT_EQ(result, (json::object{{"status", "success"},
                                    {"result", json::object{{"image", "/9j/"}}},
                                    {"session_id", "u1"},
                                    {"owner", "u1"},
                                    {"iot_box_identifier", box.identifier},
                                    {"device_identifier", "cam"},
                                    {"time", result.at("time")}}));
}

TEST_F(Quirk9, the_object_says_why_an_action_failed) {
    auto answer = action("u1", "cam", json::object{{"action", "x"}});
    devices.fail(Status::error, "driver.IO", "the camera has no picture: check its cable");
    EXPECT_EQ(answer->result().at("status"), "error");
    EXPECT_EQ(answer->result().at("result"), "the camera has no picture: check its cable");
    EXPECT_EQ(answer->result().at("message"), "the camera has no picture: check its cable");

    answer = action("u1", "cam", json::object{{"action", "x"}});
    devices.fail(Status::error, "driver.IO", "");
    EXPECT_EQ(answer->result().at("message"), "The device could not do this (driver.IO).");

    answer = action("u1", "cam", json::object{{"action", "x"}});
    devices.fail(Status::disconnected, "device.gone", "the camera was unplugged");
    EXPECT_EQ(answer->result().at("status"), "disconnected");
    EXPECT_EQ(answer->result().at("message"), "the camera was unplugged");
}

TEST_F(Quirk9, printers_and_terminals_are_pending_until_their_event_comes) {
    devices.add("term", "payment");
    for (const auto* name : {"printer1", "term"}) {
        const auto answer = action("u1", name, json::object{{"action", "x"}});
        devices.succeed();
        EXPECT_EQ(answer->result().at("status"), "success") << name;
        EXPECT_EQ(answer->result().at("result"), "pending") << name;
    }
}

using Quirk10 = TheActionRoute;
TEST_F(Quirk10, an_id_is_handed_to_the_device_and_its_duplicate_is_told_by_name) {
    const json::object data{
        {"action", "print_receipt"}, {"action_unique_id", "7f3c"}, {"receipt", "/9j/4AAQ"}};
    const auto first = action("u1", "printer1", data);
    EXPECT_EQ(devices.asked.front().request.unique_id, "7f3c");
    devices.succeed();
    const auto second = action("u1", "printer1", data);
    const auto third = action("u1", "printer1", json::value(json::serialize(data)));
    devices.fail(Status::duplicate, "", "this action was run before");
    devices.fail(Status::duplicate, "", "this action was run before");
    EXPECT_EQ(second->result().at("status"), "duplicate");
    EXPECT_EQ(third->result(), json::value(true));
}

TEST_F(TheActionRoute, hands_the_device_what_is_its_own) {
    action("u1", "cam",
           json::object{
               {"action", "shoot"}, {"session_id", "x"}, {"action_unique_id", 7}, {"width", 640}});
    const auto& request = devices.asked.front().request;
    EXPECT_EQ(request.device, "cam");
    EXPECT_EQ(request.name, "shoot");
    EXPECT_EQ(request.session, "u1");
    EXPECT_EQ(request.unique_id, "7");
    EXPECT_EQ(request.data, (json::object{{"width", 640}}));
    EXPECT_TRUE(request.payload.empty());
}

TEST_F(TheActionRoute, hands_a_printer_its_document_as_bytes) {
    action("u1", "printer1", R"({"action":"print_receipt","receipt":"/9j/4AAQ","copies":2})");
    const auto& request = devices.asked.front().request;
    EXPECT_EQ(request.payload, (std::vector<std::uint8_t>{0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10}));
    EXPECT_EQ(request.data, (json::object{{"copies", 2}}));
    EXPECT_EQ(request.name, "print_receipt");
}

TEST_F(TheActionRoute, prints_nothing_when_a_document_is_damaged) {
    const auto answer = action("u1", "printer1", json::object{{"document", "/9j/4"}});
    EXPECT_THAT(answer->error_text(),
                HasSubstr("the member \"document\" is not base64: nothing was printed"));
    EXPECT_TRUE(devices.asked.empty());
}

TEST_F(TheActionRoute, leaves_a_member_of_that_name_alone_for_other_devices) {
    action("u1", "cam", json::object{{"receipt", "no base64!"}});
    EXPECT_EQ(devices.asked.front().request.data, (json::object{{"receipt", "no base64!"}}));
}

TEST_F(TheActionRoute, gives_a_customer_with_a_card_more_time_than_a_scale) {
    devices.add("term", "payment");
    action("u1", "term", json::object{});
    action("u1", "/dev/ttyUSB0", json::object{});
    EXPECT_GE(devices.asked[0].request.deadline, 120s);
    EXPECT_LE(devices.asked[1].request.deadline, 10s);
}

TEST_F(TheActionRoute, has_quirk_5_and_takes_a_type_for_its_first_device) {
    devices.add("/dev/ttyUSB1", "scale", "serial");
    const auto answer = action("u1", "scale", json::object{{"action", "read_once"}});
    EXPECT_EQ(devices.asked.front().request.device, "/dev/ttyUSB0");
    devices.succeed(weight(0.455));
    EXPECT_EQ(answer->result().at("device_identifier"), "/dev/ttyUSB0");
    EXPECT_EQ(answer->result().at("result"), 0.455);
}

TEST_F(TheActionRoute, gives_no_number_for_a_scale_that_has_none) {
    auto answer = action("u1", "scale", json::object{{"action", "read_once"}});
    devices.succeed(no_weight("in_motion", "wait"));
    EXPECT_EQ(answer->result().at("status"), "success");
    EXPECT_EQ(answer->result().at("result"), "pending");
    answer = action("u1", "scale", json::object{{"action", "read_once"}});
    devices.succeed(no_weight("over_capacity", "Too heavy."));
    EXPECT_EQ(answer->result().at("status"), "error");
    EXPECT_EQ(answer->result().at("message"), "Too heavy.");
}

TEST_F(TheActionRoute, goes_on_with_the_action_when_the_client_hangs_up) {
    const auto page = action("u1", "printer1", json::object{{"action", "cashbox"}});
    page->hang_up();
    EXPECT_EQ(page.use_count(), 1);
    EXPECT_EQ(clock.running(), 0u);
    devices.succeed();
    EXPECT_FALSE(page->answered());
}

TEST_F(TheActionRoute, survives_an_action_that_ends_after_the_routes_have_gone) {
    const auto page = action("u1", "cam", json::object{});
    routes.reset();
    devices.succeed();
    page->hang_up();
    EXPECT_FALSE(page->answered()) << "dropped: the server answers 500";
}

TEST_F(TheActionRoute, needs_no_session) {
    const auto answer =
        rpc("/iot_drivers/action",
            {{"device_identifier", "cam"}, {"data", json::object{}}, {"session_id", nullptr}});
    devices.succeed(1);
    EXPECT_EQ(answer->result().at("session_id"), "");
}

TEST_F(TheActionRoute, has_quirk_22_with_its_old_name_and_data_as_text) {
    const auto answer =
        rpc("/hw_drivers/action",
            {{"session_id", "u1"}, {"device_identifier", "cam"}, {"data", R"({"action":"x"})"}});
    devices.succeed();
    EXPECT_EQ(answer->result(), json::value(true));
}

TEST_F(TheActionRoute, says_what_is_wrong_with_its_parameters) {
    const std::string deep(40, '[');
    const std::vector<std::pair<json::object, std::string>> cases{
        {{{"data", json::object{}}}, "the parameter \"device_identifier\" is missing"},
        {{{"device_identifier", 5}, {"data", json::object{}}},
         "\"device_identifier\" must be a text"},
        {{{"device_identifier", "cam"}}, "the parameter \"data\" is missing"},
        {{{"device_identifier", "cam"}, {"data", 5}},
         "\"data\" must be an object or the JSON text of one"},
        {{{"device_identifier", "cam"}, {"data", nullptr}}, "\"data\" must be an object"},
        {{{"device_identifier", "cam"}, {"data", "{"}},
         "in the parameter \"data\", the JSON document cannot be read"},
        {{{"device_identifier", "cam"}, {"data", ""}}, "the JSON document cannot be read"},
        {{{"device_identifier", "cam"}, {"data", deep}}, "the JSON document cannot be read"},
        {{{"device_identifier", "cam"}, {"data", "[1]"}}, "must be the JSON text of an object"},
        {{{"device_identifier", "cam"}, {"data", json::object{{"action", json::array{}}}}},
         "\"action\" must be a text"},
        {{{"device_identifier", "cam"},
          {"data", json::object{{"action_unique_id", std::string(300, 'x')}}}},
         "\"action_unique_id\" is longer than 256 bytes"},
        {{{"device_identifier", "cam"}, {"data", json::object{}}, {"session_id", json::array{}}},
         "\"session_id\" must be a text"},
    };
    for (const auto& [params, text] : cases)
        EXPECT_THAT(rpc("/iot_drivers/action", params)->error_text(), HasSubstr(text))
            << json::serialize(params);
    EXPECT_TRUE(devices.asked.empty());
}

}  // namespace
}  // namespace backplane::sync::test
