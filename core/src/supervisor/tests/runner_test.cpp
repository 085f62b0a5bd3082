// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The runner with plug-ins that behave.
#include <algorithm>

#include <unistd.h>

#include "runner_fixture.hpp"

namespace backplane::core {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ARunner : public RunnerFixture {};

TEST_F(ARunner, calls_its_listener_never_from_inside_a_call) {
    make("echo");
    runner_->run();
    runner_->probe(spec(1), milliseconds{100});
    EXPECT_EQ(listener_.ups, 0);
    ASSERT_TRUE(wait([&] { return listener_.ups == 1; }));
    runner_->stop(99);
    runner_->start_probed(99);
    runner_->begin(action(99, 1, "echo"));
    EXPECT_THAT(listener_.stopped, IsEmpty());
    EXPECT_THAT(listener_.started, IsEmpty());
    EXPECT_THAT(listener_.ended, IsEmpty());
    EXPECT_EQ(ended(1).end.code, "NO_DEVICE");
    EXPECT_THAT(listener_.stopped, ElementsAre(99));
    EXPECT_THAT(listener_.started[99], HasSubstr("claimed no device"));
}

TEST_F(ARunner, starts_an_instance_and_hears_of_it_in_order) {
    make_up("echo");
    start_ready(1);
    ASSERT_TRUE(wait([&] { return listener_.reports.size() == 1; }));
    EXPECT_THAT(listener_.order, ElementsAre("started", "described", "reported"));
    EXPECT_EQ(listener_.reports[0].first, RunnerListener::DeviceReport::ready);
    EXPECT_EQ(listener_.reports[0].second, "it echoes");
    EXPECT_EQ(listener_.descriptions[0].at("type").as_string(), "scale");
}

TEST_F(ARunner, probes_and_starts_what_claims) {
    make_up("echo");
    runner_->probe(spec(1, {}, {{"model", "echo"}}), milliseconds{2000});
    runner_->probe(spec(2, {}, {{"model", "other"}}), milliseconds{2000});
    ASSERT_TRUE(wait([&] { return listener_.probed.size() == 2; }));
    EXPECT_EQ(listener_.probed[1], std::make_pair(true, std::string{"it answered"}));
    EXPECT_EQ(listener_.probed[2], std::make_pair(false, std::string{"it is something else"}));
    runner_->start_probed(1);
    ASSERT_TRUE(wait([&] { return listener_.started.count(1) != 0; }));
    EXPECT_EQ(listener_.started[1], "ok");
    runner_->begin(action(1, 5, "echo"));
    EXPECT_TRUE(ended(5).end.success);
}

TEST_F(ARunner, passes_actions_with_data_and_payload_and_their_results) {
    make_up("echo");
    start_ready(1);
    auto request = action(1, 5, "echo", {{"text", "ä"}});
    request.payload.assign(3'000'000, 1);
    runner_->begin(std::move(request));
    const auto& end = ended(5).end;
    ASSERT_TRUE(end.success) << end.message;
    EXPECT_EQ(end.result.at("payload_bytes").as_int64(), 3'000'000);
    EXPECT_EQ(end.result.at("data").at("text").as_string(), "ä");
}

TEST_F(ARunner, passes_a_large_payload_of_an_event_unchanged) {
    make_up("echo");
    start_ready(1);
    auto request = action(1, 5, "emit", {{"n", 1}});
    for (int i = 0; i < 1'000'000; ++i) request.payload.push_back(static_cast<std::uint8_t>(i * 7));
    const auto sent = request.payload;
    runner_->begin(std::move(request));
    ASSERT_TRUE(ended(5).end.success);
    ASSERT_EQ(listener_.events.size(), 1u);
    EXPECT_EQ(listener_.events[0].kind, "copy");
    EXPECT_EQ(listener_.events[0].data.at("n").as_int64(), 1);
    EXPECT_EQ(listener_.events[0].payload, sent);
}

TEST_F(ARunner, passes_the_drivers_own_words_when_an_action_fails) {
    make_up("echo");
    start_ready(1);
    runner_->begin(action(1, 1, "refuse"));
    runner_->begin(action(1, 2, "fail"));
    runner_->begin(action(1, 3, "unheard_of"));
    EXPECT_EQ(ended(1).end.code, "BUSY");
    EXPECT_EQ(ended(1).end.message, "the drawer is open: close it");
    EXPECT_EQ(ended(2).end.code, "NO_DEVICE");
    EXPECT_EQ(ended(2).end.message, "no paper: put in a new roll");
    EXPECT_EQ(ended(3).end.code, "UNSUPPORTED");
}

TEST_F(ARunner, gives_timers_workers_and_settings) {
    make_up("echo");
    start_ready(1, {{"poll", "continuous"}});
    runner_->begin(action(1, 1, "later"));
    EXPECT_EQ(ended(1).end.result.as_string(), "later");
    runner_->begin(action(1, 2, "work"));
    EXPECT_EQ(ended(2).end.result.as_int64(), 42);
    runner_->begin(action(1, 3, "settings"));
    EXPECT_EQ(ended(3).end.result.at("poll").as_string(), "continuous");
}

TEST_F(ARunner, hands_the_open_device_over_and_hears_when_it_is_unplugged) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    Fd theirs{ends[0]};
    Fd ours{ends[1]};
    make_up("echo");
    auto with_device = spec(1);
    with_device.device = std::move(theirs);
    runner_->start(std::move(with_device));
    ASSERT_EQ(::write(ours.get(), "hello", 5), 5);
    ASSERT_TRUE(wait([&] { return listener_.events.size() == 1; }));
    EXPECT_EQ(listener_.events[0].data.at("bytes").as_int64(), 5);
    ours.reset();
    ASSERT_TRUE(wait([&] { return listener_.reports.size() == 2; }));
    EXPECT_EQ(listener_.reports[1].first, RunnerListener::DeviceReport::lost);
}

TEST_F(ARunner, cancels_an_action_at_its_deadline_and_when_asked) {
    make_up("echo");
    start_ready(1);
    runner_->begin(action(1, 1, "never", {}, milliseconds{30}));
    EXPECT_EQ(ended(1).end.code, "CANCELLED");
    runner_->begin(action(1, 2, "never"));
    runner_->cancel(1, 2);
    EXPECT_EQ(ended(2).end.message, "cancelled by the box");
    EXPECT_EQ(runner_->status().faults, 0u);
}

TEST_F(ARunner, runs_an_interface_and_hears_of_its_devices) {
    make_up("finder", "interface");
    start_ready(1);
    ASSERT_TRUE(wait([&] { return listener_.settled == 1; }));
    EXPECT_THAT(listener_.order, ElementsAre("started", "added", "added", "settled"));
    EXPECT_FALSE(listener_.added["a"]);
    EXPECT_TRUE(listener_.added["b"]);
    runner_->begin(action(1, 1, "remove"));
    EXPECT_TRUE(ended(1).end.success);
    EXPECT_THAT(listener_.removed, ElementsAre("a"));
}

TEST_F(ARunner, stops_instances_and_then_its_process) {
    make_up("echo");
    start_ready(1);
    start_ready(2);
    runner_->begin(action(1, 7, "never"));
    runner_->stop(1);
    ASSERT_TRUE(wait([&] { return !listener_.stopped.empty(); }));
    EXPECT_EQ(ended(7).end.code, "CANCELLED");
    EXPECT_TRUE(runner_->status().up);
    runner_->shut_down();
    ASSERT_TRUE(wait([&] { return !listener_.downs.empty(); }));
    EXPECT_THAT(listener_.stopped, ElementsAre(1, 2));
    EXPECT_EQ(listener_.downs[0].reason.kind, ExitReason::Kind::requested) << last_down();
    EXPECT_EQ(listener_.downs[0].restart_in, std::nullopt);
    EXPECT_EQ(runner_->status().crashes, 0u);
    EXPECT_EQ(runner_->status().faults, 0u);
}

TEST_F(ARunner, that_is_asked_to_run_while_it_ends_comes_back) {
    make_up("echo");
    runner_->shut_down();
    runner_->run();
    ASSERT_TRUE(wait([&] { return listener_.ups == 2; }));
    ASSERT_EQ(listener_.downs.size(), 1u);
    EXPECT_EQ(listener_.downs[0].restart_in, milliseconds{0});
}

TEST_F(ARunner, may_be_destroyed_by_its_listener) {
    make("echo");
    listener_.on_up = [this] { runner_.reset(); };
    runner_->run();
    ASSERT_TRUE(wait([&] { return runner_ == nullptr; }));
    EXPECT_THAT(listener_.downs, IsEmpty());
}

TEST_F(ARunner, that_is_destroyed_leaves_no_process_behind) {
    make_up("echo");
    const int pid = runner_->status().pid;
    runner_.reset();
    EXPECT_TRUE(wait([&] { return ::kill(pid, 0) != 0; }));
    EXPECT_THAT(listener_.downs, IsEmpty());
}

TEST_F(ARunner, refuses_a_payload_that_is_too_much_instead_of_queueing_it) {
    policy_.queued_bytes = 1'000'000;
    make_up("echo");
    start_ready(1);
    auto large = action(1, 1, "never");
    large.payload.resize(800'000);
    runner_->begin(std::move(large));
    auto one_more = action(1, 2, "never");
    one_more.payload.resize(800'000);
    runner_->begin(std::move(one_more));
    EXPECT_EQ(ended(2).end.code, "BUSY");
    EXPECT_EQ(listener_.ended.count(1), 0u);
}

}  // namespace
}  // namespace backplane::core
