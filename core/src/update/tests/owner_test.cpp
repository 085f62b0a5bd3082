// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Builds that were put away, and what the owner of a box may ask for: release, rollback, pin.
#include "update/tests/engine_fixture.hpp"

namespace backplane::core::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AnOwner : public EngineTest {};

// --- quarantine ---

TEST_F(AnOwner, is_not_asked_for_what_was_put_away_and_it_is_not_tried_again) {
    deliver("1.0.0");
    ok(engine->preflight_failed("acme_scale", "crashed", true));
    open();
    const auto again = offer(maker.zip(1), "\"again\"");
    EXPECT_THAT(again.staged, IsEmpty());
    ASSERT_THAT(again.left_out, SizeIs(1));
    EXPECT_EQ(again.left_out[0].error.code, "E_QUARANTINED");
    EXPECT_THAT(deliver("1.1.0").staged, SizeIs(1)) << "another build is another matter";
}

TEST_F(AnOwner, gets_one_more_trial_for_each_press_of_the_button) {
    deliver("1.0.0");
    ok(engine->preflight_failed("acme_scale", "crashed", true));
    EXPECT_THAT(offer(maker.zip(1), "\"1\"", true).staged, SizeIs(1));
    EXPECT_EQ(record().quarantine.at(0).granted, now.time_since_epoch().count());
    try_it();
    EXPECT_EQ(summary(), "1.0.0 on trial, quarantined 1.0.0");
    ok(engine->trial_failed("acme_scale", "crashed again"));
    EXPECT_EQ(record().quarantine.at(0).count, 2u);
    EXPECT_EQ(record().quarantine.at(0).granted, 0);
    EXPECT_THAT(offer(maker.zip(1), "\"1\"").staged, IsEmpty()) << "that one was used up";
    EXPECT_THAT(offer(maker.zip(1), "\"1\"", true).staged, SizeIs(1));
    try_it();
    ok(engine->confirm("acme_scale"));
    EXPECT_EQ(summary(), "1.0.0") << "who has proved itself is free";
}

TEST_F(AnOwner, releases_a_build_without_a_server) {
    deliver("1.0.0");
    ok(engine->preflight_failed("acme_scale", "crashed", true));
    ok(engine->collect_garbage());
    const auto staged = engine->release("acme_scale");
    ASSERT_TRUE(staged && *staged);
    EXPECT_EQ((*staged)->version, "1.0.0");
    EXPECT_EQ(summary(), "none, staged 1.0.0");
    EXPECT_TRUE(engine->load(**staged));
}

TEST_F(AnOwner, gets_a_released_build_again_when_it_is_no_longer_there) {
    deliver("1.0.0");
    ok(engine->preflight_failed("acme_scale", "crashed", true));
    std::filesystem::remove(blob("1.0.0"));
    const auto staged = engine->release("acme_scale");
    ASSERT_TRUE(staged);
    EXPECT_FALSE(*staged);
    EXPECT_EQ(engine->etag(false), "");
    EXPECT_THAT(offer(maker.zip(1), "\"1\"").staged, SizeIs(1));
}

TEST_F(AnOwner, does_not_get_back_a_released_build_that_a_release_has_replaced) {
    deliver("1.0.0");
    ok(engine->preflight_failed("acme_scale", "crashed", true));
    install("1.1.0");
    const auto staged = engine->release("acme_scale");
    ASSERT_TRUE(staged);
    EXPECT_FALSE(*staged);
    EXPECT_EQ(summary(), "1.1.0");
}

// --- the owner ---

TEST_F(AnOwner, goes_back_and_stays_there) {
    install("1.0.0");
    install("1.1.0");
    const auto instead = engine->roll_back("acme_scale");
    ASSERT_TRUE(instead && *instead);
    EXPECT_EQ((*instead)->version, "1.0.0");
    EXPECT_EQ(summary(), "1.0.0, quarantined 1.1.0");
    EXPECT_EQ(record().quarantine.at(0).reason, "rolled back by the owner");
    EXPECT_THAT(offer(maker.zip(2), "\"2\"").staged, IsEmpty());
}

TEST_F(AnOwner, is_told_when_there_is_nothing_to_go_back_to) {
    install("1.0.0");
    const auto answer = engine->roll_back("acme_scale");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, "update.no_last_good");
    EXPECT_THAT(answer.error().text, HasSubstr("there is no build of acme_scale to go back to"));
    EXPECT_EQ(summary(), "1.0.0");
}

TEST_F(AnOwner, goes_back_to_what_came_with_the_box) {
    setup.own = {{"acme_scale", "com.example.acme-scale", "0.9.0"}};
    open();
    install("1.0.0");
    const auto answer = engine->roll_back("acme_scale");
    ASSERT_TRUE(answer);
    EXPECT_FALSE(*answer);
    EXPECT_EQ(summary(), "none, quarantined 1.0.0");
    EXPECT_THAT(started(), IsEmpty());
}

TEST_F(AnOwner, does_not_go_back_below_the_floor) {
    install("1.0.0");
    put("1.1.0");
    maker.set_floor("acme_scale", "1.1.0");
    deliver();
    try_it();
    ok(engine->confirm("acme_scale"));
    const auto answer = engine->roll_back("acme_scale");
    ASSERT_FALSE(answer);
    // The build below the floor was not kept as something to come back to.
    EXPECT_EQ(answer.error().code, "update.no_last_good");
    EXPECT_EQ(summary(), "1.1.0");
}

TEST_F(AnOwner, does_not_go_back_below_a_floor_that_was_raised_later) {
    install("1.0.0");
    install("1.1.0");
    maker.set_floor("acme_scale", "1.1.0");
    deliver();
    const auto answer = engine->roll_back("acme_scale");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, "update.below_floor");
    EXPECT_THAT(answer.error().text, HasSubstr("acme_scale 1.0.0 is older than 1.1.0"));
}

TEST_F(AnOwner, keeps_what_is_pinned_and_gets_the_new_one_afterwards) {
    install("1.0.0");
    ok(engine->pin("acme_scale", true));
    const auto answer = deliver("1.1.0");
    EXPECT_THAT(answer.staged, IsEmpty());
    ASSERT_THAT(answer.left_out, SizeIs(1));
    EXPECT_EQ(answer.left_out[0].error.code, "update.pinned");
    EXPECT_THAT(answer.left_out[0].error.text, HasSubstr("acme_scale is pinned to 1.0.0"));
    open();
    EXPECT_EQ(summary(), "1.0.0, pinned");
    ok(engine->pin("acme_scale", false));
    EXPECT_EQ(engine->etag(false), "");
    EXPECT_THAT(offer(maker.zip(2), "\"2\"").staged, SizeIs(1));
}

TEST_F(AnOwner, cannot_pin_what_was_withdrawn) {
    install("1.0.0");
    ok(engine->pin("acme_scale", true));
    maker.withdraw(hash("1.0.0"), "weighs wrong");
    EXPECT_THAT(deliver("1.1.0").staged, SizeIs(1));
}

TEST_F(AnOwner, pins_what_came_with_the_box_too) {
    EXPECT_EQ(engine->pin("acme_scale", true).error().code, "update.unknown_plugin");
    setup.own = {{"acme_scale", "com.example.acme-scale", "0.9.0"}};
    open();
    ok(engine->pin("acme_scale", true));
    EXPECT_THAT(deliver("1.0.0").left_out.at(0).error.text,
                HasSubstr("pinned to the box's own version"));
}

}  // namespace
}  // namespace backplane::core::testing
