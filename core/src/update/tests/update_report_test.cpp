// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/update_report.hpp"

#include <gmock/gmock.h>

namespace backplane::core {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

PluginBuild build(const std::string& version, const std::string& sha256) {
    PluginBuild out;
    out.name = "acme_scale";
    out.kind = "driver";
    out.version = version;
    out.sha256 = sha256;
    out.bundle = "acme";
    out.release_version = 12;
    out.signer = "RWQabc";
    return out;
}

DeliveredPlugin shown(const PluginRecord& record, const std::vector<OwnPlugin>& own = {}) {
    return delivered_plugins({record}, own).at(0);
}

TEST(AnUpdateReport, tells_durations_as_people_do) {
    EXPECT_EQ(duration_text(0ms), "0 seconds");
    EXPECT_EQ(duration_text(1ms), "1 second");
    EXPECT_EQ(duration_text(45s), "45 seconds");
    EXPECT_EQ(duration_text(60s), "1 minute");
    EXPECT_EQ(duration_text(90s), "90 seconds");
    EXPECT_EQ(duration_text(10min), "10 minutes");
    EXPECT_EQ(duration_text(24h), "24 hours");
}

TEST(AnUpdateReport, lists_a_good_plug_in_with_its_bundle_and_its_signer) {
    PluginRecord record;
    record.name = "acme_scale";
    record.active = record.last_good = build("1.1.0", "aa");
    const DeliveredPlugin plugin = shown(record);
    EXPECT_EQ(plugin.state, "good");
    EXPECT_EQ(plugin.version, "1.1.0");
    EXPECT_EQ(plugin.source, "bundle acme 12");
    EXPECT_EQ(plugin.signer, "RWQabc");
    EXPECT_EQ(plugin.last_good, "") << "there is nothing else to return to";
    EXPECT_FALSE(plugin.can_roll_back);
    EXPECT_FALSE(plugin.can_release);
}

TEST(AnUpdateReport, offers_to_return_to_what_is_there_only) {
    PluginRecord record;
    record.name = "acme_scale";
    record.active = build("1.2.0", "bb");
    record.on_trial = true;
    EXPECT_FALSE(shown(record).can_roll_back);
    EXPECT_EQ(shown(record, {{"acme_scale", "com.acme.scale", "0.9.0"}}).last_good, "0.9.0");
    record.last_good = build("1.1.0", "aa");
    EXPECT_TRUE(shown(record).can_roll_back);
    EXPECT_EQ(shown(record, {{"acme_scale", "com.acme.scale", "0.9.0"}}).last_good, "1.1.0");
    EXPECT_EQ(shown(record).state, "trial");
}

TEST(AnUpdateReport, says_quarantined_as_long_as_the_newest_build_is_put_away) {
    PluginRecord record;
    record.name = "acme_scale";
    record.active = record.last_good = build("1.1.0", "aa");
    record.quarantine = {{"bb", "1.2.0", "it crashed", 1, 0}};
    EXPECT_EQ(shown(record).state, "quarantined");
    EXPECT_EQ(shown(record).quarantined, "1.2.0");
    EXPECT_EQ(shown(record).quarantined_reason, "it crashed");
    EXPECT_TRUE(shown(record).can_release);
    record.active = record.last_good = build("1.10.0", "cc");
    EXPECT_EQ(shown(record).state, "good") << "1.10.0 is newer than 1.2.0";
    record.active.reset();
    EXPECT_EQ(shown(record, {{"acme_scale", "com.acme.scale", "0.9.0"}}).version, "0.9.0");
    EXPECT_EQ(shown(record, {{"acme_scale", "com.acme.scale", "0.9.0"}}).source, "the box");
    record.disabled = true;
    EXPECT_EQ(shown(record, {{"acme_scale", "com.acme.scale", "0.9.0"}}).version, "");
    EXPECT_EQ(shown(record).state, "disabled");
}

TEST(AnUpdateReport, keeps_what_stands_when_the_next_update_begins) {
    int changes = 0;
    ReportBook book([&] { ++changes; });
    book.warn({"development mode"});
    book.contact();
    book.begin("force", "a server", UpdateReport::Phase::downloading);
    book.received(10, 20);
    book.finish("failed", "E_NET", "not reached");
    const double contact = book.report().last_contact;
    book.begin("file", "a stick", UpdateReport::Phase::verifying);
    EXPECT_THAT(book.report().warnings, ElementsAre("development mode"));
    EXPECT_EQ(book.report().last_contact, contact);
    EXPECT_EQ(book.report().received, 0u);
    EXPECT_EQ(book.report().result, "");
    EXPECT_EQ(changes, 6);
}

TEST(AnUpdateReport, sums_up_what_happened_to_each_plug_in) {
    ReportBook book([] {});
    const auto add = [&](const char* plugin, UpdateStep::State state, const char* code,
                         const char* text) {
        UpdateStep step;
        step.plugin = plugin;
        step.to = "1.0.0";
        step.state = state;
        step.code = code;
        step.text = text;
        book.set(step);
    };
    book.begin("force", "", UpdateReport::Phase::swapping);
    book.finish_by_steps({});
    EXPECT_EQ(book.report().result, "unchanged");

    book.begin("force", "", UpdateReport::Phase::swapping);
    add("a", UpdateStep::State::left_out, "E_ARCH", "a has no build for this machine");
    book.finish_by_steps({});
    EXPECT_EQ(book.report().result, "rejected");
    EXPECT_EQ(book.report().code, "E_ARCH");
    EXPECT_EQ(book.report().text, "a has no build for this machine");

    book.begin("force", "", UpdateReport::Phase::swapping);
    add("a", UpdateStep::State::left_out, "update.pinned", "a is kept by its owner");
    book.finish_by_steps({});
    EXPECT_EQ(book.report().result, "unchanged");
    EXPECT_EQ(book.report().code, "");
    EXPECT_EQ(book.report().text, "a is kept by its owner");
    add("b", UpdateStep::State::done, "", "");
    book.finish_by_steps({});
    EXPECT_EQ(book.report().result, "updated") << "nothing is wrong with what its owner decided";
    EXPECT_EQ(book.report().text, "1 plug-in was updated: b 1.0.0; a is kept by its owner");

    book.begin("force", "", UpdateReport::Phase::swapping);
    add("a", UpdateStep::State::checking, "", "");
    add("a", UpdateStep::State::done, "", "");
    add("b", UpdateStep::State::done, "", "");
    book.finish_by_steps({{"E_SIG", "bundle other: not signed"}});
    EXPECT_EQ(book.report().result, "partly");
    EXPECT_EQ(book.report().code, "E_SIG");
    EXPECT_EQ(book.report().text,
              "2 plug-ins were updated: a 1.0.0, b 1.0.0; bundle other: not signed");
    EXPECT_EQ(book.report().steps.size(), 2u);
}

}  // namespace
}  // namespace backplane::core
