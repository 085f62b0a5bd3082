// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A build on trial: how it proves itself, how it is taken back, and what its owner may decide.
#include "updater_fixture.hpp"

namespace backplane::core {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using State = UpdateStep::State;

class ABuildOnTrial : public AnUpdater {
protected:
    /// 1.1.0 has proved itself, 1.2.0 runs on trial.
    void start_with_a_good_and_a_trial_build() {
        start();
        setup.trials.probation_cap.reset();
        add("1.1.0/acme_scale.so", {.probation = 0s, .actions = 0});
        ASSERT_TRUE(install(maker.zip(1)));
        until([&] { return delivered("acme_scale").state == "good"; });
        add("1.2.0/acme_scale.so");
        ASSERT_TRUE(install(maker.zip(2)));
        ASSERT_EQ(delivered("acme_scale").state, "trial") << updater->report().text;
        ASSERT_EQ(delivered("acme_scale").last_good, "1.1.0");
        swaps.calls.clear();
    }
    void trouble(const std::string& reason = "it was killed by SIGSEGV") {
        swaps.watcher->trial_trouble("acme_scale", reason);
    }
};

TEST_F(ABuildOnTrial, is_taken_back_when_it_crashes_and_the_last_good_one_runs_again) {
    start_with_a_good_and_a_trial_build();
    trouble();
    until([&] { return step("acme_scale").state == State::failed; });
    EXPECT_THAT(swaps.calls, ElementsAre("prepare acme_scale 1.1.0", "swap acme_scale 1.1.0"));
    EXPECT_EQ(swaps.serving("acme_scale"), "1.1.0");
    EXPECT_EQ(step("acme_scale").text,
              "acme_scale 1.2.0 was taken back (it was killed by SIGSEGV): 1.1.0 runs again");
    EXPECT_EQ(delivered("acme_scale").version, "1.1.0");
    EXPECT_EQ(delivered("acme_scale").state, "quarantined");
    EXPECT_EQ(delivered("acme_scale").quarantined, "1.2.0");
    // The quarantine survives a restart, and the same bundle does not bring the build back.
    restart();
    EXPECT_EQ(swaps.serving("acme_scale"), "1.1.0");
    EXPECT_THAT(line.on_trial, IsEmpty());
    ASSERT_TRUE(install(maker.zip(2)));
    EXPECT_EQ(swaps.serving("acme_scale"), "1.1.0");
}

TEST_F(ABuildOnTrial, makes_way_for_the_plug_in_of_the_box) {
    setup.own = {own_plugin("acme_scale", "0.9.0")};
    start();
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    trouble("it hung in start()");
    until([&] { return step("acme_scale").state == State::failed; });
    EXPECT_EQ(swaps.serving("acme_scale"), "0.9.0");
    EXPECT_EQ(step("acme_scale").text,
              "acme_scale 1.1.0 was taken back (it hung in start()): 0.9.0 runs again");
}

TEST_F(ABuildOnTrial, is_removed_when_there_is_nothing_to_return_to) {
    start();
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    trouble("it hung");
    until([&] { return step("acme_scale").state == State::failed; });
    EXPECT_TRUE(swaps.was_asked("remove acme_scale"));
    EXPECT_EQ(swaps.removal_reason, "it hung");
    EXPECT_EQ(step("acme_scale").text,
              "acme_scale 1.1.0 was taken back (it hung): there is no other build to run");
}

TEST_F(ABuildOnTrial, proves_itself_by_time_and_by_actions_that_succeeded) {
    setup.trials.probation_cap = 20ms;
    start();
    add("1.1.0/acme_scale.so", {.actions = 2});
    ASSERT_TRUE(install(maker.zip(1)));
    swaps.healths["acme_scale"].actions_succeeded = 1;
    loop.restart();
    loop.run_for(100ms);
    EXPECT_FALSE(swaps.was_asked("confirm acme_scale")) << "one action is missing";
    swaps.healths["acme_scale"].actions_succeeded = 2;
    until([&] { return step("acme_scale").text == "acme_scale 1.1.0 has proved itself"; });
    EXPECT_TRUE(swaps.was_asked("confirm acme_scale"));
    EXPECT_EQ(delivered("acme_scale").state, "good");
    restart();
    EXPECT_THAT(line.on_trial, IsEmpty());
}

TEST_F(ABuildOnTrial, counts_as_good_after_the_longest_time_although_nobody_has_used_it) {
    setup.trials.probation_cap = 1ms;
    setup.trials.longest_trial = 30ms;
    start();
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    until([&] { return delivered("acme_scale").state == "good"; });
    EXPECT_EQ(swaps.health("acme_scale").actions_succeeded, 0u);
}

TEST_F(ABuildOnTrial, needs_no_actions_when_it_is_an_interface) {
    setup.trials.probation_cap = 1ms;
    start();
    add("1.0.0/acme_bus.so");
    ASSERT_TRUE(install(maker.zip(1)));
    until([&] { return delivered("acme_bus").state == "good"; });
    EXPECT_EQ(delivered("acme_bus").kind, "interface");
}

TEST_F(ABuildOnTrial, is_still_watched_after_a_restart) {
    start();
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    restart();
    ASSERT_THAT(line.on_trial, ElementsAre("acme_scale"));
    trouble();
    until([&] { return swaps.was_asked("remove acme_scale"); });
    until([&] { return delivered("acme_scale").state == "quarantined"; });
}

TEST_F(ABuildOnTrial, is_put_away_when_it_never_lives_long_after_a_start) {
    start();
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    for (int i = 0; i < 2; ++i) restart();
    EXPECT_EQ(delivered("acme_scale").state, "trial");
    restart();
    EXPECT_EQ(delivered("acme_scale").state, "quarantined") << "three starts, and no end in sight";
}

// A shop that switches its box off every night had a driver without a device put away on the third morning.
TEST_F(ABuildOnTrial, is_not_put_away_because_the_box_is_switched_off_every_night) {
    set_log_level("update", LogLevel::debug);
    setup.trials.survived = 1ms;
    start();
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    for (std::size_t night = 1; night <= 5; ++night) {
        until([&] { return logged("plugin.start_survived") == night; });
        restart();
        EXPECT_EQ(delivered("acme_scale").state, "trial") << night;
    }
    set_log_level("update", LogLevel::info);
}

TEST_F(ABuildOnTrial, that_was_put_aside_is_noticed_without_being_told) {
    setup.trials.probation_cap = 10ms;
    start();
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    swaps.healths["acme_scale"].put_aside = true;
    swaps.healths["acme_scale"].reason = "it sent too many events";
    until([&] { return step("acme_scale").state == State::failed; });
    EXPECT_THAT(step("acme_scale").text, HasSubstr("was taken back (it sent too many events)"));
}

TEST_F(ABuildOnTrial, that_crashes_as_it_proves_itself_is_started_again) {
    setup.trials.probation_cap = 1ms;
    start();
    add("1.1.0/acme_scale.so", {.actions = 0});
    ASSERT_TRUE(install(maker.zip(1)));
    until([&] { return delivered("acme_scale").state == "good"; });
    trouble();
    until([&] { return swaps.was_asked("release acme_scale"); });
    EXPECT_EQ(delivered("acme_scale").state, "good");
    EXPECT_FALSE(swaps.was_asked("remove acme_scale"));
}

TEST_F(ABuildOnTrial, is_taken_back_although_a_download_is_running) {
    start_with_a_good_and_a_trial_build();
    ASSERT_TRUE(wait_for([&](auto done) { updater->check(true, done); }));
    trouble();
    until([&] { return swaps.serving("acme_scale") == "1.1.0"; });
    EXPECT_EQ(updater->report().phase, UpdateReport::Phase::downloading);
}

TEST_F(ABuildOnTrial, is_put_back_again_and_again_until_the_last_good_one_comes) {
    start_with_a_good_and_a_trial_build();
    swaps.errors["swap acme_scale 1.1.0"] = {"swap.start", "the port is in use"};
    trouble();
    until([&] { return swaps.times_asked("prepare acme_scale 1.1.0") >= 3; });
    EXPECT_THAT(step("acme_scale").text,
                HasSubstr("1.1.0 did not come back yet (the port is in use) and is tried again"));
    swaps.errors.clear();
    until([&] { return swaps.serving("acme_scale") == "1.1.0"; });
    until([&] { return step("acme_scale").text == "acme_scale 1.1.0 runs again"; });
    EXPECT_EQ(step("acme_scale").state, State::done);
}

TEST_F(ABuildOnTrial, returns_to_its_owners_wish_and_stays_there) {
    start_with_a_good_and_a_trial_build();
    EXPECT_TRUE(delivered("acme_scale").can_roll_back);
    const auto back = wait_for([&](auto done) { updater->roll_back("acme_scale", done); });
    ASSERT_TRUE(back) << back.error().text;
    EXPECT_EQ(swaps.serving("acme_scale"), "1.1.0");
    EXPECT_EQ(delivered("acme_scale").quarantined, "1.2.0");
    EXPECT_TRUE(delivered("acme_scale").can_release);
    // Released, it gets a new trial.
    const auto released = wait_for([&](auto done) { updater->release("acme_scale", done); });
    ASSERT_TRUE(released) << released.error().text;
    until_over();
    EXPECT_EQ(swaps.serving("acme_scale"), "1.2.0");
    EXPECT_EQ(delivered("acme_scale").state, "trial");
}

TEST_F(ABuildOnTrial, is_left_alone_by_a_bundle_when_its_owner_keeps_what_runs) {
    start();
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    ASSERT_TRUE(wait_for([&](auto done) { updater->pin("acme_scale", true, done); }));
    EXPECT_TRUE(delivered("acme_scale").pinned);
    add("1.2.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(2)));
    EXPECT_EQ(swaps.serving("acme_scale"), "1.1.0");
}

TEST_F(ABuildOnTrial, whose_name_nobody_knows_gets_an_answer) {
    start();
    for (const auto& ask : std::vector<std::function<void(Updates::Done)>>{
             [&](auto done) { updater->roll_back("nothing", done); },
             [&](auto done) { updater->pin("nothing", true, done); },
             [&](auto done) { updater->release("nothing", done); }}) {
        const auto refused = wait_for(ask);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, "update.unknown_plugin");
    }
}

TEST_F(ABuildOnTrial, that_came_with_the_box_and_was_put_aside_is_released_too) {
    setup.own = {own_plugin("acme_scale", "0.9.0")};
    start();
    ASSERT_TRUE(wait_for([&](auto done) { updater->release("acme_scale", done); }));
    EXPECT_THAT(swaps.calls, ElementsAre("release acme_scale"));
}

TEST_F(ABuildOnTrial, that_is_withdrawn_later_does_not_go_on) {
    setup.own = {own_plugin("acme_scale", "0.9.0")};
    start();
    add("1.1.0/acme_scale.so", {.probation = 0s, .actions = 0});
    ASSERT_TRUE(install(maker.zip(1)));
    until([&] { return delivered("acme_scale").state == "good"; });
    maker.withdraw(maker.sha256("acme_scale"), "it shows wrong weights");
    maker.remove("acme_scale");
    ASSERT_TRUE(install(maker.zip(2)));
    EXPECT_NE(swaps.serving("acme_scale"), "1.1.0") << updater->report().text;
    EXPECT_THAT(step("acme_scale").text, HasSubstr("may not run any more"));
    EXPECT_THAT(step("acme_scale").text, HasSubstr("it shows wrong weights"));
}

}  // namespace
}  // namespace backplane::core
