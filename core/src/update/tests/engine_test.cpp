// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the engine accepts, tries, keeps and puts away. Quarantine and the owner: owner_test.cpp.
// Power cuts and damage: recovery_test.cpp.
#include "update/tests/engine_fixture.hpp"

namespace backplane::core::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AnUpdateEngine : public EngineTest {};

// --- bundles that are not taken ---

TEST_F(AnUpdateEngine, remembers_for_a_day_what_it_has_rejected) {
    const auto garbage = bytes_of("<html>Internal Server Error</html>");
    const auto answer = engine->accept(garbage, {"\"bad\"", false});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, "E_ZIP");
    EXPECT_EQ(engine->etag(false), "\"bad\"") << "the server is not asked for it again";
    EXPECT_EQ(engine->etag(true), "") << "somebody who asks gets an answer";

    now += 24h - 1s;
    open();
    EXPECT_EQ(engine->etag(false), "\"bad\"");
    now += 1s;
    EXPECT_EQ(engine->etag(false), "");
}

TEST_F(AnUpdateEngine, does_not_stretch_that_day_when_the_clock_is_set_back) {
    ASSERT_FALSE(engine->accept(bytes_of("no zip"), {"\"bad\"", false}));
    now -= 240h;
    EXPECT_EQ(engine->etag(false), "");
}

TEST_F(AnUpdateEngine, asks_again_after_an_update_of_the_box_or_a_change_of_trust) {
    deliver("1.0.0");
    ASSERT_FALSE(engine->accept(bytes_of("no zip"), {"\"bad\"", false}));
    const auto version = std::exchange(setup.policy.host_version, "0.2.0");
    open();
    EXPECT_EQ(engine->etag(false), "");
    setup.policy.host_version = version;
    setup.policy.enrolled.push_back(maker.root_key().public_key());
    open();
    EXPECT_EQ(engine->etag(false), "");
}

TEST_F(AnUpdateEngine, goes_back_to_the_accepted_etag_when_the_rejection_is_over) {
    deliver("1.0.0");
    ASSERT_FALSE(engine->accept(bytes_of("no zip"), {"\"bad\"", false}));
    EXPECT_EQ(engine->etag(false), "\"bad\"");
    now += 25h;
    EXPECT_EQ(engine->etag(false), "\"etag-1\"");
}

TEST_F(AnUpdateEngine, never_sends_back_an_etag_that_could_not_stand_in_a_header) {
    for (const std::string& etag :
         {std::string{"a\r\nX: y"}, std::string{"a b"}, std::string(2000, 'a')}) {
        ASSERT_FALSE(engine->accept(bytes_of("no zip"), {etag, false}));
        EXPECT_EQ(engine->etag(false), "");
    }
}

TEST_F(AnUpdateEngine, takes_a_good_bundle_beside_a_bad_one_but_not_the_etag_of_both) {
    BundleMaker stranger{"stranger"};
    stranger.add(test_plugin("1.0.0/acme_display.so"));
    put("1.0.0");
    auto both = maker.files(1);
    both.merge(stranger.files(1));
    const auto answer = offer(BundleMaker::zip_of(both), "\"both\"");
    ASSERT_THAT(answer.bundles, SizeIs(2));
    EXPECT_EQ(std::count_if(answer.bundles.begin(), answer.bundles.end(),
                            [](const auto& each) { return each.accepted; }),
              1);
    for (const auto& each : answer.bundles) {
        if (!each.accepted) {
            EXPECT_EQ(each.bundle, "stranger");
            EXPECT_EQ(each.code, "E_ROOT");
            EXPECT_THAT(each.text, HasSubstr("does not know who may sign"));
        }
    }
    EXPECT_EQ(summary(), "none, staged 1.0.0");
    EXPECT_EQ(engine->etag(false), "\"both\"") << "as rejected";
    now += 24h;
    EXPECT_EQ(engine->etag(false), "");
}

TEST_F(AnUpdateEngine, keeps_the_newer_root_of_a_bundle_that_it_rejects) {
    deliver("1.0.0");
    const auto old = maker.files(2);
    maker.rotate(BundleMaker::ReleaseKeys::change);
    auto broken = maker.files(2);
    broken.erase(std::find_if(broken.begin(), broken.end(), [](const auto& file) {
        return file.first.find("release.json.") != std::string::npos;
    }));
    const auto answer = offer(BundleMaker::zip_of(broken), "\"broken\"");
    ASSERT_THAT(answer.bundles, SizeIs(1));
    EXPECT_EQ(answer.bundles[0].code, "E_SIG");
    open();
    const auto replay = offer(BundleMaker::zip_of(old), "\"replay\"");
    EXPECT_FALSE(replay.bundles.at(0).accepted) << "signed by keys that the new root has removed";
    EXPECT_TRUE(offer(maker.zip(2), "\"good\"").bundles.at(0).accepted);
}

TEST_F(AnUpdateEngine, refuses_yesterdays_bundle_and_keeps_what_it_has) {
    put("1.0.0");
    const auto yesterday = maker.zip(1);
    release = 1;
    install("1.1.0");
    const auto answer = offer(yesterday, "\"old\"");
    EXPECT_EQ(answer.bundles.at(0).code, "E_ROLLBACK");
    EXPECT_EQ(summary(), "1.1.0");
}

TEST_F(AnUpdateEngine, does_not_hold_a_full_disk_against_a_bundle) {
    install("1.0.0");
    files.room = 8u << 20;
    put("1.1.0");
    const auto answer = engine->accept(maker.zip(2), {"\"etag-2\"", false});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, "E_SPACE");
    EXPECT_THAT(answer.error().text,
                AllOf(HasSubstr("8192 KiB to spare, but only 8192 KiB are free"),
                      HasSubstr("make room on the disk")));
    EXPECT_EQ(engine->etag(false), "\"etag-1\"") << "the next answer brings it again";
    EXPECT_EQ(summary(), "1.0.0");
    files.room = 100u << 20;
    EXPECT_THAT(offer(maker.zip(2), "\"etag-2\"").staged, SizeIs(1));
}

TEST_F(AnUpdateEngine, finds_nothing_in_the_modules_of_others_and_need_not_see_them_again) {
    const auto zip = BundleMaker::zip_of({{"drivers/printer_driver.py", bytes_of("import os\n")}});
    const auto answer = offer(zip, "\"python\"");
    EXPECT_THAT(answer.bundles, IsEmpty());
    EXPECT_EQ(answer.foreign_files, 1u);
    EXPECT_EQ(engine->etag(false), "\"python\"");
}

// --- from staged to good ---

TEST_F(AnUpdateEngine, stages_what_it_accepts_and_runs_nothing_of_it_yet) {
    const auto answer = deliver("1.0.0");
    ASSERT_THAT(answer.staged, SizeIs(1));
    EXPECT_EQ(answer.staged[0].version, "1.0.0");
    EXPECT_EQ(answer.staged[0].bundle, "acme");
    EXPECT_THAT(answer.staged[0].signer, HasSubstr("release of acme"));
    EXPECT_EQ(summary(), "none, staged 1.0.0");
    EXPECT_EQ(engine->etag(false), "\"etag-1\"");
    EXPECT_THAT(started(), IsEmpty());
    const auto start = engine->start();
    ASSERT_TRUE(start);
    EXPECT_THAT(start->still_staged, SizeIs(1));
    const auto loaded = engine->load(answer.staged[0]);
    ASSERT_TRUE(loaded) << loaded.error().text;
    EXPECT_EQ(loaded->note.version, "1.0.0");
    EXPECT_TRUE(loaded->bytes);
}

TEST_F(AnUpdateEngine, stages_nothing_of_a_bundle_that_it_has_already) {
    install("1.0.0");
    const auto again = offer(maker.zip(1), "\"other-etag\"");
    EXPECT_TRUE(again.bundles.at(0).accepted);
    EXPECT_TRUE(again.bundles.at(0).unchanged);
    EXPECT_THAT(again.staged, IsEmpty());
    EXPECT_EQ(engine->etag(false), "\"other-etag\"");
}

TEST_F(AnUpdateEngine, counts_a_check_before_it_begins_and_gives_up_after_three) {
    deliver("1.0.0");
    for (int i = 0; i < 3; ++i) {
        const auto may = engine->begin_preflight("acme_scale");
        ASSERT_TRUE(may && *may) << i;
        open();  // the box died in it
    }
    const auto may = engine->begin_preflight("acme_scale");
    ASSERT_TRUE(may);
    EXPECT_FALSE(*may);
    EXPECT_EQ(summary(), "none, quarantined 1.0.0");
    EXPECT_THAT(record().quarantine.at(0).reason, HasSubstr("begun 3 times"));
}

TEST_F(AnUpdateEngine, puts_away_what_fails_its_check_for_good_at_once) {
    deliver("1.0.0");
    ok(engine->begin_preflight("acme_scale"));
    ok(engine->preflight_failed("acme_scale", "busy", false));
    EXPECT_EQ(summary(), "none, staged 1.0.0");
    EXPECT_THAT(record().reason, HasSubstr("1.0.0 could not be tried: busy"));
    ok(engine->preflight_failed("acme_scale", "its constructor crashed", true));
    EXPECT_EQ(summary(), "none, quarantined 1.0.0");
    EXPECT_EQ(record().reason, "acme_scale 1.0.0 was put away: its constructor crashed");
}

TEST_F(AnUpdateEngine, counts_each_start_of_a_build_on_trial_and_rolls_back_after_three) {
    install("1.0.0");
    deliver("1.1.0");
    try_it();
    EXPECT_EQ(record().trial_starts, 1u);
    for (unsigned start = 2; start <= 3; ++start) {
        open();
        EXPECT_THAT(started(), ElementsAre("acme_scale 1.1.0"));
        EXPECT_EQ(record().trial_starts, start);
    }
    open();
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
    EXPECT_EQ(summary(), "1.0.0, quarantined 1.1.0");
    EXPECT_THAT(record().quarantine.at(0).reason, HasSubstr("started 3 times on trial"));
}

TEST_F(AnUpdateEngine, returns_to_the_last_good_build_and_still_knows_the_one_before) {
    install("1.0.0");
    install("1.1.0");
    EXPECT_EQ(summary(), "1.1.0, good 1.0.0");
    deliver("1.2.0");
    try_it();
    EXPECT_EQ(summary(), "1.2.0 on trial, good 1.1.0");
    const auto instead = engine->trial_failed("acme_scale", "crashed at open");
    ASSERT_TRUE(instead && *instead);
    EXPECT_EQ((*instead)->version, "1.1.0");
    EXPECT_EQ(summary(), "1.1.0, good 1.0.0, quarantined 1.2.0");
    open();
    EXPECT_EQ(summary(), "1.1.0, good 1.0.0, quarantined 1.2.0");
    EXPECT_EQ(record().quarantine.at(0).reason, "crashed at open");
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.1.0"));
}

TEST_F(AnUpdateEngine, lets_the_oldest_build_go_when_a_trial_ends_well) {
    install("1.0.0");
    install("1.1.0");
    install("1.2.0");
    EXPECT_EQ(summary(), "1.2.0, good 1.1.0");
    ok(engine->collect_garbage());
    EXPECT_EQ(blobs(), 2u);
    EXPECT_FALSE(std::filesystem::exists(blob("1.0.0")));
}

TEST_F(AnUpdateEngine, never_comes_back_to_a_build_that_has_not_proved_itself) {
    install("1.0.0");
    deliver("1.1.0");
    try_it();
    deliver("1.2.0");
    EXPECT_EQ(summary(), "1.1.0 on trial, good 1.0.0, staged 1.2.0");
    try_it();
    EXPECT_EQ(summary(), "1.2.0 on trial, good 1.0.0");
}

TEST_F(AnUpdateEngine, goes_down_to_an_older_version_when_a_newer_release_says_so) {
    install("1.0.0");
    install("1.1.0");
    const auto answer = deliver("1.0.0");
    EXPECT_THAT(answer.staged, SizeIs(1));
    try_it();
    EXPECT_EQ(summary(), "1.0.0 on trial, good 1.1.0");
}

TEST_F(AnUpdateEngine, has_no_verdict_on_what_is_not_on_trial) {
    EXPECT_EQ(engine->begin_preflight("acme_scale").error().code, "update.unknown_plugin");
    EXPECT_THAT(engine->confirm("nobody").error().text, HasSubstr("\"nobody\""));
    install("1.0.0");
    EXPECT_EQ(engine->trial_failed("acme_scale", "x").error().code, "update.state");
    EXPECT_EQ(engine->confirm("acme_scale").error().code, "update.state");
    EXPECT_EQ(engine->begin_trial("acme_scale").error().code, "update.state");
    EXPECT_EQ(summary(), "1.0.0");
}

// --- withdrawn, below the floor, no longer there ---

TEST_F(AnUpdateEngine, falls_back_when_what_runs_was_withdrawn) {
    install("1.0.0");
    install("1.1.0");
    maker.remove("acme_scale");
    maker.add(test_plugin("1.0.0/acme_display.so"));
    maker.withdraw(hash("1.1.0"), "weighs wrong");
    const auto answer = deliver();
    EXPECT_THAT(answer.disabled, ElementsAre("acme_scale"));
    EXPECT_EQ(summary(), "1.0.0");
    EXPECT_THAT(record().reason, HasSubstr("withdrawn by its publisher (weighs wrong)"));
}

TEST_F(AnUpdateEngine, runs_nothing_when_all_that_it_has_was_withdrawn) {
    install("1.0.0");
    maker.withdraw(hash("1.0.0"), "weighs wrong");
    EXPECT_THAT(deliver().disabled, ElementsAre("acme_scale"));
    EXPECT_EQ(summary(), "none, disabled");
    open();
    const auto start = engine->start();
    ASSERT_TRUE(start);
    EXPECT_THAT(start->disabled, ElementsAre("acme_scale"));
    EXPECT_THAT(deliver("1.1.0").staged, SizeIs(1)) << "a sound build ends it";
    try_it();
    EXPECT_EQ(summary(), "1.1.0 on trial");
}

TEST_F(AnUpdateEngine, leaves_the_place_to_the_box_when_what_runs_was_withdrawn) {
    setup.own = {{"acme_scale", "com.example.acme-scale", "0.9.0"}};
    open();
    install("1.0.0");
    maker.withdraw(hash("1.0.0"), "weighs wrong");
    EXPECT_THAT(deliver().disabled, ElementsAre("acme_scale"));
    EXPECT_EQ(summary(), "none");
}

TEST_F(AnUpdateEngine, lets_a_withdrawn_build_run_until_its_successor_is_up) {
    install("1.0.0");
    maker.withdraw(hash("1.0.0"), "weighs wrong");
    const auto answer = deliver("1.1.0");
    EXPECT_THAT(answer.disabled, IsEmpty());
    EXPECT_EQ(summary(), "1.0.0, staged 1.1.0");
    EXPECT_THAT(engine->warnings(), Contains(HasSubstr("it still runs")));
    try_it();
    ok(engine->trial_failed("acme_scale", "crashed"));
    EXPECT_EQ(summary(), "none, quarantined 1.1.0") << "not back to what was withdrawn";
}

TEST_F(AnUpdateEngine, obeys_a_floor_that_came_with_a_new_box) {
    install("1.0.0");
    install("1.1.0");
    setup.policy.floors["acme_scale"] = "1.2.0";
    open();
    EXPECT_THAT(started(), IsEmpty());
    EXPECT_EQ(summary(), "none, disabled");
    EXPECT_THAT(record().reason, HasSubstr("older than 1.2.0"));
}

TEST_F(AnUpdateEngine, lets_run_what_a_release_no_longer_lists) {
    install("1.0.0");
    maker.remove("acme_scale");
    maker.add(test_plugin("1.0.0/acme_display.so"));
    EXPECT_THAT(deliver().disabled, IsEmpty());
    EXPECT_EQ(summary(), "1.0.0");
    EXPECT_THAT(record().reason, HasSubstr("no longer in the release 2"));
    ok(engine->collect_garbage());
    open();
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
}

// --- beside the box's own plug-ins ---

TEST_F(AnUpdateEngine, leaves_out_what_the_box_has_newer_itself) {
    setup.own = {{"acme_scale", "com.example.acme-scale", "1.1.0"}};
    open();
    const auto answer = deliver("1.0.0");
    EXPECT_THAT(answer.staged, IsEmpty());
    ASSERT_THAT(answer.left_out, SizeIs(1));
    EXPECT_EQ(answer.left_out[0].error.code, "update.own_newer");
    EXPECT_THAT(answer.left_out[0].error.text, HasSubstr("the box itself has 1.1.0"));
}

TEST_F(AnUpdateEngine, yields_to_a_newer_plugin_of_an_upgraded_box) {
    install("1.0.0");
    setup.own = {{"acme_scale", "com.example.acme-scale", "1.2.0"}};
    open();
    EXPECT_THAT(started(), IsEmpty());
    EXPECT_EQ(summary(), "none");
    EXPECT_THAT(record().reason, HasSubstr("the box itself has 1.2.0, which is newer than 1.0.0"));
}

TEST_F(AnUpdateEngine, does_not_give_the_name_of_one_bundle_to_another) {
    install("1.0.0");
    BundleMaker other{"other"};
    other.add(test_plugin("1.1.0/acme_scale.so"));
    setup.pinned_roots["other"] = other.root();
    open();
    const auto answer = offer(other.zip(1), "\"other\"");
    EXPECT_THAT(answer.staged, IsEmpty());
    EXPECT_EQ(answer.left_out.at(0).error.code, "E_NAME");
    EXPECT_EQ(summary(), "1.0.0");
}

// --- time and keys ---

TEST_F(AnUpdateEngine, is_not_taken_in_by_a_clock_that_was_set_back) {
    now = maker.issued + std::chrono::days{300};
    deliver("1.0.0");
    maker.expires = maker.issued + std::chrono::days{100};
    put("1.1.0");
    now = maker.issued + std::chrono::days{1};  // the battery of the clock is empty
    open();
    const auto answer = offer(maker.zip(2), "\"2\"");
    EXPECT_EQ(answer.bundles.at(0).code, "E_EXPIRED");
}

TEST_F(AnUpdateEngine, goes_on_running_what_has_expired_and_says_so) {
    install("1.0.0");
    now = maker.expires + std::chrono::days{400};
    open();
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
    EXPECT_THAT(engine->warnings(),
                Contains(AllOf(HasSubstr("release 1 of the bundle \"acme\" was valid until"),
                               HasSubstr("run on"))));
}

TEST_F(AnUpdateEngine, says_when_no_server_has_answered_for_a_month) {
    deliver("1.0.0");
    now += std::chrono::days{31};
    EXPECT_THAT(engine->warnings(), Contains(HasSubstr("for 31 days")));
    ok(engine->contacted("\"etag-1\""));
    EXPECT_THAT(engine->warnings(), IsEmpty());
}

TEST_F(AnUpdateEngine, runs_nothing_any_more_of_whom_the_owner_trusts_no_more) {
    install("1.0.0");
    setup.pinned_roots.clear();
    open();
    const auto started = engine->start();
    ASSERT_TRUE(started) << started.error().text;
    EXPECT_TRUE(started->run.empty());
    EXPECT_THAT(engine->repairs(), Contains(HasSubstr("backplane trust add")));
}

TEST_F(AnUpdateEngine, does_not_stay_with_whom_development_mode_has_let_in) {
    setup.pinned_roots.clear();
    setup.policy.development = true;
    open();
    install("1.0.0");
    setup.policy.development = false;
    open();
    put("1.1.0");
    const auto later = offer(maker.zip(++release), "\"x\"");
    ASSERT_EQ(later.bundles.size(), 1u);
    EXPECT_FALSE(later.bundles.front().accepted);
    EXPECT_EQ(later.bundles.front().code, "E_ROOT");
    const auto started = engine->start();
    ASSERT_TRUE(started) << started.error().text;
    EXPECT_TRUE(started->run.empty()) << "nor runs what it has brought";
}

TEST_F(AnUpdateEngine, heeds_a_key_that_the_owner_adds_while_the_box_runs) {
    setup.pinned_roots.clear();
    UpdateEngine::Trust trust;
    setup.trust = [&trust] { return trust; };
    open();
    put("1.0.0");
    EXPECT_EQ(offer(maker.zip(++release), "\"x\"").bundles.front().code, "E_ROOT");
    EXPECT_EQ(engine->etag(false), "\"x\"");
    trust.enrolled.push_back(maker.root_key().public_key());
    EXPECT_EQ(engine->etag(false), "") << "what was refused may be accepted now";
    EXPECT_TRUE(offer(maker.zip(release), "\"x\"").bundles.front().accepted);
}

TEST_F(AnUpdateEngine, shows_that_it_is_in_development_mode) {
    setup.policy.development = true;
    open();
    EXPECT_THAT(engine->warnings(), ElementsAre(HasSubstr("development mode")));
}

TEST_F(AnUpdateEngine, goes_on_running_what_was_signed_with_keys_that_have_changed_since) {
    install("1.0.0");
    maker.rotate(BundleMaker::ReleaseKeys::change);
    EXPECT_THAT(deliver("1.1.0").staged, SizeIs(1));
    ok(engine->collect_garbage());
    open();
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
}

TEST_F(AnUpdateEngine, lets_versions_begin_anew_after_the_release_keys_have_changed) {
    put("1.0.0");
    offer(maker.zip(1'000'000), "\"fast-forward\"");
    maker.rotate(BundleMaker::ReleaseKeys::change);
    EXPECT_TRUE(offer(maker.zip(2), "\"2\"").bundles.at(0).accepted);
}

}  // namespace
}  // namespace backplane::core::testing
