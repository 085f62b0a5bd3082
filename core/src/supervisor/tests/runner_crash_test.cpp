// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The runner with plug-ins that crash, hang, end, or speak nonsense: one plug-in down, with the
// reason, and up again.
#include <algorithm>
#include <csignal>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner_fixture.hpp"

namespace backplane::core {
namespace {

using Kind = ExitReason::Kind;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ACrash : public RunnerFixture {
protected:
    void expect_down(Kind kind, const std::string& text) {
        ASSERT_TRUE(wait([&] { return !listener_.downs.empty(); }));
        EXPECT_EQ(to_string(listener_.downs[0].reason.kind), to_string(kind))
            << listener_.downs[0].reason.text;
        EXPECT_THAT(listener_.downs[0].reason.text, HasSubstr(text));
    }
    void expect_up_again() {
        EXPECT_TRUE(wait([&] { return listener_.ups == 2; })) << last_down();
    }
};

// A sanitizer catches SIGSEGV and ends the process in its own way.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool k_sanitized = true;
#else
constexpr bool k_sanitized = false;
#endif
constexpr Kind k_crash = k_sanitized ? Kind::exited : Kind::signal;
std::string crashed(const std::string& where) {
    return (k_sanitized ? "" : "killed by SIGSEGV ") + where;
}

TEST_F(ACrash, in_create_names_the_function_and_the_plugin_comes_back_at_once) {
    make_up("misbehaving");
    start_misbehaving("crash", "create", 7);
    expect_down(k_crash, crashed("in create() of instance 7"));
    EXPECT_EQ(listener_.downs[0].restart_in, milliseconds{0});
    expect_up_again();
    EXPECT_EQ(runner_->status().crashes, 1u);
}

TEST_F(ACrash, in_start_names_the_function) {
    make_up("misbehaving");
    start_misbehaving("crash", "start");
    expect_down(k_crash, crashed("in start() of instance 1"));
}

TEST_F(ACrash, in_a_probe_names_the_function) {
    make_up("misbehaving");
    runner_->probe(spec(3, {{"do", "crash"}, {"in", "probe"}}), milliseconds{1000});
    expect_down(k_crash, crashed("in probe start() of instance 3"));
}

TEST_F(ACrash, in_an_action_names_the_function_and_ends_no_action_afterwards) {
    make_up("misbehaving");
    start_ready(1, {{"do", "crash"}, {"in", "begin"}});
    runner_->begin(action(1, 1, "x"));
    expect_down(k_crash, crashed("in action begin() of instance 1"));
    expect_up_again();
    EXPECT_EQ(listener_.ended_calls, 0);
}

TEST_F(ACrash, in_a_constructor_of_the_library_is_a_crash_while_loading) {
    make("crashes_on_load");
    runner_->run();
    expect_down(k_crash, crashed("while loading"));
    EXPECT_EQ(listener_.ups, 0);
}

TEST_F(ACrash, is_never_taken_for_the_end_of_the_process_that_is_started_next) {
    // An event of the host that had died woke the wait for the end of its successor, which was then
    // left to itself in the middle of its start: "ended by itself".
    policy_.backoff = {milliseconds{0}};
    policy_.crashes = 25;
    constexpr std::size_t k_runners = 8;
    std::vector<std::unique_ptr<RecordingListener>> listeners;
    std::vector<std::unique_ptr<PluginRunner>> runners;
    for (std::size_t i = 0; i < k_runners; ++i) {
        listeners.push_back(std::make_unique<RecordingListener>());
        runners.push_back(PluginRunner::create(loop_, BP_TEST_HOST_PROGRAM,
                                               load_image("crashes_on_load"), policy_,
                                               *listeners.back()));
        runners.back()->run();
    }
    ASSERT_TRUE(wait(
        [&] {
            return std::all_of(listeners.begin(), listeners.end(),
                               [](const auto& l) { return !l->put_aside.empty(); });
        },
        std::chrono::seconds{60}));
    for (const auto& listener : listeners)
        for (const auto& down : listener->downs)
            EXPECT_THAT(down.reason.text, HasSubstr(crashed("while loading")));
}

TEST_F(ACrash, does_not_lose_the_log_line_before_it) {
    make_up("misbehaving");
    start_misbehaving("crash_after_words", "start");
    expect_down(k_crash, "start()");
    const auto logs = recent_logs();
    EXPECT_TRUE(std::any_of(logs.begin(), logs.end(), [](const LogRecord& r) {
        return r.component == "misbehaving" &&
               r.text().find("these are my last words") != std::string::npos;
    }));
}

TEST_F(ACrash, by_kill_brings_the_plugin_back_and_instances_can_be_made_again) {
    make_up("echo");
    start_ready(1);
    ASSERT_EQ(::kill(runner_->status().pid, SIGKILL), 0);
    expect_down(Kind::signal, "killed by SIGKILL");
    expect_up_again();
    start_ready(2);
    runner_->begin(action(2, 1, "echo"));
    EXPECT_TRUE(ended(1).end.success);
}

TEST_F(ACrash, too_often_puts_the_plugin_aside_until_it_is_released) {
    policy_.crashes = 3;
    policy_.backoff = {milliseconds{0}, milliseconds{5}};
    make("misbehaving");
    listener_.on_up = [this] {
        if (listener_.ups <= 3) start_misbehaving("crash", "start", 1);
    };
    runner_->run();
    ASSERT_TRUE(wait([&] { return !listener_.put_aside.empty(); }));
    ASSERT_EQ(listener_.downs.size(), 3u);
    EXPECT_EQ(listener_.downs[0].restart_in, milliseconds{0});
    EXPECT_EQ(listener_.downs[1].restart_in, milliseconds{5});
    EXPECT_EQ(listener_.downs[2].restart_in, std::nullopt);
    EXPECT_THAT(
        listener_.put_aside[0],
        StartsWith(
            "plug-in misbehaving 1.0.0 was put aside after 3 crashes within 60.0 s, the last: "));
    EXPECT_TRUE(runner_->status().put_aside);
    runner_->run();
    EXPECT_FALSE(runner_->status().running);
    runner_->release();
    runner_->run();
    EXPECT_TRUE(wait([&] { return listener_.ups == 4; }));
}

TEST_F(ACrash, is_not_what_an_end_by_itself_is_called) {
    make_up("misbehaving");
    start_misbehaving("exit", "start");
    expect_down(Kind::exited, "ended by itself with exit status 0 in start() of instance 1");
    EXPECT_EQ(runner_->status().crashes, 1u);
    expect_up_again();
}

class AHang : public ACrash {};

TEST_F(AHang, in_an_action_is_ended_and_named) {
    make_up("misbehaving");
    start_ready(1, {{"do", "hang"}, {"in", "begin"}});
    runner_->begin(action(1, 1, "x"));
    expect_down(Kind::hung, "hung in action begin() of instance 1 for ");
    EXPECT_THAT(last_down(), StartsWith("did not answer for "));
    expect_up_again();
}

TEST_F(AHang, in_a_constructor_of_the_library_is_ended_at_the_load_limit) {
    policy_.load_limit = milliseconds{300} * k_slowness;
    make("hangs_on_load");
    runner_->run();
    expect_down(Kind::load_failed, "was not loaded within ");
    EXPECT_THAT(last_down(), HasSubstr("hung while loading"));
}

TEST_F(AHang, in_stop_is_ended_at_the_stop_limit) {
    make_up("misbehaving");
    start_ready(1, {{"do", "hang"}, {"in", "stop"}});
    runner_->stop(1);
    expect_down(Kind::hung, "in stop() of instance 1");
}

TEST_F(AHang, in_stop_does_not_keep_the_box_from_ending) {
    make_up("misbehaving");
    start_ready(1, {{"do", "hang"}, {"in", "stop"}});
    runner_->shut_down();
    expect_down(Kind::hung, "did not end within ");
    EXPECT_THAT(last_down(), HasSubstr("hung in stop() of instance 1"));
    EXPECT_EQ(listener_.downs[0].restart_in, std::nullopt);
}

TEST_F(AHang, of_work_that_never_returns_is_ended_at_the_stop_limit) {
    make_up("misbehaving");
    start_ready(1, {{"do", "hard_work"}, {"in", "start"}});
    runner_->stop(1);
    expect_down(Kind::hung, "did not finish the stop of instance 1 in time");
}

TEST_F(AHang, of_the_daemon_itself_is_not_blamed_on_the_plugin) {
    make_up("echo");
    start_ready(1);
    // The loop does not run for longer than the limit, although the plug-in answers in time: its
    // answer lies in the socket when the loop finds out how late it is. What is waited for is an
    // end of the process that must not come.
    const Fd process{static_cast<int>(::syscall(SYS_pidfd_open, runner_->status().pid, 0))};
    for (int i = 0; i < 3; ++i) {
        pollfd end{process.get(), POLLIN, 0};
        ASSERT_EQ(::poll(&end, 1, static_cast<int>(policy_.hang_limit.count() + 100)), 0);
        loop_.poll();
    }
    runner_->begin(action(1, 1, "echo"));
    EXPECT_TRUE(ended(1).end.success);
    EXPECT_TRUE(listener_.downs.empty()) << last_down();
}

class NonsenseOnTheSocket : public ACrash {};

TEST_F(NonsenseOnTheSocket, ends_the_process_and_says_what_was_wrong) {
    make_up("misbehaving");
    start_misbehaving("garbage", "start");
    expect_down(Kind::protocol,
                "sent a broken frame: it does not begin like a frame of protocol version 1");
    expect_up_again();
}

TEST_F(NonsenseOnTheSocket, with_descriptors_is_refused) {
    make_up("misbehaving");
    start_misbehaving("fds", "start");
    expect_down(Kind::protocol, "more file descriptors than any frame may have");
}

TEST_F(NonsenseOnTheSocket, such_as_closing_it_ends_the_process) {
    make_up("misbehaving");
    start_misbehaving("close_socket", "start");
    ASSERT_TRUE(wait([&] { return !listener_.downs.empty(); }));
    // The host notices by itself, or is ended; both are right, going on is not.
    EXPECT_NE(listener_.downs[0].reason.kind, Kind::requested);
    expect_up_again();
}

class AnUnloadablePlugin
    : public ACrash,
      public ::testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(AnUnloadablePlugin, is_put_aside_at_once_with_the_reason) {
    make(GetParam().first);
    runner_->run();
    ASSERT_TRUE(wait([&] { return !listener_.put_aside.empty(); }));
    EXPECT_EQ(listener_.downs[0].reason.kind, Kind::load_failed);
    EXPECT_THAT(listener_.put_aside[0],
                HasSubstr("cannot load plug-in " + std::string{GetParam().first} + ": "));
    EXPECT_THAT(listener_.put_aside[0], HasSubstr(GetParam().second));
    EXPECT_THAT(listener_.put_aside[0], ::testing::Not(HasSubstr("/proc/self")));
    EXPECT_EQ(listener_.ups, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Each, AnUnloadablePlugin,
    ::testing::Values(
        std::pair{"unresolved",
                  "undefined symbol: a_function_that_nobody_has; it was linked without"},
        std::pair{"too_new_major", "it was built for ABI 2, this box has 1"},
        std::pair{"too_new_minor", "it needs ABI 1.7, this box has 1.0: update the box"},
        std::pair{"short_entry", "its entry has 12 bytes"},
        std::pair{"no_version_node",
                  "does not export bp_plugin_entry in the version node BP_PLUGIN_1"}),
    [](const auto& each) { return std::string{each.param.first}; });

TEST_F(ACrash, of_nothing_but_a_missing_program_is_reported_and_tried_again) {
    runner_ = PluginRunner::create(loop_, "/nowhere/backplane-plugin-host", load_image("echo"),
                                   policy_, listener_);
    runner_->run();
    EXPECT_TRUE(listener_.downs.empty());
    expect_down(Kind::spawn_failed,
                "cannot start /nowhere/backplane-plugin-host: No such file or directory");
    EXPECT_EQ(listener_.downs[0].restart_in, milliseconds{100});
}

}  // namespace
}  // namespace backplane::core
