// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <stdexcept>

#include "backplane/sync/browser.hpp"

namespace backplane::sync {
namespace {

using namespace std::chrono_literals;

TEST(AsioTimers, call_back_once_and_not_before_they_have_returned) {
    boost::asio::io_context loop;
    int calls = 0;
    const auto running = asio_timers(loop)(0ms, [&] { ++calls; });
    EXPECT_EQ(calls, 0);
    loop.run();
    EXPECT_EQ(calls, 1);
}

TEST(AsioTimers, do_not_call_back_after_the_subscription_has_ended_even_when_they_had_expired) {
    boost::asio::io_context loop;
    const auto timers = asio_timers(loop);
    int calls = 0;
    core::Subscription second;
    const auto first = timers(0ms, [&] { second.reset(); });
    second = timers(0ms, [&] { ++calls; });
    loop.run();
    EXPECT_EQ(calls, 0);
}

TEST(AsioTimers, let_a_callback_end_its_own_subscription) {
    boost::asio::io_context loop;
    auto text = std::make_shared<std::string>("still here");
    std::string seen;
    core::Subscription own;
    own = asio_timers(loop)(0ms, [&own, &seen, text] {
        own.reset();
        seen = *text;
    });
    loop.run();
    EXPECT_EQ(seen, "still here");
}

TEST(AsioTimers, survive_a_callback_that_throws) {
    boost::asio::io_context loop;
    const auto timers = asio_timers(loop);
    int calls = 0;
    const auto bad = timers(0ms, [] { throw std::runtime_error("bad"); });
    const auto good = timers(1ms, [&] { ++calls; });
    loop.run();
    EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace backplane::sync
