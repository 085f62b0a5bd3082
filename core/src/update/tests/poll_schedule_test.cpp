// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/poll_schedule.hpp"

#include <gtest/gtest.h>

namespace backplane::core {
namespace {

using namespace std::chrono_literals;

TEST(APollSchedule, spreads_the_first_poll_over_its_jitter) {
    double random = 0;
    PollSchedule schedule({}, [&] { return random; });
    EXPECT_EQ(schedule.after_start(), 0ms);
    random = 1;
    EXPECT_EQ(schedule.after_start(), 60s);
}

TEST(APollSchedule, comes_every_day_a_tenth_earlier_or_later) {
    double random = 0;
    PollSchedule schedule({}, [&] { return random; });
    EXPECT_EQ(schedule.after_success(), 24h - 144min);
    random = 1;
    EXPECT_EQ(schedule.after_success(), 24h + 144min);
}

TEST(APollSchedule, waits_ever_longer_after_failures_but_never_beyond_its_limit) {
    PollSchedule schedule({.jitter = 0ms}, [] { return 0.7; });
    for (const auto wait : {1min, 2min, 4min, 8min, 16min, 32min, 64min, 128min, 256min})
        EXPECT_EQ(schedule.after_failure(), wait);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(schedule.after_failure(), 6h);
    EXPECT_EQ(schedule.after_success(), 24h);
    EXPECT_EQ(schedule.after_failure(), 1min) << "a success forgets the failures";
    PollSchedule spread({}, [] { return 1.0; });
    for (int i = 0; i < 100; ++i) EXPECT_LE(spread.after_failure(), 6h);
}

}  // namespace
}  // namespace backplane::core
