// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry_fixture.hpp"

namespace backplane::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// A registry in which toledo 1.0.0 serves a scale, and toledo 2.0.0 is to take over.
class ASwap : public ARegistry, protected PluginSwaps::Watcher {
protected:
    ASwap() {
        begin();
        plug_ready_scale();
        old = &toledo();
        old_instance = old->last_instance;
        registry->set_watcher(this);
    }
    static CataloguedPlugin build(const std::string& name, const std::string& version) {
        CataloguedPlugin out =
            name == "serial" ? plugin(name, sdk::PluginKind::interface) : driver(name, 10);
        out.note->version = version;
        return out;
    }
    PluginSwaps::Done into(std::optional<Result<void>>& result) {
        return [&result](const Result<void>& told) { result = told; };
    }
    /// The new process is there.
    void prepare(const std::string& name = "toledo", const std::string& version = "2.0.0") {
        registry->prepare(build(name, version), limits, into(prepared));
        next = runners.at(name);
        next->come_up();
        until([&] { return prepared.has_value(); });
        ASSERT_TRUE(*prepared) << prepared->error().text;
    }
    void swap(bool trial = false) { registry->swap("toledo", trial, limits, into(swapped)); }
    void quiesce(SavedState state = {}) {
        until([&] { return old->was_asked("quiesce " + std::to_string(old_instance)); });
        old->listener.instance_quiesced(old_instance, std::move(state));
    }
    void succeed() {
        quiesce();
        next->listener.instance_started(next->last_instance, {});
        next->listener.device_reported(next->last_instance, Report::ready, "it answers");
        until([&] { return swapped.has_value(); });
    }
    void emit(FakeRunner& from, InstanceId instance, int number) {
        from.listener.event_emitted(instance, {"weight", {{"n", number}}, {}, false});
    }
    std::vector<int> numbers() {
        std::vector<int> out;
        for (const auto& event : heard)
            if (event.contains("n")) out.push_back(static_cast<int>(event.at("n").as_int64()));
        return out;
    }
    std::vector<std::string> states() {
        std::vector<std::string> out;
        for (const auto& event : heard)
            if (event.contains("state")) out.emplace_back(event.at("state").as_string());
        return out;
    }
    void listen() {
        heard.clear();
        subscription =
            events.subscribe([this](const auto& event) { heard.push_back(event->data); });
    }
    void trial_trouble(const std::string& plugin, const std::string& reason) override {
        trouble.push_back(plugin + ": " + reason);
    }
    std::string error() const { return swapped && !*swapped ? swapped->error().code : ""; }
    std::string error_text() const { return swapped && !*swapped ? swapped->error().text : ""; }

    PluginSwaps::Limits limits{.load = 500ms, .hold = 500ms, .open = 100ms};
    FakeRunner* old = nullptr;
    FakeRunner* next = nullptr;
    InstanceId old_instance = 0;
    std::optional<Result<void>> prepared, swapped;
    std::vector<boost::json::object> heard;
    std::vector<std::string> trouble;
    Subscription subscription;
};

TEST_F(ASwap, does_not_give_the_device_to_the_new_build_before_the_old_one_has_stopped) {
    prepare();
    swap();
    until([&] { return old->was_asked("quiesce " + std::to_string(old_instance)); });
    EXPECT_THAT(next->calls, testing::Each("run"));
    quiesce();
    EXPECT_THAT(next->calls, testing::Contains("start"));
    EXPECT_TRUE(next->device_was_open);
}

TEST_F(ASwap, keeps_identifier_and_state_and_shows_the_new_version) {
    prepare();
    listen();
    swap();
    succeed();
    ASSERT_TRUE(*swapped) << error_text();
    EXPECT_EQ(device().identifier, "/dev/ttyUSB0");
    EXPECT_EQ(device().state, DeviceState::ready);
    EXPECT_EQ(device().driver_version, "2.0.0");
    EXPECT_THAT(states(), testing::Each("ready")) << "nobody may see the device away";
}

TEST_F(ASwap, publishes_what_the_old_build_said_before_what_the_new_one_says) {
    prepare();
    listen();
    emit(*old, old_instance, 1);
    swap();
    emit(*old, old_instance, 2);
    until([&] { return old->was_asked("quiesce " + std::to_string(old_instance)); });
    emit(*old, old_instance, 3);
    quiesce();
    next->listener.instance_started(next->last_instance, {});
    emit(*next, next->last_instance, 4);
    next->listener.device_reported(next->last_instance, Report::ready, "");
    emit(*next, next->last_instance, 5);
    until([&] { return swapped.has_value(); });
    EXPECT_THAT(numbers(), ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(ASwap, waits_for_the_action_that_runs_and_runs_what_waits_on_the_new_build) {
    std::optional<ActionOutcome> first, second;
    ask("read_once", first);
    until([&] { return old->was_asked("begin read_once"); });
    const std::uint64_t running = old->last_action;
    prepare();
    swap();
    ask("tare", second);
    EXPECT_FALSE(old->was_asked("quiesce " + std::to_string(old_instance)));
    old->listener.action_ended(old_instance, running, {true, 1, "", ""});
    until([&] { return first.has_value(); });
    EXPECT_FALSE(old->was_asked("begin tare"));
    succeed();
    EXPECT_EQ(first->status, ActionOutcome::Status::success);
    until([&] { return next->was_asked("begin tare"); });
    next->listener.action_ended(next->last_instance, next->last_action, {true, 2, "", ""});
    until([&] { return second.has_value(); });
    EXPECT_EQ(second->status, ActionOutcome::Status::success);
}

TEST_F(ASwap, gives_up_when_an_action_does_not_end_and_the_old_build_goes_on) {
    limits.hold = 30ms;
    std::optional<ActionOutcome> first, second;
    ask("print_for_ever", first);
    until([&] { return old->was_asked("begin print_for_ever"); });
    const std::uint64_t running = old->last_action;
    prepare();
    swap();
    until([&] { return swapped.has_value(); });
    EXPECT_EQ(error(), "swap.busy");
    EXPECT_THAT(error_text(), HasSubstr("did not end within"));
    EXPECT_EQ(device().driver_version, "1.0.0");
    old->listener.action_ended(old_instance, running, {true, 1, "", ""});
    ask("read_once", second);
    until([&] { return old->was_asked("begin read_once"); });
}

TEST_F(ASwap, goes_back_when_the_new_build_cannot_start) {
    prepare();
    listen();
    swap();
    quiesce();
    next->listener.instance_started(next->last_instance,
                                    failure("plugin.IO", "cannot set the line"));
    until([&] { return swapped.has_value(); });
    EXPECT_EQ(error(), "swap.start");
    EXPECT_THAT(error_text(), HasSubstr("cannot set the line"));
    EXPECT_TRUE(old->was_asked("resume " + std::to_string(old_instance)));
    old->listener.instance_started(old_instance, {});
    emit(*old, old_instance, 7);
    EXPECT_THAT(numbers(), ElementsAre(7));
    EXPECT_EQ(device().state, DeviceState::ready);
    EXPECT_EQ(device().driver_version, "1.0.0");
}

TEST_F(ASwap, goes_back_when_a_device_that_worked_does_not_become_ready) {
    prepare();
    swap();
    quiesce();
    next->listener.instance_started(next->last_instance, {});
    next->listener.device_reported(next->last_instance, Report::unreachable, "it says nothing");
    const std::string stop = "stop " + std::to_string(next->last_instance);
    until([&] { return next->was_asked(stop); });
    EXPECT_FALSE(old->was_asked("resume " + std::to_string(old_instance)))
        << "two builds on one device";
    next->listener.instance_stopped(next->last_instance);
    until([&] { return swapped.has_value(); });
    EXPECT_EQ(error(), "swap.not_ready");
    EXPECT_THAT(error_text(), HasSubstr("toledo 2.0.0"));
    EXPECT_TRUE(old->was_asked("resume " + std::to_string(old_instance)));
}

TEST_F(ASwap, takes_a_device_that_did_not_work_before_as_it_is) {
    old->listener.device_reported(old_instance, Report::unreachable, "switched off");
    prepare();
    swap();
    quiesce();
    next->listener.instance_started(next->last_instance, {});
    until([&] { return swapped.has_value(); });
    EXPECT_TRUE(*swapped) << error_text();
    EXPECT_EQ(device().state, DeviceState::unreachable);
    EXPECT_EQ(device().driver_version, "2.0.0");
}

TEST_F(ASwap, goes_back_when_the_new_build_crashes_while_it_takes_over) {
    prepare();
    swap();
    quiesce();
    next->crash("killed by SIGSEGV");
    until([&] { return swapped.has_value(); });
    EXPECT_EQ(error(), "swap.crashed");
    EXPECT_THAT(error_text(), HasSubstr("killed by SIGSEGV"));
    EXPECT_TRUE(old->was_asked("resume " + std::to_string(old_instance)));
}

TEST_F(ASwap, goes_on_with_the_new_build_when_the_old_one_crashes_while_it_stops) {
    prepare();
    swap();
    until([&] { return old->was_asked("quiesce " + std::to_string(old_instance)); });
    old->crash("killed by SIGABRT");
    EXPECT_THAT(next->calls, testing::Contains("start"));
    next->listener.instance_started(next->last_instance, {});
    next->listener.device_reported(next->last_instance, Report::ready, "");
    until([&] { return swapped.has_value(); });
    EXPECT_TRUE(*swapped) << error_text();
    EXPECT_EQ(device().driver_version, "2.0.0");
}

TEST_F(ASwap, starts_the_old_build_again_when_both_crash) {
    prepare();
    swap();
    until([&] { return old->was_asked("quiesce " + std::to_string(old_instance)); });
    old->crash("killed by SIGABRT");
    next->crash("killed by SIGSEGV");
    until([&] { return swapped.has_value(); });
    EXPECT_EQ(error(), "swap.crashed");
    EXPECT_EQ(device().state, DeviceState::opening);
    old->come_up();
    until([&] { return old->last_instance != old_instance; });
    old->listener.instance_started(old->last_instance, {});
    old->listener.device_reported(old->last_instance, Report::ready, "");
    EXPECT_EQ(device().state, DeviceState::ready);
    EXPECT_EQ(device().driver_version, "1.0.0");
}

TEST_F(ASwap, is_not_to_blame_when_the_device_is_unplugged_in_the_middle) {
    prepare();
    swap();
    quiesce();
    unplug();
    until([&] { return swapped.has_value(); });
    EXPECT_TRUE(*swapped) << error_text();
    old->listener.instance_stopped(old_instance);
    EXPECT_THAT(registry->list(), IsEmpty());
}

TEST_F(ASwap, hands_over_what_the_old_build_knows) {
    prepare();
    swap();
    quiesce({3, {1, 2, 3}});
    EXPECT_EQ(next->last_state.version, 3u);
    EXPECT_THAT(next->last_state.bytes, ElementsAre(1, 2, 3));
}

TEST_F(ASwap, tells_of_a_crash_of_a_build_on_trial_until_it_is_confirmed) {
    prepare();
    swap(true);
    succeed();
    next->crash("killed by SIGSEGV in action()");
    until([&] { return !trouble.empty(); });
    EXPECT_THAT(trouble, ElementsAre("toledo: killed by SIGSEGV in action()"));
    registry->confirm("toledo");
    next->come_up();
    next->crash("killed by SIGSEGV in action()");
    loop.restart();
    loop.run_for(20ms);
    EXPECT_THAT(trouble, testing::SizeIs(1));
}

TEST_F(ASwap, leaves_everything_alone_when_the_new_build_does_not_load) {
    registry->prepare(build("toledo", "2.0.0"), limits, into(prepared));
    runners.at("toledo")->crash("it could not be loaded");
    until([&] { return prepared.has_value(); });
    ASSERT_FALSE(*prepared);
    EXPECT_EQ(prepared->error().code, "swap.load");
    EXPECT_THAT(prepared->error().text, HasSubstr("it could not be loaded"));
    EXPECT_EQ(old->calls.back(), "start_probed " + std::to_string(old_instance));
    EXPECT_EQ(device().state, DeviceState::ready);
}

TEST_F(ASwap, is_refused_while_the_same_plugin_is_being_swapped) {
    prepare();
    std::optional<Result<void>> second;
    registry->prepare(build("toledo", "3.0.0"), limits, into(second));
    until([&] { return second.has_value(); });
    ASSERT_FALSE(*second);
    EXPECT_EQ(second->error().code, "swap.running");
}

TEST_F(ASwap, gives_devices_that_nobody_served_to_a_driver_that_is_new) {
    registry->prepare(build("acme", "1.0.0"), limits, into(prepared));
    runners.at("acme")->come_up();
    until([&] { return prepared.has_value(); });
    plug("/dev/ttyUSB1", "usb-B");
    until([&] { return toledo().last_instance != old_instance; });
    toledo().listener.instance_probed(toledo().last_instance, false, "no echo");
    generic().come_up();
    until([&] { return generic().was_asked("probe"); });
    generic().listener.instance_probed(generic().last_instance, false, "no answer");
    ASSERT_EQ(device("/dev/ttyUSB1").state, DeviceState::unsupported);
    registry->swap("acme", false, limits, into(swapped));
    until([&] { return swapped.has_value(); });
    ASSERT_TRUE(*swapped) << error_text();
    until([&] { return device("/dev/ttyUSB1").state == DeviceState::probing; });
}

TEST_F(ASwap, takes_a_plugin_away_that_may_not_run_any_more) {
    registry->remove("toledo", "this build was withdrawn", into(swapped));
    until([&] { return swapped.has_value(); });
    EXPECT_TRUE(old->was_asked("stop " + std::to_string(old_instance)));
    old->listener.instance_stopped(old_instance);
    EXPECT_FALSE(registry->health("toledo").present);
    EXPECT_NE(device().state, DeviceState::ready);
}

TEST_F(ASwap, of_an_interface_keeps_its_devices_and_their_drivers) {
    FakeRunner& serial_before = serial();
    const InstanceId interface = serial_before.last_instance;
    serial_before.listener.bus_settled(interface);
    prepare("serial", "2.0.0");
    listen();
    registry->swap("serial", false, limits, into(swapped));
    until([&] { return serial_before.was_asked("quiesce " + std::to_string(interface)); });
    serial_before.listener.instance_quiesced(interface, {});
    until([&] { return next->last_instance != 0; });
    next->listener.instance_started(next->last_instance, {});
    next->listener.device_added(next->last_instance, port("/dev/ttyUSB0", "usb-A"), Fd{});
    next->listener.bus_settled(next->last_instance);
    until([&] { return swapped.has_value(); });
    ASSERT_TRUE(*swapped) << error_text();
    EXPECT_EQ(device().state, DeviceState::ready);
    EXPECT_THAT(old->calls, Not(testing::Contains("stop " + std::to_string(old_instance))));
    EXPECT_THAT(states(), IsEmpty());
    // From now on the new build is believed.
    next->listener.device_removed(next->last_instance, "/dev/ttyUSB0");
    EXPECT_TRUE(old->was_asked("stop " + std::to_string(old_instance)));
}

TEST_F(ASwap, of_an_interface_goes_back_when_the_new_build_never_says_what_there_is) {
    FakeRunner& serial_before = serial();
    const InstanceId interface = serial_before.last_instance;
    prepare("serial", "2.0.0");
    registry->swap("serial", false, limits, into(swapped));
    until([&] { return serial_before.was_asked("quiesce " + std::to_string(interface)); });
    serial_before.listener.instance_quiesced(interface, {});
    until([&] { return next->last_instance != 0; });
    next->listener.instance_started(next->last_instance, {});
    until([&] { return swapped.has_value(); });
    EXPECT_EQ(error(), "swap.not_ready");
    EXPECT_TRUE(serial_before.was_asked("resume " + std::to_string(interface)));
    serial_before.listener.instance_started(interface, {});
    serial_before.listener.device_added(interface, port("/dev/ttyUSB0", "usb-A"), Fd{});
    serial_before.listener.bus_settled(interface);
    EXPECT_EQ(device().state, DeviceState::ready);
}

TEST_F(ASwap, of_an_interface_that_is_new_tells_when_it_cannot_begin) {
    registry->prepare(plugin("acme_bus", sdk::PluginKind::interface), limits, into(prepared));
    next = runners.at("acme_bus");
    next->come_up();
    until([&] { return prepared.has_value(); });
    registry->swap("acme_bus", true, limits, into(swapped));
    until([&] { return swapped.has_value(); });
    ASSERT_TRUE(*swapped) << error_text();
    next->listener.instance_started(next->last_instance, failure("plugin.IO", "no such bus"));
    until([&] { return !trouble.empty(); });
    EXPECT_THAT(trouble.front(), HasSubstr("acme_bus: it could not begin"));
}

TEST_F(ASwap, of_an_interface_holds_requests_until_it_is_over) {
    FakeRunner& serial_before = serial();
    const InstanceId interface = serial_before.last_instance;
    prepare("serial", "2.0.0");
    registry->swap("serial", false, limits, into(swapped));
    until([&] { return serial_before.was_asked("quiesce " + std::to_string(interface)); });
    std::optional<ActionOutcome> outcome;
    registry->act_on_interface("serial", "rescan", {},
                               [&](ActionOutcome told) { outcome = std::move(told); });
    serial_before.listener.instance_quiesced(interface, {});
    EXPECT_FALSE(serial_before.was_asked("begin rescan"));
    until([&] { return next->last_instance != 0; });
    next->listener.instance_started(next->last_instance, {});
    next->listener.bus_settled(next->last_instance);
    until([&] { return next->was_asked("begin rescan"); });
    EXPECT_FALSE(outcome.has_value());
}

}  // namespace
}  // namespace backplane::core
