// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "supervisor/rate_window.hpp"

#include <gtest/gtest.h>

namespace backplane::core {
namespace {

using std::chrono::seconds;
const RateWindow::Clock::time_point k_start{seconds{1'000'000}};

TEST(ARateWindow, counts_the_last_ten_seconds_and_no_more) {
    RateWindow window;
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(window.add(1, k_start + seconds{i}), static_cast<std::uint64_t>(i + 1));
    EXPECT_EQ(window.add(1, k_start + seconds{10}), 10u);
    EXPECT_EQ(window.add(1, k_start + seconds{15}), 6u);
}

TEST(ARateWindow, is_empty_after_a_long_silence) {
    RateWindow window;
    window.add(1000, k_start);
    EXPECT_EQ(window.add(1, k_start + seconds{10}), 1u);
    EXPECT_EQ(window.add(1, k_start + seconds{1'000'000}), 1u);
}

}  // namespace
}  // namespace backplane::core
