// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Two hundred swaps under load: every event once and in order, every request answered.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "update_fixture.hpp"

namespace backplane::tests {
namespace {

using testing::IsEmpty;

constexpr int k_swaps = 200;
constexpr int k_browsers = 10;

class TwoHundredSwaps : public AnUpdate {
protected:
    TwoHundredSwaps() {
        own("box", "swap_bus");
        own("box", "swap_scale");
    }
};

TEST_F(TwoHundredSwaps, lose_double_and_reorder_no_event_and_fail_no_request) {
    server_.script({Answer::empty()});
    start_box();
    box_->wait_for_state("swap1", "ready", 10s * k_patience);
    wait_for_end_of_update();
    EventRecorder recorder(*box_);

    std::atomic<bool> over = false;
    std::atomic<int> requests = 0, failed = 0, backwards = 0;
    std::vector<std::thread> browsers;
    for (int i = 0; i < k_browsers; ++i)
        browsers.emplace_back([&, i] {
            // A page that polls, and asks for a weight twice a second.
            OdooPage page(*box_, "pos-" + std::to_string(i), {"swap1"});
            auto next_action = std::chrono::steady_clock::now();
            double last = 0;
            while (!over) {
                if (const auto event = page.next(2s)) {
                    const double time = number_in(*event, "time").value_or(0);
                    if (time <= last) ++backwards;
                    last = time;
                }
                if (std::chrono::steady_clock::now() < next_action) continue;
                next_action += 500ms;
                ++requests;
                const auto answer =
                    box_->action("swap1", {{"action", "read_once"}}, "pos-" + std::to_string(i));
                if (!has_succeeded(answer)) ++failed;
            }
        });

    for (int i = 0; i < k_swaps; ++i) {
        maker_.add(build(i % 2 ? "better" : "good", "swap_scale"));
        deliver();
        const json::object told = force();
        ASSERT_EQ(told.at("result").as_string(), "updated") << i << json::serialize(told);
    }
    over = true;
    for (std::thread& browser : browsers) browser.join();

    const auto events = recorder.events();
    const auto numbers = numbers_of(events);
    EXPECT_GT(numbers.size(), 1000u);
    EXPECT_THAT(gaps_in(numbers), IsEmpty());
    EXPECT_EQ(failed, 0) << "of " << requests;
    EXPECT_EQ(backwards, 0);

    // The pause of the device: from the last event of one build to the first of the next.
    std::vector<double> pauses;
    std::string build_before;
    double time_before = 0;
    for (const json::object& event : events) {
        const std::string by = text_at(event, {"data", "build"});
        if (by.empty()) continue;
        const double time = number_in(event, "time").value_or(0);
        if (!build_before.empty() && by != build_before)
            pauses.push_back(1000 * (time - time_before));
        build_before = by;
        time_before = time;
    }
    ASSERT_EQ(pauses.size(), static_cast<std::size_t>(k_swaps));
    std::sort(pauses.begin(), pauses.end());
    std::printf("%d swaps, %zu events, %d actions; pause of the device p50 %.1f ms, p99 %.1f ms\n",
                k_swaps, numbers.size(), requests.load(), pauses[pauses.size() / 2],
                pauses[pauses.size() * 99 / 100]);
}

}  // namespace
}  // namespace backplane::tests
