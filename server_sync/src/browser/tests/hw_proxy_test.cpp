// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/hw_proxy.hpp"

#include "browser/tests/fakes.hpp"

namespace backplane::sync::test {
namespace {

using Status = core::ActionOutcome::Status;
using ::testing::HasSubstr;

class AScaleBehindTheProxy : public ABrowserBox {
protected:
    AScaleBehindTheProxy() { devices.add("/dev/ttyUSB0", "scale", "serial"); }
    FakeExchangePtr read() { return rpc("/hw_proxy/scale_read", {}); }
    core::DeviceInfo& scale() { return devices.devices.front(); }
};

TEST_F(AScaleBehindTheProxy, is_asked_for_each_reading_and_never_answers_with_an_old_one) {
    scale().last_event_name = "weight";
    scale().last_event = weight(9.999);
    const auto answer = read();
    EXPECT_FALSE(answer->answered());
    ASSERT_EQ(devices.asked.size(), 1u);
    EXPECT_EQ(devices.asked.front().request.name, "read_once");
    EXPECT_EQ(devices.asked.front().request.device, "/dev/ttyUSB0");
    devices.succeed(weight(0.455));
    EXPECT_EQ(answer->result(), (json::object{{"weight", 0.455}}));
    EXPECT_EQ(clock.running(), 0u);
}

TEST_F(AScaleBehindTheProxy, gives_a_zero_that_it_vouches_for) {
    const auto answer = read();
    devices.succeed(weight(0));
    EXPECT_EQ(answer->result(), (json::object{{"weight", 0.0}}));
}

TEST_F(AScaleBehindTheProxy, is_asked_again_while_the_load_moves_until_it_is_at_rest) {
    const auto answer = read();
    for (int i = 0; i < 5; ++i) {
        devices.succeed(no_weight("in_motion", "wait"));
        EXPECT_FALSE(answer->answered());
        EXPECT_TRUE(devices.asked.empty());
        advance(HwProxy::k_scale_again);
        ASSERT_EQ(devices.asked.size(), 1u);
    }
    devices.succeed(weight(1.25));
    EXPECT_EQ(answer->result(), (json::object{{"weight", 1.25}}));
}

TEST_F(AScaleBehindTheProxy, says_so_when_the_load_moves_for_longer_than_3_s) {
    const auto answer = read();
    int asked = 0;
    while (!answer->answered() && asked < 100) {
        if (!devices.asked.empty()) {
            devices.succeed(no_weight("in_motion", "The scale is in motion: wait."));
            ++asked;
        }
        advance(HwProxy::k_scale_again);
    }
    EXPECT_EQ(answer->error_text(), "The scale is in motion: wait.");
    EXPECT_EQ(answer->envelope().at("error").at("message"), "The scale is in motion: wait.");
    EXPECT_EQ(asked, 20);
    EXPECT_EQ(clock.running(), 0u);
}

TEST_F(AScaleBehindTheProxy, gives_the_advice_of_each_condition_as_an_error) {
    for (const auto* condition :
         {"over_capacity", "under_zero", "not_zeroed", "unreachable", "fault"}) {
        const auto answer = read();
        auto reading = no_weight(condition, std::string("advice for ") + condition);
        reading["weight"] = 3.3;  // must not get through
        devices.succeed(reading);
        EXPECT_EQ(answer->error_text(), std::string("advice for ") + condition);
    }
}

TEST_F(AScaleBehindTheProxy, gives_no_number_of_an_action_that_failed) {
    const auto answer = read();
    core::ActionOutcome outcome;
    outcome.status = Status::error;
    outcome.result = weight(2);
    outcome.message = "the port was closed";
    devices.end(outcome);
    EXPECT_EQ(answer->error_text(), "the port was closed");
}

TEST_F(AScaleBehindTheProxy, gives_no_number_that_comes_without_a_condition) {
    for (const json::value& odd :
         {json::value(1.5), json::value(nullptr), json::value(json::object{{"weight", 1.5}})}) {
        const auto answer = read();
        devices.succeed(odd);
        EXPECT_THAT(answer->error_text(), HasSubstr("cannot be understood"));
    }
}

TEST_F(AScaleBehindTheProxy, is_an_error_when_it_was_unplugged_during_the_reading) {
    const auto answer = read();
    devices.fail(Status::disconnected, "device.gone", "The scale was unplugged.");
    EXPECT_EQ(answer->error_text(), "The scale was unplugged.");
}

TEST_F(AScaleBehindTheProxy, is_an_error_after_3_s_when_it_does_not_answer_at_all) {
    const auto answer = read();
    advance(2999ms);
    EXPECT_FALSE(answer->answered());
    advance(1ms);
    EXPECT_THAT(answer->error_text(),
                HasSubstr("has not answered in time: check that it is switched on"));
    devices.succeed(weight(1));  // too late
    EXPECT_EQ(answer->answers, 1);
}

TEST_F(AScaleBehindTheProxy, is_an_error_with_the_reason_when_it_is_not_ready) {
    scale().state = core::DeviceState::unreachable;
    scale().reason = "no answer on /dev/ttyUSB0";
    EXPECT_EQ(
        read()->error_text(),
        "The scale does not answer: check that it is switched on and its cable is plugged in. "
        "(no answer on /dev/ttyUSB0)");
    scale().state = core::DeviceState::opening;
    scale().reason.clear();
    EXPECT_EQ(read()->error_text(), "The scale is being connected: try again in a moment.");
    EXPECT_TRUE(devices.asked.empty());
}

TEST_F(AScaleBehindTheProxy, is_not_asked_any_more_for_a_client_that_has_gone) {
    const auto answer = read();
    devices.succeed(no_weight("in_motion", "wait"));
    answer->hang_up();
    advance(5s);
    EXPECT_TRUE(devices.asked.empty());
    EXPECT_EQ(clock.running(), 0u);
    EXPECT_EQ(answer.use_count(), 1);
}

TEST_F(AScaleBehindTheProxy, answers_each_of_several_clients_with_a_reading_of_its_own) {
    const auto first = read();
    const auto second = read();
    devices.succeed(weight(1));
    devices.succeed(weight(2));
    EXPECT_EQ(first->result(), (json::object{{"weight", 1.0}}));
    EXPECT_EQ(second->result(), (json::object{{"weight", 2.0}}));
}

class TheProxy : public ABrowserBox {
protected:
    json::object status() { return rpc("/hw_proxy/status_json", {})->result().as_object(); }
};

TEST_F(TheProxy, has_no_weight_when_there_is_no_scale) {
    EXPECT_FALSE(rpc("/hw_proxy/scale_read", {})->has_result());
}

TEST_F(TheProxy, has_quirk_19_and_shakes_hands) {
    EXPECT_EQ(rpc("/hw_proxy/handshake", {{"anything", 1}})->result(), json::value(true));
}

TEST_F(TheProxy, tells_of_a_scale_only_when_there_is_one) {
    EXPECT_EQ(
        status(),
        (json::object{{"printer", json::object{{"status", "disconnected"}, {"messages", ""}}},
                      {"scanner", json::object{{"status", "disconnected"}, {"messages", ""}}}}));
}

TEST_F(TheProxy, counts_printers_with_a_cable_of_their_own_only) {
    devices.add("net", "printer", "network");
    EXPECT_EQ(status().at("printer").at("status"), "disconnected");
    devices.add("usb", "printer", "direct").state = core::DeviceState::unreachable;
    EXPECT_EQ(status().at("printer").at("status"), "disconnected");
    devices.devices.back().state = core::DeviceState::ready;
    devices.add("s", "scanner");
    EXPECT_EQ(status().at("printer").at("status"), "connected");
    EXPECT_EQ(status().at("scanner").at("status"), "connected");
}

TEST_F(TheProxy, calls_an_overloaded_scale_connected_so_that_the_pos_goes_on_asking_it) {
    auto& scale = devices.add("/dev/ttyUSB0", "scale", "serial");
    EXPECT_EQ(status().at("scale"),
              (json::object{{"status", "connected"}, {"messages", json::array{}}}));
    scale.last_event_name = "weight";
    scale.last_event = no_weight("over_capacity", "Too heavy.");
    EXPECT_EQ(status().at("scale"),
              (json::object{{"status", "connected"}, {"messages", json::array{"Too heavy."}}}));
    scale.last_event = weight(1);
    EXPECT_EQ(status().at("scale").at("messages"), json::array{});
}

TEST_F(TheProxy, translates_the_states_of_a_scale) {
    auto& scale = devices.add("/dev/ttyUSB0", "scale", "serial");
    scale.reason = "why";
    using State = core::DeviceState;
    const std::vector<std::pair<State, std::string>> cases{
        {State::discovered, "connecting"}, {State::probing, "connecting"},
        {State::opening, "connecting"},    {State::quiescing, "connecting"},
        {State::ready, "connected"},       {State::unreachable, "disconnected"},
        {State::gone, "disconnected"}};
    for (const auto& [state, expected] : cases) {
        scale.state = state;
        EXPECT_EQ(status().at("scale").at("status"), json::value(expected))
            << static_cast<int>(state);
        EXPECT_EQ(status().at("scale").at("messages"),
                  state == State::ready ? json::array{} : json::array{"why"});
    }
}

TEST_F(TheProxy, says_ping_to_get_and_head_with_cors) {
    for (const auto method : {core::HttpMethod::get, core::HttpMethod::head}) {
        const auto answer = send(request(method, "/hw_proxy/hello"));
        EXPECT_EQ(answer->response().status, 200u);
        EXPECT_EQ(answer->response().body, "ping");
        EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "*");
        EXPECT_EQ(answer->header("Access-Control-Allow-Methods"), "GET, POST");
    }
}

}  // namespace
}  // namespace backplane::sync::test
