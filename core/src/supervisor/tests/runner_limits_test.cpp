// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The runner with plug-ins that break the contract without crashing: noticed, reported, bounded.
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include "runner_fixture.hpp"

namespace backplane::core {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ABadPlugin : public RunnerFixture {
protected:
    /// The newest log record of this plug-in with this event whose text has this in it.
    static bool logged(const std::string& event, const std::string& text) {
        for (const auto& record : recent_logs()) {
            if (record.component == "misbehaving" && record.event == event &&
                record.text().find(text) != std::string::npos) {
                return true;
            }
        }
        return false;
    }
    void run_action(const std::string& habit) {
        make_up("misbehaving");
        start_ready(1, {{"do", habit}, {"in", "begin"}});
        runner_->begin(action(1, 1, "x", {}, milliseconds{50}));
    }
};

TEST_F(ABadPlugin, that_completes_twice_is_heard_once_and_reported) {
    run_action("complete_twice");
    EXPECT_EQ(ended(1).end.result.as_int64(), 1);
    ASSERT_TRUE(wait([&] { return runner_->status().faults == 1; }));
    EXPECT_EQ(listener_.ended_calls, 1);
    EXPECT_TRUE(logged("plugin.fault", "complete() for action 1, which has already ended"));
}

TEST_F(ABadPlugin, that_completes_what_was_never_begun_is_reported) {
    run_action("complete_unknown");
    EXPECT_TRUE(ended(1).end.success);
    ASSERT_TRUE(wait([&] { return runner_->status().faults == 1; }));
    EXPECT_TRUE(logged("plugin.fault", "complete() for action 1001, which was never begun"));
}

TEST_F(ABadPlugin, that_completes_with_nonsense_may_try_again) {
    run_action("bad_json");
    EXPECT_EQ(ended(1).end.result.as_string(), "refused");
}

TEST_F(ABadPlugin, that_calls_from_another_thread_is_refused_and_reported) {
    run_action("wrong_thread");
    EXPECT_EQ(ended(1).end.result.as_string(), "noticed");
    ASSERT_TRUE(wait([&] { return runner_->status().faults == 1; }));
    EXPECT_THAT(listener_.events, IsEmpty());
    EXPECT_TRUE(logged("plugin.fault", "called emit() on another thread"));
}

TEST_F(ABadPlugin, that_never_completes_is_timed_out_by_the_host) {
    run_action("nothing");
    const auto& end = ended(1).end;
    EXPECT_EQ(end.code, "TIMEOUT");
    EXPECT_THAT(end.message, HasSubstr("did not finish in time"));
    EXPECT_EQ(runner_->status().faults, 1u);
    EXPECT_TRUE(runner_->status().up);
}

TEST_F(ABadPlugin, that_never_finishes_a_probe_is_given_up_and_the_next_one_works) {
    make_up("misbehaving");
    runner_->probe(spec(1), milliseconds{50});
    ASSERT_TRUE(wait([&] { return listener_.probed.count(1) != 0; }));
    EXPECT_EQ(listener_.probed[1],
              std::make_pair(false, std::string{"the driver did not find out within 50 ms"}));
    start_ready(2);
}

TEST_F(ABadPlugin, that_fails_its_start_says_why) {
    make_up("misbehaving");
    start_misbehaving("fail", "start");
    ASSERT_TRUE(wait([&] { return listener_.started.count(1) != 0; }));
    EXPECT_EQ(listener_.started[1], "plugin.IO: the scale sent nonsense: check its settings");
    start_misbehaving("fail", "create", 2);
    ASSERT_TRUE(wait([&] { return listener_.started.count(2) != 0; }));
    EXPECT_EQ(listener_.started[2], "plugin.IO: the scale sent nonsense: check its settings");
}

TEST_F(ABadPlugin, that_throws_across_the_boundary_fails_that_call_only) {
    make_up("misbehaving");
    start_misbehaving("throw", "start");
    ASSERT_TRUE(wait([&] { return listener_.started.count(1) != 0; }));
    EXPECT_THAT(listener_.started[1], HasSubstr("plugin.INTERNAL"));
    EXPECT_TRUE(logged("plugin.fault", "let an exception through the C boundary in start()"));
    EXPECT_TRUE(runner_->status().up);
}

TEST_F(ABadPlugin, that_leaves_timers_and_watches_behind_is_cleaned_up_after) {
    make_up("misbehaving");
    start_ready(1, {{"do", "leave_behind"}, {"in", "start"}});
    runner_->stop(1);
    ASSERT_TRUE(wait([&] { return listener_.stopped.size() == 1; }));
    EXPECT_EQ(runner_->status().faults, 1u);
    EXPECT_TRUE(logged("plugin.fault", "left 2 timers, 1 descriptor watch behind after stop()"));
}

TEST_F(ABadPlugin, that_is_slow_is_named) {
    run_action("slow");
    ASSERT_TRUE(wait([&] { return runner_->status().slow_calls == 1; }));
    EXPECT_TRUE(logged("plugin.slow_call", "action begin() took "));
}

TEST_F(ABadPlugin, that_speaks_before_it_is_started_is_not_heard) {
    make_up("misbehaving");
    start_misbehaving("early_event", "create");
    ASSERT_TRUE(wait([&] { return listener_.started.count(1) != 0; }));
    EXPECT_EQ(listener_.started[1], "ok");
    ASSERT_TRUE(wait([&] { return runner_->status().faults == 1; }));
    EXPECT_THAT(listener_.events, IsEmpty());
}

TEST_F(ABadPlugin, that_prints_is_read_line_by_line) {
    make_up("misbehaving");
    start_ready(1, {{"do", "print"}, {"in", "start"}});
    EXPECT_TRUE(wait([&] {
        return logged("plugin.stderr", "printed to stdout") &&
               logged("plugin.stderr", "printed to stderr");
    }));
}

TEST_F(ABadPlugin, that_logs_too_much_is_cut_and_counted) {
    make_up("misbehaving");
    start_ready(1, {{"do", "log_flood"}, {"in", "start"}});
    EXPECT_TRUE(wait([&] { return logged("plugin.dropped", "log lines"); }));
    EXPECT_TRUE(runner_->status().up);
}

TEST_F(ABadPlugin, that_floods_events_is_put_aside_and_starves_nobody) {
    policy_.events_per_second = 500;
    make_up("misbehaving");
    RecordingListener other_listener;
    const auto other = PluginRunner::create(loop_, BP_TEST_HOST_PROGRAM, load_image("echo"),
                                            policy_, other_listener);
    other->run();
    ASSERT_TRUE(wait([&] { return other_listener.ups == 1; }));
    other->start(spec(1));
    ASSERT_TRUE(wait([&] { return other_listener.started.count(1) != 0; }));

    start_misbehaving("flood", "start");
    ASSERT_TRUE(wait([&] { return listener_.events.size() > 1000; }));
    other->begin(action(1, 1, "echo"));
    ASSERT_TRUE(wait([&] { return other_listener.ended.count(1) != 0; }));
    EXPECT_TRUE(other_listener.ended[1].end.success);

    ASSERT_TRUE(wait([&] { return !listener_.put_aside.empty(); }));
    EXPECT_EQ(listener_.downs[0].reason.kind, ExitReason::Kind::flood);
    EXPECT_THAT(listener_.put_aside[0], HasSubstr("sent more than 500 events a second for 10 s"));
    EXPECT_LE(listener_.events.size(), 5000u);
    EXPECT_TRUE(other_listener.downs.empty());
}

TEST_F(ABadPlugin, that_forks_and_hides_the_child_leaves_no_process_behind) {
    make_up("misbehaving");
    start_ready(1, {{"do", "orphan"}, {"in", "start"}});
    ASSERT_TRUE(wait([&] { return !listener_.events.empty(); }));
    const auto orphan = static_cast<pid_t>(listener_.events[0].data.at("pid").as_int64());
    ASSERT_EQ(::kill(orphan, 0), 0);
    runner_->shut_down();
    ASSERT_TRUE(wait([&] { return !listener_.downs.empty(); }));
    EXPECT_TRUE(wait([&] { return ::kill(orphan, 0) != 0; }));
}

TEST_F(ABadPlugin, whose_orphans_are_reaped_does_not_cost_others_their_children) {
    make_up("misbehaving");
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        for (;;) ::pause();
    }
    start_ready(1, {{"do", "orphan"}, {"in", "start"}});
    ASSERT_TRUE(wait([&] { return !listener_.events.empty(); }));
    const auto orphan = static_cast<pid_t>(listener_.events[0].data.at("pid").as_int64());
    runner_->shut_down();
    EXPECT_TRUE(wait([&] { return ::kill(orphan, 0) != 0; }));
    EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), 0);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace backplane::core
