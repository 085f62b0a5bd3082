// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The rules on values alone: what needs more builds and vendors than a bundle on a disk would be worth.
#include "update/plugin_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backplane::core {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class TheRules : public testing::Test {
protected:
    TheRules() {
        row.record.name = "acme_scale";
        snapshot.bundles["acme"].documents = "1-0123456789abcdef";
        accepted.bundle = "acme";
        accepted.release.bundle = "acme";
        accepted.release.version = 2;
    }
    static PluginBuild build(const std::string& version, const std::string& vendor = {}) {
        PluginBuild build;
        build.name = "acme_scale";
        build.kind = "driver";
        build.version = version;
        build.sha256 = "hash of " + version;
        build.bundle = "acme";
        build.vendor = vendor;
        build.documents = "1-0123456789abcdef";
        return build;
    }
    static bundle::ManifestPlugin listed(const std::string& version, const std::string& floor) {
        bundle::ManifestPlugin plugin;
        plugin.name = "acme_scale";
        plugin.kind = "driver";
        plugin.version = version;
        plugin.floor = floor;
        plugin.files["any"].sha256 = "hash of " + version;
        return plugin;
    }

    std::vector<OwnPlugin> own;
    PluginRules::Floors floors;
    PluginRules rules{own, floors, 1000};
    Snapshot snapshot;
    PluginRow row;
    bundle::VerifiedBundle accepted;
    UpdateEngine::Acceptance acceptance;
};

TEST_F(TheRules, remember_the_eight_builds_that_failed_last) {
    for (int i = 0; i < 12; ++i)
        rules.quarantine(row, build("1.0." + std::to_string(i)), snapshot, "crashed");
    ASSERT_THAT(row.record.quarantine, SizeIs(8));
    EXPECT_EQ(row.record.quarantine.front().version, "1.0.11");
    EXPECT_EQ(row.record.quarantine.back().version, "1.0.4");
    rules.quarantine(row, build("1.0.5"), snapshot, "crashed again");
    ASSERT_THAT(row.record.quarantine, SizeIs(8));
    EXPECT_EQ(row.record.quarantine.front().version, "1.0.5") << "newest first";
    EXPECT_EQ(row.record.quarantine.front().count, 2u);
}

TEST_F(TheRules, keep_no_more_of_a_reason_than_a_person_would_read) {
    rules.quarantine(row, build("1.0.0"), snapshot, "\x1b[2J" + std::string(100'000, 'x'));
    EXPECT_LE(row.record.quarantine.front().reason.size(), 500u);
    EXPECT_THAT(row.record.quarantine.front().reason, testing::StartsWith("\\x1b[2J"));
    EXPECT_LE(row.record.reason.size(), 500u);
}

TEST_F(TheRules, let_a_vendor_withdraw_its_own_builds_only) {
    snapshot.bundles["acme"].withdrawn = {{"rival", "hash of 1.0.0", "we do not like it"}};
    EXPECT_FALSE(rules.why_not(row, build("1.0.0"), snapshot));
    EXPECT_FALSE(rules.why_not(row, build("1.0.0", "maker"), snapshot));
    EXPECT_TRUE(rules.why_not(row, build("1.0.0", "rival"), snapshot));
    PluginBuild elsewhere = build("1.0.0", "rival");
    elsewhere.bundle = "other";
    EXPECT_FALSE(rules.why_not(row, elsewhere, snapshot)) << "another bundle, another matter";
    snapshot.bundles["acme"].withdrawn = {{"", "hash of 1.0.0", "weighs wrong"}};
    const auto banned = rules.why_not(row, build("1.0.0", "maker"), snapshot);
    ASSERT_TRUE(banned);
    EXPECT_EQ(banned->code, "update.withdrawn");
    EXPECT_THAT(banned->text, HasSubstr("(weighs wrong): install a newer version"));
}

TEST_F(TheRules, obey_the_higher_of_two_floors) {
    row.floor = "1.1.0";
    EXPECT_TRUE(rules.why_not(row, build("1.0.9"), snapshot));
    EXPECT_FALSE(rules.why_not(row, build("1.1.0"), snapshot));
    floors["acme_scale"] = "1.10.0";
    EXPECT_EQ(rules.why_not(row, build("1.9.0"), snapshot)->code, "update.below_floor");
    row.floor = "2.0.0";
    EXPECT_TRUE(rules.why_not(row, build("1.10.0"), snapshot));
}

TEST_F(TheRules, take_the_highest_floor_of_a_release_that_lists_a_plugin_twice) {
    row.record.active = build("1.0.0");
    snapshot.plugins["acme_scale"] = row;
    accepted.release.plugins = {listed("1.0.0", "0.5.0"), listed("2.0.0", "1.5.0")};
    rules.apply(snapshot, accepted, "2-0123456789abcdef", false, acceptance);
    EXPECT_EQ(snapshot.plugins["acme_scale"].floor, "1.5.0");
    EXPECT_THAT(acceptance.disabled, testing::ElementsAre("acme_scale"));
}

TEST_F(TheRules, hold_nothing_against_the_plugins_of_a_vendor_whose_manifest_was_damaged) {
    row.record.active = build("1.0.0", "maker");
    row.record.staged = build("1.1.0", "maker");
    snapshot.plugins["acme_scale"] = row;
    snapshot.bundles["acme"].withdrawn = {{"maker", "hash of 0.9.0", "old"}, {"", "x", "old"}};
    accepted.refused = {{"vendor maker", Error{"E_DELEG", "its signature does not fit"}}};
    rules.apply(snapshot, accepted, "2-0123456789abcdef", false, acceptance);
    EXPECT_TRUE(snapshot.plugins["acme_scale"].record.staged);
    EXPECT_EQ(snapshot.plugins["acme_scale"].record.reason, "");
    ASSERT_THAT(snapshot.bundles["acme"].withdrawn, SizeIs(1));
    EXPECT_EQ(snapshot.bundles["acme"].withdrawn[0].vendor, "maker")
        << "it has not taken that back";
}

TEST_F(TheRules, drop_what_waits_when_a_release_no_longer_lists_it) {
    row.record.active = build("1.0.0");
    row.record.staged = build("1.1.0");
    row.put_away = build("1.2.0");
    snapshot.plugins["acme_scale"] = row;
    rules.apply(snapshot, accepted, "2-0123456789abcdef", false, acceptance);
    const PluginRow& after = snapshot.plugins["acme_scale"];
    EXPECT_TRUE(after.record.active);
    EXPECT_FALSE(after.record.staged);
    EXPECT_FALSE(after.put_away);
    EXPECT_THAT(acceptance.disabled, IsEmpty());
}

}  // namespace
}  // namespace backplane::core
