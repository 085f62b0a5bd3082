// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A server, or whoever sits in between, that delivers old but genuine bundles in any order: the box never goes back.
#include <gtest/gtest.h>

#include <random>

#include "publisher.hpp"

namespace backplane::core::bundle::testing {
namespace {

struct Delivered {
    Files files;
    std::uint64_t root = 1, version = 0, vendor = 0;
};

/// Six years of one publisher: releases 5 to 16 under roots 1 to 4; root 3 has new release keys.
std::vector<Delivered> history() {
    Publisher publisher;
    std::vector<Delivered> out;
    for (std::uint64_t version = 5; version <= 16; ++version) {
        if (version == 8 || version == 14) publisher.add_root();
        if (version == 11) {
            Root& root = publisher.add_root();
            root.release = role_of({8, 9, 10}, 2);
            root.version_floor = 11;
            publisher.release.signers = {8, 9};
        }
        publisher.release.manifest.version = version;
        publisher.release.manifest.root_version = publisher.roots.back().root.version;
        publisher.vendors.front().manifest.version = version / 2;
        out.push_back(
            {publisher.files(), publisher.roots.back().root.version, version, version / 2});
    }
    return out;
}

class AReplay : public ::testing::Test {
protected:
    /// What the box does with what it is given: as the update does, but in memory.
    std::string take(const Files& files) {
        auto verification = verify_files(MemoryFiles{files}, box_.trust, box_.policy);
        for (const auto& each : verification.bundles) box_.remember(each);
        for (const auto& each : verification.rejected) {
            if (each.root_bytes)
                box_.trust["acme"].root = std::make_shared<const Bytes>(*each.root_bytes);
            if (each.resets_version) box_.trust["acme"].highest_version = 0;
        }
        return outcome(verification);
    }
    std::uint64_t version() { return box_.trust["acme"].highest_version; }
    std::uint64_t root() { return parse_root(*box_.trust["acme"].root)->version; }

    const std::vector<Delivered> history_ = history();
    Publisher box_;
};

TEST_F(AReplay, of_every_release_in_its_order_is_what_a_box_lives_through) {
    for (const auto& each : history_) {
        EXPECT_EQ(take(each.files), "accepted") << each.version;
        EXPECT_EQ(version(), each.version);
        EXPECT_EQ(root(), each.root);
        EXPECT_EQ(take(each.files), "accepted unchanged") << each.version;
    }
}

TEST_F(AReplay, of_anything_older_is_refused_at_any_time) {
    for (std::size_t now = 0; now < history_.size(); ++now) {
        ASSERT_EQ(take(history_[now].files), "accepted");
        for (std::size_t before = 0; before < now; ++before) {
            const auto found = take(history_[before].files);
            EXPECT_TRUE(found.starts_with("rejected "))
                << found << ": release " << history_[before].version << " after "
                << history_[now].version;
            EXPECT_EQ(version(), history_[now].version);
            EXPECT_EQ(root(), history_[now].root);
        }
    }
}

TEST_F(AReplay, in_any_order_never_goes_back) {
    std::mt19937 random{
        20261122};  // NOLINT: the same every time, so that a failure can be repeated
    for (int round = 0; round < 30; ++round) {
        box_ = Publisher{};
        std::uint64_t highest = 4, newest_root = 1, vendor = 0;
        for (int i = 0; i < 20; ++i) {
            const auto& each = history_[random() % history_.size()];
            const auto found = take(each.files);
            EXPECT_EQ(found.starts_with("accepted"), each.version >= highest)
                << found << ": release " << each.version << " after " << highest;
            highest = std::max(highest, each.version);
            newest_root = std::max(newest_root, each.root);
            EXPECT_EQ(version(), highest);
            EXPECT_EQ(root(), newest_root);
            EXPECT_GE(box_.trust["acme"].vendors["blue"].version, vendor);
            vendor = box_.trust["acme"].vendors["blue"].version;
        }
    }
}

TEST_F(AReplay, of_documents_of_two_releases_mixed_is_refused) {
    for (std::size_t a = 0; a + 1 < history_.size(); ++a) {
        box_ = Publisher{};
        ASSERT_EQ(take(history_[a].files), "accepted");
        auto mixed = history_[a + 1].files;
        mixed[release_name("acme")] = history_[a].files.at(release_name("acme"));
        EXPECT_EQ(take(mixed), "rejected E_SIG") << history_[a].version;
        // Where the release keys have changed, the number of the last release no longer counts; its keys do not either.
        const bool keys_changed = history_[a].root < 3 && history_[a + 1].root >= 3;
        EXPECT_EQ(take(history_[a].files), keys_changed ? "rejected E_SIG" : "accepted unchanged");
    }
}

TEST_F(AReplay, of_an_old_vendor_beside_a_new_release_leaves_the_vendor_out) {
    ASSERT_EQ(take(history_[3].files), "accepted");
    auto mixed = history_[4].files;
    const auto document = vendor_name("acme", "blue");
    for (auto& [name, content] : mixed) {
        if (name.starts_with(document)) content = history_[0].files.at(name);
    }
    EXPECT_EQ(take(mixed), "accepted, left out: vendor blue E_ROLLBACK");
    EXPECT_EQ(box_.trust["acme"].vendors["blue"].version, history_[3].vendor);
}

TEST_F(AReplay, after_the_release_keys_were_revoked_is_refused_although_the_version_was_reset) {
    box_.trust["acme"].highest_version = 1'000'000;  // somebody had the old keys
    EXPECT_EQ(take(history_[0].files), "rejected E_ROLLBACK");
    EXPECT_EQ(take(history_[6].files), "accepted");  // release 11, root 3 with new keys
    EXPECT_EQ(version(), 11u);
    for (std::size_t before = 0; before < 6; ++before)
        EXPECT_EQ(take(history_[before].files), "rejected E_SIG");
}

TEST_F(AReplay, of_a_bundle_without_its_newest_root_is_refused_when_the_box_knows_it) {
    ASSERT_EQ(take(history_.back().files), "accepted");
    auto stripped = history_.front().files;
    EXPECT_EQ(take(stripped), "rejected E_SIG");
    EXPECT_EQ(root(), history_.back().root);
}

}  // namespace
}  // namespace backplane::core::bundle::testing
