// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "uplink/tests/uplink_box.hpp"

namespace backplane::sync {
namespace {

using test::FakeLanes;
namespace json = boost::json;
using namespace std::chrono_literals;

// A checked build takes ten times as long for an event; two days of them fill every bound as well.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int k_days = 2;
#else
constexpr int k_days = 7;
#endif

class AnUplinkWithoutAServer : public test::AnUplink {};

// Seven days at ten events a second, of which one in a hundred is a result: 6 million events.
TEST_F(AnUplinkWithoutAServer, stays_small_while_the_server_is_away_for_a_week) {
    lanes.when("/iot/box/send_websocket", FakeLanes::error("net.connect"));
    std::size_t most_waiting = 0, most_passing = 0, most_bytes = 0, most_passing_bytes = 0;
    std::uint64_t results = 0, weights = 0;
    core::Event weight = test::device_event("scale-1", "scale", "weight", test::weight(1));
    core::Event result = test::action_result("camera-1", "camera", "page-1", "picture", nullptr);
    constexpr int k_tenths = k_days * 24 * 3600 * 10;
    for (int tenth = 0; tenth < k_tenths; ++tenth) {
        wall += 0.1;
        if (tenth % 100 == 99) {
            ring.publish(result);
            ++results;
        } else {
            ring.publish(weight);
            ++weights;
        }
        clock.advance(100ms);
        if (tenth % 100 == 0) {
            lanes.run();
            loop.restart();
            loop.poll();
            const auto now = uplink->status();
            most_waiting = std::max(most_waiting, now.waiting);
            most_bytes = std::max(most_bytes, now.waiting_bytes);
            most_passing = std::max(most_passing, now.passing);
            most_passing_bytes = std::max(most_passing_bytes, now.passing_bytes);
        }
    }
    settle();
    const auto now = uplink->status();
    EXPECT_EQ(now.waiting, 10'000u);
    EXPECT_EQ(most_waiting, 10'000u);
    EXPECT_LE(most_bytes, 8u << 20);
    EXPECT_LE(most_passing, 60u) << "five seconds of them, and not yet one more try";
    EXPECT_LE(most_passing_bytes, 256u << 10);
    EXPECT_EQ(now.dropped_durable, results - 10'000);
    EXPECT_EQ(now.dropped.size(), 1u);
    EXPECT_EQ(now.dropped.at("weight") + now.passing + now.sent, weights);
    EXPECT_EQ(now.sent, 0u);
    EXPECT_EQ(on_disk("SELECT count(*) FROM outgoing"), "10000");

    lanes.when("/iot/box/send_websocket", FakeLanes::ok("{}"));
    advance(15s);
    weigh(2);
    while (uplink->status().waiting > 0) {
        lanes.run();
        ASSERT_TRUE(written());
        clock.advance(0ms);
    }
    serve();
    EXPECT_EQ(uplink->status().sent, 10'001u) << "results in their order, then what is new";
    EXPECT_EQ(told(lanes.last().request.body), "2E0");
    double before = 0;
    for (auto at = lanes.sent().end() - 10'001; at != lanes.sent().end() - 1; ++at) {
        const double time =
            json::parse(at->request.body).at("params").at("time").to_number<double>();
        ASSERT_GT(time, before);
        before = time;
    }
}

}  // namespace
}  // namespace backplane::sync
