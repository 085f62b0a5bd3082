// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "handlers/pace.hpp"

#include <gtest/gtest.h>

namespace backplane::sync::test {
namespace {

using namespace std::chrono_literals;
using Cut = Line::Cut;

class APace : public ::testing::Test {
protected:
    /// Looks at each `every` for `time`, while `per_s` bytes come in a second; the first verdict
    /// that is one, and when.
    Cut run(std::chrono::milliseconds time, std::uint64_t per_s,
            std::chrono::milliseconds every = 100ms) {
        const auto begin = now;
        const std::uint64_t before = sight.received;
        while (now - begin < time) {
            now += every;
            const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - begin);
            sight.received = before + per_s * static_cast<std::uint64_t>(elapsed.count()) / 1000;
            if (const auto cut = pace.look(now, sight); cut != Cut::none) return cut;
        }
        return Cut::none;
    }
    double seconds() const { return std::chrono::duration<double>(now - start).count(); }

    const Pace::Time start{1000h};
    Pace::Time now = start;
    Pace::Sight sight{.received = 0, .wire_bytes = 0, .sockets = 1};
    Pace pace{HandlerLimits{}, start};
};

TEST_F(APace, is_silent_when_nothing_comes_for_thirty_seconds) {
    EXPECT_EQ(run(60s, 0), Cut::silent);
    EXPECT_NEAR(seconds(), 30, 0.3);
}

TEST_F(APace, is_too_slow_just_below_one_kibibyte_per_second) {
    EXPECT_EQ(run(60s, 1023), Cut::slow);
    EXPECT_NEAR(seconds(), 30, 0.3);
}

TEST_F(APace, is_good_at_one_kibibyte_per_second_until_the_time_is_over) {
    EXPECT_EQ(run(119s, 1025), Cut::none);
    EXPECT_EQ(run(2s, 1025), Cut::total);
    EXPECT_NEAR(seconds(), 120, 0.3);
}

TEST_F(APace, is_judged_by_the_last_thirty_seconds_and_not_by_what_came_before) {
    EXPECT_EQ(run(10s, 1'000'000), Cut::none);
    EXPECT_EQ(run(60s, 1), Cut::slow);
    EXPECT_GE(seconds(), 35);
    EXPECT_LE(seconds(), 41);
}

TEST_F(APace, forgives_a_pause) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(run(25s, 0), Cut::none) << i;
        EXPECT_EQ(run(5s, 100'000), Cut::none) << i;
    }
}

TEST_F(APace, begins_anew_with_each_connection) {
    EXPECT_EQ(run(25s, 0), Cut::none);
    ++sight.sockets;
    EXPECT_EQ(run(25s, 0), Cut::none);
    EXPECT_EQ(run(25s, 0), Cut::silent);
}

TEST_F(APace, does_not_count_the_time_before_there_is_a_socket) {
    sight.sockets = 0;
    EXPECT_EQ(run(60s, 0), Cut::none);
    EXPECT_EQ(run(61s, 0), Cut::total);
}

TEST_F(APace, does_not_mind_that_nobody_looked_for_a_while) {
    EXPECT_EQ(run(90s, 2000, 29s), Cut::none);
}

TEST_F(APace, sees_a_flood_that_is_not_in_the_body) {
    sight.wire_bytes = 41 * 1024 * 1024;
    EXPECT_EQ(pace.look(now, sight), Cut::none) << "32 MiB in small chunks, encrypted";
    sight.wire_bytes = 41 * 1024 * 1024 + 1;
    EXPECT_EQ(pace.look(now, sight), Cut::flood);
}

}  // namespace
}  // namespace backplane::sync::test
