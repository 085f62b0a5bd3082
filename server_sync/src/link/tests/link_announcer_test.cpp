// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "link/link_announcer.hpp"

#include <boost/json/serialize.hpp>

#include "browser/tests/fakes.hpp"
#include "link/tests/fake_link.hpp"

namespace backplane::sync::test {
namespace {

class TheAnnouncer : public testing::Test {
protected:
    void change(std::string state) {
        link.now.bus.state = std::move(state);
        link.tell();
    }
    std::vector<std::string> states() const {
        std::vector<std::string> out;
        for (const auto& event : published)
            out.emplace_back(event->data.at("bus").at("state").as_string());
        return out;
    }

    FakeClock clock;
    core::EventRing ring;
    FakeLink link{ring, clock.timers()};
    std::vector<core::EventPtr> published;
    core::Subscription heard =
        ring.subscribe([this](const core::EventPtr& event) { published.push_back(event); });
    std::unique_ptr<LinkAnnouncer> announcer = std::make_unique<LinkAnnouncer>(link.controls);
};

TEST_F(TheAnnouncer, tells_a_storm_of_changes_once_and_its_end_after_a_tenth_of_a_second) {
    for (int i = 0; i < 1000; ++i) change(i % 2 == 0 ? "waiting" : "connecting");
    EXPECT_THAT(states(), testing::ElementsAre("waiting"));
    change("connected");
    clock.advance(99ms);
    EXPECT_EQ(published.size(), 1u);
    clock.advance(1ms);
    EXPECT_THAT(states(), testing::ElementsAre("waiting", "connected"));
    clock.advance(1h);
    EXPECT_EQ(published.size(), 2u);
    EXPECT_EQ(clock.running(), 0u);
}

TEST_F(TheAnnouncer, publishes_an_event_of_the_box_with_the_whole_state) {
    change("connected");
    ASSERT_EQ(published.size(), 1u);
    EXPECT_EQ(published[0]->kind, core::Event::Kind::box);
    EXPECT_EQ(published[0]->name, "odoo");
    EXPECT_EQ(published[0]->device_identifier, "");
    EXPECT_TRUE(published[0]->data.contains("certificate"));
}

TEST_F(TheAnnouncer, tells_counters_every_five_seconds_and_no_more) {
    change("connected");
    for (int i = 0; i < 100; ++i) {
        ++link.now.uplink.sent;
        link.tell();
        clock.advance(100ms);
    }
    EXPECT_LE(published.size(), 4u);
    EXPECT_GE(published.size(), 2u);
    clock.advance(10s);
    EXPECT_EQ(published.back()->data.at("uplink").at("sent"), 100u) << "the last count comes, too";
}

TEST_F(TheAnnouncer, does_not_let_counters_delay_what_a_person_would_notice) {
    change("connected");
    ++link.now.uplink.sent;
    link.tell();
    clock.advance(200ms);
    ASSERT_EQ(published.size(), 1u);
    change("waiting");
    clock.advance(100ms);
    EXPECT_THAT(states(), testing::ElementsAre("connected", "waiting"));
}

TEST_F(TheAnnouncer, says_nothing_when_nothing_has_changed) {
    change("connected");
    link.tell();
    clock.advance(1h);
    EXPECT_EQ(published.size(), 1u);
}

TEST_F(TheAnnouncer, does_not_answer_its_own_event_with_another_one) {
    // The uplink listens to the same ring and counts what it sees.
    const auto counts = ring.subscribe([this](const core::EventPtr&) {
        ++link.now.uplink.sent;
        link.tell();
    });
    change("connected");
    clock.advance(20s);
    EXPECT_LE(published.size(), 6u);
}

TEST_F(TheAnnouncer, is_silent_once_it_is_stopped_or_gone) {
    change("connected");
    change("waiting");
    announcer->stop();
    change("off");
    clock.advance(1h);
    EXPECT_EQ(published.size(), 1u);
    EXPECT_EQ(link.heard_by(), 0u);
    announcer.reset();
    clock.advance(1h);
    EXPECT_EQ(clock.running(), 0u);
}

}  // namespace
}  // namespace backplane::sync::test
