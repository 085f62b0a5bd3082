// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/event_ring.hpp"

#include <gmock/gmock.h>

namespace backplane::core {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsNull;
using testing::NotNull;

class AnEventRing : public testing::Test {
protected:
    std::chrono::steady_clock::time_point steady{1h};
    double wall = 1'763'793'000.0;
    EventRing ring{{.events = 5, .age = 60s, .content_bytes = 1000},
                   [this] { return steady; },
                   [this] { return wall; }};

    EventPtr publish(std::string device) {
        Event event;
        event.device_identifier = std::move(device);
        return ring.publish(std::move(event));
    }
    static bool any(const Event&) { return true; }
};

TEST_F(AnEventRing, gives_events_a_growing_time_when_the_clock_jumps_back) {
    const double before = publish("a")->time;
    wall -= 86'400;
    const double after = publish("b")->time;
    EXPECT_GT(after, before);
    EXPECT_LT(after, before + 0.001);
}

TEST_F(AnEventRing, keeps_two_events_of_the_same_instant_apart) {
    const auto first = publish("a");
    const auto second = publish("b");
    EXPECT_NE(first->time, second->time);
    EXPECT_EQ(ring.seq_at_time(first->time), first->seq);
    EXPECT_EQ(ring.first_after(ring.seq_at_time(first->time), any), second);
}

TEST_F(AnEventRing, turns_a_time_before_everything_into_the_cursor_before_the_oldest) {
    publish("a");
    EXPECT_EQ(ring.seq_at_time(0), 0u);
    EXPECT_EQ(ring.seq_at_time(wall + 1e6), 1u);
}

TEST_F(AnEventRing, drops_the_oldest_beyond_its_number_of_events) {
    for (int i = 0; i < 8; ++i) publish("a");
    EXPECT_EQ(ring.size(), 5u);
    EXPECT_EQ(ring.oldest_seq(), 4u);
    EXPECT_EQ(ring.first_after(0, any)->seq, 4u);
    EXPECT_EQ(ring.first_after(6, any)->seq, 7u);
    EXPECT_THAT(ring.first_after(8, any), IsNull());
}

TEST_F(AnEventRing, drops_what_is_older_than_its_age) {
    publish("a");
    steady += 61s;
    publish("b");
    EXPECT_EQ(ring.size(), 1u);
}

TEST_F(AnEventRing, drops_the_oldest_beyond_its_payload_but_keeps_the_newest) {
    for (int i = 0; i < 3; ++i) {
        Event event;
        event.payload = std::make_shared<const std::vector<std::uint8_t>>(2000);
        ring.publish(std::move(event));
    }
    EXPECT_EQ(ring.size(), 1u);
    EXPECT_EQ(ring.oldest_seq(), 3u);
}

TEST_F(AnEventRing, counts_json_like_payload) {
    // A browser may put megabytes into an action: ten thousand of those were more than any box has.
    for (int i = 0; i < 3; ++i) {
        Event event;
        event.action_data["text"] = std::string(600, 'x');
        event.action_result = boost::json::array{std::string(600, 'x')};
        ring.publish(std::move(event));
    }
    EXPECT_EQ(ring.size(), 1u);
    publish("small");
    EXPECT_EQ(ring.size(), 1u) << "the large one has made room";
    publish("small");
    EXPECT_EQ(ring.size(), 2u);
}

TEST_F(AnEventRing, finds_the_cursor_of_an_age) {
    publish("a");
    steady += 4s;
    publish("b");
    steady += 2s;
    EXPECT_EQ(ring.seq_older_than(5s), 1u);
    EXPECT_EQ(ring.seq_older_than(7s), 0u);
    EXPECT_EQ(ring.seq_older_than(1s), 2u);
}

TEST_F(AnEventRing, delivers_every_event_to_every_listener_in_order) {
    std::vector<EventSeq> one, two;
    auto a = ring.subscribe([&](const EventPtr& event) { one.push_back(event->seq); });
    auto b = ring.subscribe([&](const EventPtr& event) { two.push_back(event->seq); });
    for (int i = 0; i < 3; ++i) publish("a");
    EXPECT_THAT(one, ElementsAre(1, 2, 3));
    EXPECT_EQ(one, two);
}

TEST_F(AnEventRing,
       delivers_what_a_listener_publishes_after_the_current_event_has_reached_everybody) {
    std::vector<EventSeq> second;
    auto a = ring.subscribe([&](const EventPtr& event) {
        if (event->seq == 1) publish("nested");
    });
    auto b = ring.subscribe([&](const EventPtr& event) { second.push_back(event->seq); });
    publish("outer");
    EXPECT_THAT(second, ElementsAre(1, 2));
}

TEST_F(AnEventRing, lets_a_listener_end_itself_and_others_while_it_is_called) {
    int calls = 0;
    Subscription a, b;
    a = ring.subscribe([&](const EventPtr&) {
        ++calls;
        a.reset();
        b.reset();
    });
    b = ring.subscribe([&](const EventPtr&) { ++calls; });
    publish("a");
    publish("b");
    EXPECT_EQ(calls, 1);
}

TEST_F(AnEventRing, does_not_deliver_the_current_event_to_a_listener_that_joins_because_of_it) {
    std::vector<EventSeq> late;
    Subscription b;
    auto a = ring.subscribe([&](const EventPtr&) {
        if (!b) b = ring.subscribe([&](const EventPtr& event) { late.push_back(event->seq); });
    });
    publish("a");
    publish("b");
    EXPECT_THAT(late, ElementsAre(2));
}

}  // namespace
}  // namespace backplane::core
