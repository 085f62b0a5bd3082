// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One update from its first byte to the last swap, and what people are told about it.
#include "updater_fixture.hpp"

namespace backplane::core {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using State = UpdateStep::State;

TEST_F(AnUpdater, puts_a_new_build_in_the_place_of_the_old_one_and_says_how_long_it_is_watched) {
    setup.own = {own_plugin("acme_scale", "0.9.0")};
    start();
    add("1.1.0/acme_scale.so", {.open = 3s});
    ASSERT_TRUE(install(maker.zip(1)));
    EXPECT_THAT(swaps.calls,
                ElementsAre("prepare acme_scale 1.1.0", "swap acme_scale 1.1.0 on trial"));
    EXPECT_EQ(swaps.limits.open, 3s);
    const UpdateStep done = step("acme_scale");
    EXPECT_EQ(done.state, State::done);
    EXPECT_EQ(done.from, "0.9.0");
    EXPECT_EQ(done.to, "1.1.0");
    EXPECT_EQ(done.text, "acme_scale 1.1.0 runs and is watched for 10 minutes");
    EXPECT_EQ(updater->report().result, "updated");
    EXPECT_EQ(updater->report().trigger, "file");
    EXPECT_EQ(updater->report().source, "a file");
    EXPECT_EQ(updater->report().text, "1 plug-in was updated: acme_scale 1.1.0");
    EXPECT_EQ(delivered("acme_scale").state, "trial");
    EXPECT_EQ(delivered("acme_scale").last_good, "0.9.0");
}

TEST_F(AnUpdater, keeps_what_runs_when_a_build_does_not_load_and_puts_that_away_at_once) {
    setup.own = {own_plugin("acme_scale", "0.9.0")};
    start();
    swaps.errors["prepare acme_scale 1.1.0"] = {"swap.load", "it crashed in its constructor"};
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    EXPECT_THAT(swaps.calls, ElementsAre("prepare acme_scale 1.1.0"));
    EXPECT_EQ(step("acme_scale").state, State::failed);
    EXPECT_EQ(step("acme_scale").code, "swap.load");
    EXPECT_EQ(step("acme_scale").text,
              "acme_scale 1.1.0 did not start (it crashed in its constructor): 0.9.0 goes on");
    EXPECT_EQ(updater->report().result, "failed");
    EXPECT_EQ(delivered("acme_scale").state, "quarantined");
    EXPECT_EQ(delivered("acme_scale").quarantined, "1.1.0");
    EXPECT_THAT(delivered("acme_scale").quarantined_reason, HasSubstr("crashed"));
}

TEST_F(AnUpdater, does_not_blame_a_build_for_a_configuration_that_does_not_fit) {
    start();
    swaps.errors["prepare acme_scale 1.1.0"] = {"swap.settings", "poll is missing"};
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    EXPECT_EQ(step("acme_scale").text,
              "acme_scale 1.1.0 does not fit the configuration (poll is missing)");
    EXPECT_EQ(delivered("acme_scale").state, "staged");
    EXPECT_TRUE(delivered("acme_scale").quarantined.empty());
    // The next start tries it again, and now it fits.
    swaps.errors.clear();
    restart();
    until_over();
    EXPECT_EQ(swaps.serving("acme_scale"), "1.1.0");
    EXPECT_EQ(updater->report().trigger, "start");
}

TEST_F(AnUpdater, lets_the_old_build_go_on_when_the_new_one_cannot_take_over) {
    setup.own = {own_plugin("acme_scale", "0.9.0")};
    start();
    swaps.errors["swap acme_scale 1.1.0"] = {"swap.not_ready", "/dev/ttyS0 does not work with it"};
    add("1.1.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    EXPECT_THAT(swaps.calls,
                ElementsAre("prepare acme_scale 1.1.0", "swap acme_scale 1.1.0 on trial"))
        << "the old one serves already: nothing is put back";
    EXPECT_EQ(step("acme_scale").text,
              "acme_scale 1.1.0 could not take over (/dev/ttyS0 does not work with it): 0.9.0 "
              "goes on");
    EXPECT_EQ(step("acme_scale").code, "swap.not_ready");
    EXPECT_EQ(delivered("acme_scale").state, "quarantined");
    EXPECT_EQ(delivered("acme_scale").version, "0.9.0");
    EXPECT_EQ(delivered("acme_scale").source, "the box");
}

TEST_F(AnUpdater, swaps_interfaces_before_drivers_and_tries_at_most_four_builds_at_once) {
    start();
    for (const char* name :
         {"acme_display", "acme_drawer", "acme_label", "acme_pole", "acme_bus", "acme_scale"})
        add("1.0.0/" + std::string(name) + ".so");
    swaps.hold = true;
    std::optional<Result<void>> begun;
    updater->install(maker.zip(1), "a file", false,
                     [&](Result<void> result) { begun = std::move(result); });
    until([&] { return swaps.was_asked("prepare acme_bus 1.0.0"); });
    EXPECT_THAT(swaps.calls, SizeIs(1)) << "no driver before the interface is done";
    EXPECT_EQ(step("acme_scale").state, State::waiting);
    swaps.go_on();
    until_over();
    EXPECT_EQ(swaps.calls.at(1), "swap acme_bus 1.0.0 on trial");
    EXPECT_EQ(swaps.most_at_once, 4u);
    EXPECT_THAT(swaps.healths, SizeIs(6));
    EXPECT_THAT(updater->report().text, HasSubstr("6 plug-ins were updated"));
}

TEST_F(AnUpdater, stores_an_interface_that_this_box_does_not_use_and_starts_it_once_it_does) {
    setup.uses_interface = [](const std::string& name) { return name == "simulator"; };
    start();
    add("1.0.0/acme_bus.so");
    add("1.0.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    EXPECT_EQ(swaps.serving("acme_scale"), "1.0.0");
    EXPECT_EQ(swaps.serving("acme_bus"), "");
    EXPECT_EQ(step("acme_bus").state, State::left_out);
    EXPECT_THAT(step("acme_bus").text, HasSubstr("this box does not use this interface"));
    EXPECT_EQ(updater->report().result, "updated");
    setup.uses_interface = nullptr;
    restart();
    until_over();
    EXPECT_EQ(swaps.serving("acme_bus"), "1.0.0");
}

TEST_F(AnUpdater, goes_on_with_the_others_when_one_build_is_bad) {
    start();
    swaps.errors["prepare acme_display 1.0.0"] = {"swap.load", "it did not load in time"};
    add("1.0.0/acme_display.so");
    add("1.0.0/acme_scale.so");
    ASSERT_TRUE(install(maker.zip(1)));
    EXPECT_EQ(updater->report().result, "partly");
    EXPECT_EQ(updater->report().code, "swap.load");
    EXPECT_EQ(updater->report().text,
              "1 plug-in was updated: acme_scale 1.0.0; acme_display 1.0.0 did not start (it did "
              "not load in time)");
}

TEST_F(AnUpdater, refuses_a_second_update_while_one_runs) {
    start();
    ASSERT_TRUE(wait_for([&](auto done) { updater->check(true, done); }));
    until([&] { return source.requests.size() == 1; });
    for (const auto& ask : std::vector<std::function<void(Updates::Done)>>{
             [&](auto done) { updater->check(true, done); },
             [&](auto done) { updater->install({}, "x", false, done); },
             [&](auto done) { updater->roll_back("acme_scale", done); },
             [&](auto done) { updater->release("acme_scale", done); }}) {
        const auto refused = wait_for(ask);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, "update.running");
        EXPECT_EQ(refused.error().text, "an update is running already: try again when it is over");
    }
    EXPECT_THAT(source.requests, SizeIs(1));
}

TEST_F(AnUpdater, tells_how_far_the_download_is_and_who_is_asked) {
    start();
    std::size_t changes = 0;
    updater->on_change([&] { ++changes; });
    ASSERT_TRUE(wait_for([&](auto done) { updater->check(true, done); }));
    until([&] { return !source.requests.empty(); });
    EXPECT_TRUE(source.requests.front().forced);
    EXPECT_TRUE(source.requests.front().etag.empty());
    EXPECT_EQ(updater->report().phase, UpdateReport::Phase::downloading);
    EXPECT_EQ(updater->report().source, "https://shop.example.com");
    source.progress(1000, 4000);
    EXPECT_EQ(updater->report().received, 1000u);
    EXPECT_EQ(updater->report().expected, 4000u);
    add("1.0.0/acme_scale.so");
    source.will_send(maker.zip(1));
    source.answer();
    until_over();
    EXPECT_EQ(updater->report().result, "updated");
    EXPECT_EQ(updater->report().trigger, "force");
    EXPECT_GT(updater->report().last_contact, 0);
    EXPECT_GE(updater->report().finished, updater->report().started);
    EXPECT_GT(changes, 3u);
    // What was accepted is not asked for again, except by force.
    ASSERT_TRUE(wait_for([&](auto done) { updater->check(false, done); }));
    until([&] { return source.requests.size() == 2; });
    EXPECT_EQ(source.requests.back().etag, "\"1\"");
    source.will_say(BundleAnswer::Kind::unchanged);
    source.answer();
    until_over();
    EXPECT_EQ(updater->report().result, "unchanged");
    EXPECT_EQ(updater->report().text, "the server has nothing newer than this box");
}

TEST_F(AnUpdater, leaves_everything_as_it_is_when_the_server_delivers_nothing) {
    start();
    source.will_say(BundleAnswer::Kind::nothing);
    ASSERT_TRUE(wait_for([&](auto done) { updater->check(true, done); }));
    until_over();
    EXPECT_EQ(updater->report().result, "nothing");
    EXPECT_THAT(updater->report().text, HasSubstr("switched off there"));
    source.will_send(tests::BundleMaker::zip_of({{"drivers/printer.py", tests::bytes_of("x")}}));
    ASSERT_TRUE(wait_for([&](auto done) { updater->check(true, done); }));
    until_over();
    EXPECT_EQ(updater->report().result, "nothing");
    EXPECT_THAT(updater->report().text,
                HasSubstr("of its 1 files none belongs to a signed bundle"));
    EXPECT_THAT(swaps.calls, IsEmpty());
}

TEST_F(AnUpdater, shows_why_a_bundle_was_rejected_and_touches_nothing) {
    start();
    add("1.1.0/acme_scale.so");
    auto bad = maker.files(1);
    bad.at(bundle::release_name("acme")).push_back(std::byte{' '});
    ASSERT_TRUE(install(tests::BundleMaker::zip_of(bad)));
    EXPECT_EQ(updater->report().result, "rejected");
    EXPECT_EQ(updater->report().code, "E_SIG");
    EXPECT_THAT(updater->report().text, HasSubstr("bundle acme: "));
    EXPECT_THAT(swaps.calls, IsEmpty());
    ASSERT_TRUE(install(tests::bytes_of("<html>500</html>")));
    EXPECT_EQ(updater->report().result, "rejected");
    EXPECT_EQ(updater->report().code, "E_ZIP");
    ASSERT_TRUE(install(maker.zip(1)));
    EXPECT_EQ(updater->report().result, "updated") << updater->report().text;
}

TEST_F(AnUpdater, logs_each_reason_once_until_another_result_came) {
    start();
    const auto ask = [&] {
        ASSERT_TRUE(wait_for([&](auto done) { updater->check(true, done); }));
        until_over();
    };
    for (int i = 0; i < 3; ++i) {
        source.will_fail("E_NET", "cannot reach https://shop.example.com");
        ask();
    }
    EXPECT_EQ(updater->report().result, "failed");
    EXPECT_EQ(updater->report().code, "E_NET");
    EXPECT_EQ(logged("update.failed"), 1u);
    source.will_fail("E_SERVER", "it answered 500");
    ask();
    EXPECT_EQ(logged("update.failed"), 2u);
    source.will_say(BundleAnswer::Kind::unchanged);
    ask();
    source.will_fail("E_SERVER", "it answered 500 again");
    ask();
    EXPECT_EQ(logged("update.failed"), 3u);
}

TEST_F(AnUpdater, asks_for_the_first_time_when_the_interfaces_are_ready_and_again_when_it_failed) {
    setup.automatic = true;
    setup.polls.first_retry = 1ms;
    updater = std::make_unique<Updater>(loop, UpdateEngine::open(engine_setup()), setup);
    static_cast<void>(updater->line_up());
    updater->begin(swaps);
    loop.restart();
    loop.run_for(50ms);
    EXPECT_THAT(source.requests, IsEmpty()) << "a start never waits for the network";
    source.will_fail("E_NET", "cannot reach the server");
    source.will_say(BundleAnswer::Kind::unchanged);
    updater->ready();
    until([&] { return updater->report().result == "unchanged"; });
    EXPECT_THAT(source.requests, SizeIs(2));
    EXPECT_FALSE(source.requests.front().forced);
    EXPECT_EQ(updater->report().trigger, "schedule");
    loop.restart();
    loop.run_for(50ms);
    EXPECT_THAT(source.requests, SizeIs(2)) << "the next one is tomorrow's";
}

TEST_F(AnUpdater, asks_again_for_whoever_forces_it_while_the_box_asks_by_itself) {
    setup.automatic = true;
    updater = std::make_unique<Updater>(loop, UpdateEngine::open(engine_setup()), setup);
    static_cast<void>(updater->line_up());
    updater->begin(swaps);
    updater->ready();
    until([&] { return source.requests.size() == 1; });
    ASSERT_TRUE(wait_for([&](auto done) { updater->check(true, done); }));
    const auto second = wait_for([&](auto done) { updater->check(true, done); });
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, "update.running");
    source.will_say(BundleAnswer::Kind::unchanged);
    source.will_say(BundleAnswer::Kind::nothing);
    source.answer();
    until([&] { return updater->report().result == "nothing"; });
    ASSERT_THAT(source.requests, SizeIs(2));
    EXPECT_FALSE(source.requests.front().forced);
    EXPECT_TRUE(source.requests.back().forced);
    EXPECT_EQ(updater->report().trigger, "force");
}

TEST_F(AnUpdater, asks_after_a_while_although_an_interface_never_settles) {
    setup.automatic = true;
    setup.settle_limit = 1ms;
    updater = std::make_unique<Updater>(loop, UpdateEngine::open(engine_setup()), setup);
    static_cast<void>(updater->line_up());
    updater->begin(swaps);
    until([&] { return source.requests.size() == 1; });
    EXPECT_EQ(updater->report().trigger, "start");
}

TEST_F(AnUpdater, asks_nobody_by_itself_when_it_is_switched_off_or_no_server_is_known) {
    start();
    loop.restart();
    loop.run_for(50ms);
    EXPECT_THAT(source.requests, IsEmpty());
    updater.reset();
    setup.automatic = true;
    setup.polls.first_retry = 1ms;
    source.server.clear();
    start();
    loop.restart();
    loop.run_for(50ms);
    EXPECT_THAT(source.requests, IsEmpty());
    EXPECT_EQ(updater->report().result, "");
    // The box has been paired.
    source.server = "https://shop.example.com";
    until([&] { return source.requests.size() == 1; });
}

TEST_F(AnUpdater, runs_with_the_plug_ins_of_the_box_when_its_folder_cannot_be_used) {
    setup.own = {own_plugin("acme_scale", "0.9.0")};
    updater = std::make_unique<Updater>(
        loop, failure("store.read_only", "the disk can only be read"), setup);
    line = updater->line_up();
    ASSERT_THAT(line.plugins, SizeIs(1));
    EXPECT_EQ(line.plugins.front().note->version, "0.9.0");
    updater->begin(swaps);
    updater->ready();
    for (const auto& ask : std::vector<std::function<void(Updates::Done)>>{
             [&](auto done) { updater->check(true, done); },
             [&](auto done) { updater->install({}, "x", false, done); },
             [&](auto done) { updater->pin("acme_scale", true, done); }}) {
        const auto refused = wait_for(ask);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, "update.unavailable");
        EXPECT_EQ(refused.error().text, "updates cannot run: the disk can only be read");
    }
    EXPECT_THAT(updater->problems(), ElementsAre("updates cannot run: the disk can only be read"));
    EXPECT_EQ(logged("update.unavailable"), 1u);
}

TEST_F(AnUpdater, starts_with_what_was_delivered_in_the_place_of_what_came_with_the_box) {
    setup.own = {own_plugin("acme_scale", "0.9.0"), own_plugin("serial", "1.0.0")};
    start();
    add("1.1.0/acme_scale.so");
    add("1.0.0/acme_display.so");
    ASSERT_TRUE(install(maker.zip(1)));
    restart();
    std::map<std::string, std::string> versions;
    for (const CataloguedPlugin& plugin : line.plugins)
        versions[plugin.name] = plugin.note->version;
    EXPECT_EQ(versions,
              (std::map<std::string, std::string>{
                  {"acme_display", "1.0.0"}, {"acme_scale", "1.1.0"}, {"serial", "1.0.0"}}));
    EXPECT_THAT(line.on_trial, ElementsAre("acme_display", "acme_scale"));
    until_over();
    EXPECT_THAT(swaps.calls, IsEmpty()) << "they run already";
    EXPECT_THAT(line.plugins.back().path, HasSubstr("bundle acme 1"));
}

TEST_F(AnUpdater, draws_no_conclusion_from_what_fails_because_the_box_ends) {
    start();
    swaps.hold = true;
    swaps.errors["swap acme_scale 1.1.0"] = {"box.stopping", "the box is stopping"};
    add("1.1.0/acme_scale.so");
    updater->install(maker.zip(1), "a file", false, {});
    until([&] { return swaps.was_asked("prepare acme_scale 1.1.0"); });
    swaps.hold = false;
    swaps.go_on();
    until([&] { return swaps.was_asked("swap acme_scale 1.1.0 on trial"); });
    updater->stop();
    swaps.watcher->trial_trouble("acme_scale", "it was ended");
    loop.restart();
    loop.run_for(50ms);
    const auto refused = wait_for([&](auto done) { updater->check(true, done); });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "update.stopping");
    swaps.errors.clear();
    restart();
    EXPECT_EQ(delivered("acme_scale").state, "trial");
    EXPECT_THAT(line.on_trial, ElementsAre("acme_scale"));
}

TEST_F(AnUpdater, may_end_in_the_middle_of_everything) {
    add("1.1.0/acme_scale.so");
    const bundle::Bytes zip = maker.zip(1);
    for (const char* last : {"", "prepare acme_scale 1.1.0", "swap acme_scale 1.1.0 on trial"}) {
        std::filesystem::remove_all(folder.file("updates"));
        restart();
        swaps.hold = true;
        updater->install(zip, "a file", false, {});
        if (*last)
            until([&] {
                for (auto& answer : std::exchange(swaps.held, {})) answer();
                return swaps.was_asked(last);
            });
        updater.reset();
        EXPECT_EQ(swaps.watcher, nullptr);
        swaps.go_on();
        loop.restart();
        loop.run_for(20ms);
        EXPECT_FALSE(swaps.was_asked("confirm acme_scale")) << last;
    }
}

}  // namespace
}  // namespace backplane::core
