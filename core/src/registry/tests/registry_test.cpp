// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry_fixture.hpp"

namespace backplane::core {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TEST_F(ARegistry, gives_the_device_to_the_next_driver_when_one_crashes_while_probing) {
    begin();
    plug();
    toledo().come_up();
    until([&] { return toledo().was_asked("probe"); });
    toledo().crash("killed by SIGSEGV in probe()");
    generic().come_up();
    until([&] { return generic().was_asked("probe"); });
    EXPECT_TRUE(generic().device_was_open);
}

TEST_F(ARegistry, starts_a_crashed_driver_again_without_a_new_probe) {
    begin();
    plug_ready_scale();
    toledo().crash("killed by SIGKILL");
    EXPECT_EQ(device().state, DeviceState::opening);
    EXPECT_THAT(device().reason, HasSubstr("killed by SIGKILL"));
    toledo().calls.clear();
    toledo().come_up();
    EXPECT_TRUE(toledo().was_asked("start"));
    EXPECT_FALSE(toledo().was_asked("probe"));
    EXPECT_TRUE(toledo().device_was_open);
}

TEST_F(ARegistry,
       fails_the_running_action_when_its_driver_crashes_and_says_that_nobody_knows_what_happened) {
    begin();
    plug_ready_scale();
    std::optional<ActionOutcome> result;
    ask("read_once", result);
    EXPECT_TRUE(toledo().was_asked("begin read_once"));
    toledo().crash("killed by SIGSEGV");
    until([&] { return result.has_value(); });
    EXPECT_EQ(result->status, ActionOutcome::Status::error);
    EXPECT_THAT(result->message, HasSubstr("may or may not have happened"));
}

TEST_F(ARegistry, holds_an_action_while_the_driver_is_started_again) {
    begin();
    plug_ready_scale();
    toledo().crash("killed by SIGSEGV");
    std::optional<ActionOutcome> result;
    ask("read_once", result);
    toledo().come_up();
    EXPECT_FALSE(toledo().was_asked("begin read_once"));
    toledo().listener.instance_started(toledo().last_instance, {});
    EXPECT_TRUE(toledo().was_asked("begin read_once"));
    toledo().listener.action_ended(toledo().last_instance, toledo().last_action,
                                   {.success = true, .result = 1.5, .message = {}, .code = {}});
    until([&] { return result.has_value(); });
    EXPECT_EQ(result->result, 1.5);
}

TEST_F(ARegistry, lists_a_device_whose_drivers_were_all_put_aside_as_unsupported_with_the_reason) {
    begin();
    plug_ready_scale();
    toledo().be_put_aside("crashed 5 times within a minute");
    generic().come_up();
    until([&] { return generic().was_asked("probe"); });
    generic().listener.instance_probed(generic().last_instance, false, "it is no generic scale");
    EXPECT_EQ(device().state, DeviceState::unsupported);
    EXPECT_THAT(device().reason, HasSubstr("it is no generic scale"));
    EXPECT_EQ(registry->plugins()[2].state, "put_aside");
    EXPECT_THAT(registry->plugins()[2].reason, HasSubstr("crashed 5 times"));
}

TEST_F(ARegistry, never_writes_to_a_port_on_the_no_probe_list) {
    begin();
    auto descriptor = port("/dev/ttyAMA10", "ama10");
    descriptor["no_probe"] = true;
    serial().listener.device_added(serial().last_instance, std::move(descriptor), Fd{});
    EXPECT_EQ(device("/dev/ttyAMA10").state, DeviceState::unsupported);
    EXPECT_THAT(device("/dev/ttyAMA10").reason, HasSubstr("no-probe list"));
    EXPECT_TRUE(toledo().calls.empty());
    EXPECT_TRUE(generic().calls.empty());
}

TEST_F(ARegistry, starts_the_driver_that_the_user_has_pinned_without_a_probe) {
    setup.config.devices["usb-A"] = {
        .name = "Counter 1", .driver = "generic", .ignored = false, .origin = {}};
    begin();
    plug();
    generic().come_up();
    until([&] { return generic().was_asked("start"); });
    EXPECT_FALSE(generic().was_asked("probe"));
    EXPECT_TRUE(toledo().calls.empty());
    EXPECT_EQ(device().name, "Counter 1");
}

TEST_F(ARegistry, leaves_an_ignored_device_alone) {
    setup.config.devices["/dev/ttyUSB0"] = {
        .name = {}, .driver = {}, .ignored = true, .origin = {}};
    begin();
    plug();
    EXPECT_THAT(registry->list(), SizeIs(0));
    EXPECT_TRUE(toledo().calls.empty());
}

TEST_F(ARegistry, asks_an_unknown_device_again_later) {
    begin();
    for (int round = 0; round < 2; ++round) {
        toledo().calls.clear();
        generic().calls.clear();
        if (round == 0) plug();
        until([&] { return toledo().was_asked("run"); });
        toledo().come_up();
        until([&] { return toledo().was_asked("probe"); });
        toledo().listener.instance_probed(toledo().last_instance, false, "no echo");
        generic().come_up();
        until([&] { return generic().was_asked("probe"); });
        generic().listener.instance_probed(generic().last_instance, false, "silence");
        EXPECT_EQ(device().state, DeviceState::unsupported);
        EXPECT_EQ(device().type, "unsupported");
    }
}

TEST_F(ARegistry, opens_the_device_anew_when_its_driver_has_lost_it) {
    begin();
    plug_ready_scale();
    toledo().listener.device_reported(toledo().last_instance, Report::lost, "the port hung up");
    EXPECT_EQ(device().state, DeviceState::unreachable);
    const InstanceId old = toledo().last_instance;
    toledo().calls.clear();
    toledo().listener.instance_stopped(old);
    until([&] { return toledo().was_asked("start"); });
    EXPECT_TRUE(toledo().device_was_open);
    EXPECT_NE(toledo().last_instance, old);
}

TEST_F(ARegistry, waits_longer_each_time_for_a_driver_whose_start_always_fails) {
    setup.times.restart_most = 10min;
    setup.times.reopen_first = 60ms;
    begin();
    plug();
    toledo().come_up();
    until([&] { return toledo().was_asked("probe"); });
    toledo().listener.instance_probed(toledo().last_instance, true, "it echoed");
    toledo().listener.instance_started(toledo().last_instance,
                                       failure("plugin.IO", "the scale speaks no known dialect"));
    EXPECT_EQ(device().state, DeviceState::unreachable);
    EXPECT_THAT(device().reason, HasSubstr("no known dialect"));
    auto last = 0ms;
    for (int round = 0; round < 3; ++round) {
        toledo().calls.clear();
        const auto begun = std::chrono::steady_clock::now();
        until([&] { return toledo().was_asked("start"); });
        const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - begun);
        EXPECT_GT(waited, last);
        last = waited;
        toledo().listener.instance_started(
            toledo().last_instance, failure("plugin.IO", "the scale speaks no known dialect"));
    }
}

TEST_F(ARegistry, forgets_an_unplugged_device_once_its_driver_has_let_go_of_it) {
    begin();
    plug_ready_scale();
    std::optional<ActionOutcome> result;
    ask("read_once", result);
    unplug();
    until([&] { return result.has_value(); });
    EXPECT_EQ(result->status, ActionOutcome::Status::disconnected);
    EXPECT_THAT(registry->list(), SizeIs(1));
    toledo().listener.instance_stopped(toledo().last_instance);
    EXPECT_THAT(registry->list(), SizeIs(0));
    until([&] { return toledo().was_asked("shut_down"); });
}

TEST_F(ARegistry, takes_a_device_back_that_is_plugged_again_before_its_driver_has_let_go) {
    begin();
    plug_ready_scale();
    unplug();
    plug();
    EXPECT_EQ(device().state, DeviceState::quiescing);
    toledo().calls.clear();
    toledo().listener.instance_stopped(toledo().last_instance);
    until([&] { return toledo().was_asked("probe"); });
    EXPECT_EQ(device().state, DeviceState::probing);
}

TEST_F(ARegistry, keeps_the_public_name_of_an_adapter_that_gets_another_port_number) {
    DeviceMemory memory{state_dir};
    setup.memory = &memory;
    begin();
    plug_ready_scale();
    unplug();
    toledo().listener.instance_stopped(toledo().last_instance);
    plug("/dev/ttyUSB1", "usb-A");
    EXPECT_EQ(device("/dev/ttyUSB0").key, "/dev/ttyUSB1");
    registry.reset();
}

TEST_F(ARegistry, lists_a_device_that_is_switched_off_as_what_it_was) {
    DeviceMemory memory{state_dir};
    memory.remember({"usb-A", "/dev/ttyUSB0", "toledo", std::chrono::system_clock::now()});
    setup.memory = &memory;
    begin();
    plug();
    toledo().come_up();
    until([&] { return toledo().was_asked("probe"); });
    toledo().listener.instance_probed(toledo().last_instance, false, "the scale does not answer");
    generic().come_up();
    until([&] { return generic().was_asked("probe"); });
    generic().listener.instance_probed(generic().last_instance, false, "silence");
    EXPECT_EQ(device().type, "scale");
    EXPECT_EQ(device().state, DeviceState::unreachable);
    registry.reset();
}

TEST_F(ARegistry,
       keeps_devices_while_their_interface_is_started_again_and_drops_what_it_does_not_find) {
    begin();
    plug_ready_scale();
    plug("/dev/ttyUSB5", "usb-B");
    serial().crash("killed by SIGSEGV");
    EXPECT_EQ(device().state, DeviceState::ready);
    serial().come_up();
    serial().listener.instance_started(serial().last_instance, {});
    plug();
    serial().listener.bus_settled(serial().last_instance);
    EXPECT_EQ(device().state, DeviceState::ready);
    EXPECT_FALSE(toledo().was_asked("stop"));
    const auto other = registry->find("/dev/ttyUSB5");
    EXPECT_TRUE(!other || other->state == DeviceState::quiescing);
}

TEST_F(ARegistry, refuses_a_descriptor_that_wants_a_file_opened) {
    begin();
    auto descriptor = port("/dev/ttyUSB0", "usb-A");
    descriptor["open"] = {{"kind", "device_node"}, {"path", "/etc/passwd"}};
    serial().listener.device_added(serial().last_instance, std::move(descriptor), Fd{});
    toledo().come_up();
    until([&] { return device().reason.find("is not a character device") != std::string::npos; });
    EXPECT_FALSE(toledo().was_asked("probe"));
}

TEST_F(ARegistry, answers_an_action_for_an_unknown_device_by_disconnected) {
    begin();
    const ActionOutcome outcome = act("read_once");
    EXPECT_EQ(outcome.status, ActionOutcome::Status::disconnected);
    EXPECT_THAT(outcome.message, HasSubstr("there is no device \"/dev/ttyUSB0\""));
}

TEST_F(ARegistry, finds_the_first_device_of_a_type) {
    begin();
    plug_ready_scale();
    ASSERT_TRUE(registry->find("scale"));
    EXPECT_EQ(registry->find("scale")->identifier, "/dev/ttyUSB0");
    EXPECT_FALSE(registry->find("printer"));
}

TEST_F(ARegistry, publishes_what_a_driver_emits_under_the_name_of_its_device) {
    begin();
    plug_ready_scale();
    toledo().listener.event_emitted(toledo().last_instance,
                                    {"weight", {{"weight", 0.5}}, {}, true});
    const auto event =
        events.first_after(0, [](const Event& e) { return e.kind == Event::Kind::device_event; });
    ASSERT_TRUE(event);
    EXPECT_EQ(event->device_identifier, "/dev/ttyUSB0");
    EXPECT_EQ(event->device_type, "scale");
    EXPECT_EQ(device().last_event.at("weight"), 0.5);
}

TEST_F(ARegistry, that_is_stopped_does_not_start_an_interface_again_that_has_ended_as_asked) {
    // The interface still counts as a user of its plug-in then, and once was started again for that reason: the box
    // needed 5 s to stop and left a process behind.
    begin();
    plug_ready_scale();
    bool stopped = false;
    registry->stop([&] { stopped = true; });
    serial().calls.clear();
    serial().listener.plugin_down({ExitReason::Kind::requested, "asked to end"}, std::nullopt);
    toledo().listener.plugin_down({ExitReason::Kind::requested, "asked to end"}, std::nullopt);
    until([&] { return stopped; });
    EXPECT_FALSE(serial().was_asked("run"));
}

TEST_F(ARegistry, keeps_documents_that_were_sent_with_an_action_out_of_its_event) {
    begin();
    plug_ready_scale();
    ActionRequest request;
    request.device = "/dev/ttyUSB0";
    request.name = "read_once";
    request.data = {{"copies", 2},
                    {"document", std::string(1u << 20, 'x')},
                    {"list", boost::json::array(1000)}};
    registry->act(std::move(request), [](ActionOutcome) {});
    toledo().listener.action_ended(toledo().last_instance, toledo().last_action,
                                   {true, nullptr, "", ""});
    const auto event =
        events.first_after(0, [](const Event& e) { return e.kind == Event::Kind::action_result; });
    ASSERT_TRUE(event);
    EXPECT_EQ(event->action_data, (boost::json::object{{"copies", 2}}));
}

}  // namespace
}  // namespace backplane::core
