// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Quiesce, resume, and what one instance leaves to the next: with plug-ins that behave, and with
// those that crash, hang or lie just then.
#include <algorithm>

#include "runner_fixture.hpp"

namespace backplane::core {
namespace {

using Kind = ExitReason::Kind;
using std::chrono::milliseconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr Kind k_crash = Kind::exited;
#else
constexpr Kind k_crash = Kind::signal;
#endif

constexpr std::size_t k_mib = std::size_t{1} << 20;

class AHandOver : public RunnerFixture {
protected:
    SavedState quiesce(InstanceId id) {
        listener_.quiesced.erase(id);
        runner_->quiesce(id);
        EXPECT_TRUE(wait([&] { return listener_.quiesced.count(id) != 0; })) << last_down();
        return listener_.quiesced[id];
    }
    static std::string text(const SavedState& state) {
        return {state.bytes.begin(), state.bytes.end()};
    }
    static SavedState state(std::uint32_t version, const std::string& bytes) {
        return {version, {bytes.begin(), bytes.end()}};
    }
    void talk(InstanceId instance, std::uint64_t id) {
        runner_->begin(action(instance, id, "talk"));
        ASSERT_TRUE(ended(id).end.success) << ended(id).end.message;
    }
    /// The {"count", "restored"} that an instance said when it was started last.
    std::pair<std::int64_t, std::int64_t> began() {
        EXPECT_TRUE(wait([&] {
            return std::any_of(listener_.events.begin(), listener_.events.end(),
                               [](const RunnerEvent& event) { return event.kind == "began"; });
        })) << last_down();
        const auto last = std::find_if(listener_.events.rbegin(), listener_.events.rend(),
                                       [](const RunnerEvent& e) { return e.kind == "began"; });
        if (last == listener_.events.rend()) return {-1, -1};
        return {last->data.at("count").to_number<std::int64_t>(),
                last->data.at("restored").to_number<std::int64_t>()};
    }
    void start_with(SavedState inherited, boost::json::object settings = {}) {
        auto successor = spec(1, std::move(settings));
        successor.state = std::move(inherited);
        runner_->start(std::move(successor));
        ASSERT_TRUE(wait([&] { return listener_.started.count(1) != 0; })) << last_down();
        ASSERT_EQ(listener_.started[1], "ok");
    }
    void expect_down(Kind kind, const std::string& reason) {
        ASSERT_TRUE(wait([&] { return !listener_.downs.empty(); }));
        EXPECT_EQ(to_string(listener_.downs[0].reason.kind), to_string(kind))
            << listener_.downs[0].reason.text;
        EXPECT_THAT(listener_.downs[0].reason.text, HasSubstr(reason));
        EXPECT_THAT(listener_.quiesced, IsEmpty());
        EXPECT_TRUE(wait([&] { return listener_.ups == 2; })) << last_down();
    }
};

// ---- plug-ins that are bad just then ----

TEST_F(AHandOver, of_a_plugin_that_crashes_in_save_is_a_crash_with_the_name_of_the_function) {
    make_up("keeper");
    start_ready(1, {{"do", "crash"}, {"in", "save"}});
    runner_->quiesce(1);
    expect_down(k_crash, "in state save() of instance 1");
}

TEST_F(AHandOver, to_a_plugin_that_crashes_in_restore_is_a_crash_with_the_name_of_the_function) {
    make_up("keeper");
    auto successor = spec(7, {{"do", "crash"}, {"in", "restore"}});
    successor.state = state(1, "5");
    runner_->start(std::move(successor));
    expect_down(k_crash, "in state restore() of instance 7");
    EXPECT_EQ(listener_.started.count(7), 0u);
}

TEST_F(AHandOver, of_a_plugin_that_never_answers_ends_its_process) {
    for (const char* where : {"stop", "save"}) {
        listener_ = {};
        make_up("keeper");
        start_ready(1, {{"do", "hang"}, {"in", where}});
        const auto begin = std::chrono::steady_clock::now();
        runner_->quiesce(1);
        expect_down(Kind::hung, std::string{where} + "() of instance 1");
        EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds{10'000} * k_slowness);
    }
}

TEST_F(AHandOver, waits_for_work_on_other_threads_but_not_for_ever) {
    make_up("misbehaving");
    start_misbehaving("hard_work", "start");
    ASSERT_TRUE(wait([&] { return listener_.started.count(1) != 0; }));
    runner_->quiesce(1);
    expect_down(Kind::hung, "did not finish the quiesce of instance 1 in time");
}

TEST_F(AHandOver, that_nobody_has_asked_for_breaks_the_protocol) {
    make_up("keeper");
    start_ready(1);
    runner_->begin(action(1, 5, "forge"));
    expect_down(Kind::protocol, "quiesced: without a quiesce");
}

TEST_F(AHandOver, of_more_than_a_mebibyte_leaves_nothing_and_is_a_fault) {
    make_up("keeper");
    InstanceId id = 0;
    for (const char* what : {"nothing", "ignore_put"}) {
        start_ready(++id, {{"size", k_mib + 2}, {"do", what}});
        const SavedState left = quiesce(id);
        EXPECT_EQ(left.version, 0u) << what;
        EXPECT_THAT(left.bytes, IsEmpty()) << what;
        EXPECT_EQ(runner_->status().faults, id);
    }
    EXPECT_THAT(listener_.downs, IsEmpty());
}

TEST_F(AHandOver, that_the_plugin_fails_leaves_nothing_and_is_a_fault) {
    make_up("keeper");
    start_ready(1, {{"do", "fail"}, {"in", "save"}});
    start_ready(2, {{"do", "throw"}, {"in", "save"}});
    start_ready(3, {{"do", "put_nowhere"}, {"in", "save"}});
    EXPECT_EQ(quiesce(1).version, 0u);
    EXPECT_EQ(runner_->status().faults, 1u);
    EXPECT_EQ(quiesce(2).version, 0u);
    EXPECT_EQ(runner_->status().faults, 3u) << "the exception, and the state that is missing";
    EXPECT_EQ(text(quiesce(3)), "7") << "the wrong put() was refused, the right ones counted";
    EXPECT_EQ(runner_->status().faults, 4u);
}

TEST_F(AHandOver, without_a_version_is_a_fault) {
    make_up("keeper_0");
    start_ready(1);
    EXPECT_THAT(quiesce(1).bytes, IsEmpty());
    EXPECT_EQ(runner_->status().faults, 1u);
}

TEST_F(AHandOver, takes_bytes_only_while_they_are_asked_for) {
    make_up("keeper");
    start_ready(1, {{"do", "put"}, {"in", "start"}});
    EXPECT_EQ(text(quiesce(1)), "7");
    EXPECT_EQ(runner_->status().faults, 1u);
}

TEST_F(AHandOver, lets_nothing_be_set_going_any_more) {
    make_up("keeper");
    start_ready(1, {{"do", "arm"}, {"in", "save"}});
    EXPECT_EQ(text(quiesce(1)), "7");
    EXPECT_EQ(runner_->status().faults, 3u);
    EXPECT_THAT(listener_.events, Not(Contains(::testing::Field(&RunnerEvent::kind, "late"))));
}

// ---- quiesce ----

TEST_F(AHandOver, tells_everything_that_was_said_before_it) {
    make_up("keeper");
    start_ready(1);
    runner_->begin(action(1, 5, "talk"));
    runner_->quiesce(1);
    EXPECT_THAT(listener_.quiesced, IsEmpty()) << "never from inside a call";
    ASSERT_TRUE(wait([&] { return listener_.quiesced.count(1) != 0; })) << last_down();
    EXPECT_EQ(std::count(listener_.order.begin(), listener_.order.end(), "event"), 201);
    EXPECT_EQ(listener_.order.back(), "quiesced");
    EXPECT_EQ(listener_.events.back().data.at("count").to_number<int>(), 200);
    EXPECT_EQ(listener_.ended.count(5), 1u);
    EXPECT_EQ(text(listener_.quiesced[1]), "200");
    EXPECT_EQ(listener_.quiesced[1].version, 1u);
}

TEST_F(AHandOver, ends_the_actions_that_still_run_and_takes_no_new_ones) {
    make_up("keeper");
    start_ready(1);
    runner_->begin(action(1, 5, "never"));
    bool ended_first = false;
    listener_.on_quiesced = [&](InstanceId) { ended_first = listener_.ended.count(5) == 1; };
    runner_->quiesce(1);
    runner_->begin(action(1, 6, "talk"));
    ASSERT_TRUE(wait([&] { return listener_.quiesced.count(1) != 0; })) << last_down();
    EXPECT_TRUE(ended_first);
    EXPECT_EQ(listener_.ended[5].end.code, "CANCELLED");
    EXPECT_EQ(ended(6).end.code, "NO_DEVICE");
    runner_->begin(action(1, 7, "talk"));
    EXPECT_EQ(ended(7).end.code, "NO_DEVICE");
    EXPECT_EQ(listener_.ended_calls, 3);
}

TEST_F(AHandOver, ends_actions_that_the_plugin_has_forgotten) {
    make_up("misbehaving");
    start_misbehaving("nothing", "start");
    ASSERT_TRUE(wait([&] { return listener_.started.count(1) != 0; }));
    runner_->begin(action(1, 5, "left open"));
    EXPECT_EQ(quiesce(1).version, 0u);
    EXPECT_EQ(ended(5).end.code, "CANCELLED");
    EXPECT_EQ(runner_->status().faults, 1u);
}

TEST_F(AHandOver, comes_after_the_work_that_still_runs) {
    make_up("keeper");
    start_ready(1, {{"do", "arm"}, {"in", "work"}});
    runner_->begin(action(1, 5, "work"));
    // 4711 is set, and then replaced, by what follows the work.
    EXPECT_EQ(text(quiesce(1)), "7");
    EXPECT_EQ(runner_->status().faults, 3u);
}

TEST_F(AHandOver, of_a_plugin_without_the_extension_leaves_nothing) {
    make_up("echo");
    start_ready(1);
    EXPECT_EQ(quiesce(1).version, 0u);
    EXPECT_EQ(runner_->status().faults, 0u);
}

TEST_F(AHandOver, of_a_plugin_that_has_nothing_to_leave_is_no_fault) {
    make_up("keeper");
    start_ready(1, {{"do", "have_nothing"}, {"in", "save"}});
    EXPECT_EQ(quiesce(1).version, 0u);
    EXPECT_EQ(runner_->status().faults, 0u);
}

TEST_F(AHandOver, of_an_instance_that_is_just_being_started_comes_after_its_start) {
    make_up("keeper");
    runner_->start(spec(1));
    EXPECT_EQ(quiesce(1).version, 1u);
    EXPECT_THAT(listener_.order, ElementsAre("started", "event", "quiesced"));
    EXPECT_EQ(listener_.started[1], "ok");
}

TEST_F(AHandOver, of_an_instance_that_cannot_be_started_is_its_failed_start) {
    make_up("keeper");
    runner_->start(spec(1, {{"do", "fail"}, {"in", "start"}}));
    runner_->quiesce(1);
    ASSERT_TRUE(wait([&] { return listener_.started.count(1) != 0; })) << last_down();
    EXPECT_EQ(listener_.started[1], "plugin.IO: the notebook is full");
    start_ready(2);
    EXPECT_THAT(listener_.quiesced, IsEmpty());
}

TEST_F(AHandOver, of_what_was_never_started_is_a_stop) {
    make_up("keeper");
    runner_->probe(spec(1), milliseconds{2000});
    ASSERT_TRUE(wait([&] { return listener_.probed.count(1) != 0; }));
    runner_->quiesce(1);
    runner_->quiesce(99);
    ASSERT_TRUE(wait([&] { return listener_.stopped.size() == 2; })) << last_down();
    EXPECT_THAT(listener_.stopped, ::testing::UnorderedElementsAre(1, 99));
    EXPECT_THAT(listener_.quiesced, IsEmpty());
}

// ---- and then ----

TEST_F(AHandOver, that_failed_is_resumed_where_it_was) {
    make_up("keeper");
    start_ready(1);
    talk(1, 5);
    EXPECT_EQ(text(quiesce(1)), "200");
    listener_.started.clear();
    runner_->resume(1);
    ASSERT_TRUE(wait([&] { return listener_.started.count(1) != 0; })) << last_down();
    EXPECT_EQ(listener_.started[1], "ok");
    talk(1, 6);
    EXPECT_EQ(began().first, 200) << "the same instance, not a new one";
    EXPECT_EQ(text(quiesce(1)), "400");
    EXPECT_EQ(runner_->status().faults, 0u);
}

TEST_F(AHandOver, of_an_interface_lets_it_find_its_devices_again_when_it_is_resumed) {
    make_up("finder", "interface");
    start_ready(1);
    ASSERT_TRUE(wait([&] { return listener_.settled == 1; }));
    quiesce(1);
    const auto said = listener_.order.size();
    runner_->resume(1);
    ASSERT_TRUE(wait([&] { return listener_.settled == 2; })) << last_down();
    EXPECT_EQ(listener_.order[said], "started");
    EXPECT_EQ(listener_.order[said + 1], "added");
    EXPECT_THAT(listener_.downs, IsEmpty());
}

TEST_F(AHandOver, resumes_only_what_is_quiesced) {
    make_up("keeper");
    start_ready(1);
    for (const InstanceId id : {InstanceId{1}, InstanceId{99}}) {
        listener_.started.clear();
        runner_->resume(id);
        ASSERT_TRUE(wait([&] { return listener_.started.count(id) != 0; }));
        EXPECT_EQ(listener_.started[id],
                  "plugin.BAD_STATE: cannot resume the instance: it is not quiesced");
    }
    talk(1, 5);
}

TEST_F(AHandOver, that_succeeded_ends_with_a_stop) {
    make_up("keeper");
    start_ready(1);
    quiesce(1);
    runner_->stop(1);
    ASSERT_TRUE(wait([&] { return listener_.stopped.size() == 1; })) << last_down();
    start_ready(2);
    EXPECT_EQ(runner_->status().faults, 0u);
    EXPECT_EQ(listener_.quiesced.size(), 1u);
}

TEST_F(AHandOver, that_is_given_up_before_its_answer_is_a_stop_and_nothing_else) {
    make_up("keeper");
    start_ready(1);
    runner_->quiesce(1);
    runner_->quiesce(1);
    runner_->stop(1);
    ASSERT_TRUE(wait([&] { return listener_.stopped.size() == 1; })) << last_down();
    start_ready(2);
    EXPECT_THAT(listener_.quiesced, IsEmpty());
    EXPECT_THAT(listener_.downs, IsEmpty());
}

TEST_F(AHandOver, does_not_hinder_the_end_of_the_process) {
    make_up("keeper");
    start_ready(1);
    quiesce(1);
    runner_->shut_down();
    ASSERT_TRUE(wait([&] { return !listener_.downs.empty(); }));
    EXPECT_EQ(listener_.downs[0].reason.kind, Kind::requested);
}

// ---- what is left ----

TEST_F(AHandOver, carries_an_empty_state_and_one_of_a_mebibyte) {
    make_up("keeper");
    start_ready(1, {{"size", 1}});
    start_ready(2, {{"size", k_mib + 1}});
    const SavedState empty = quiesce(1);
    EXPECT_EQ(empty.version, 1u);
    EXPECT_THAT(empty.bytes, IsEmpty());
    EXPECT_EQ(quiesce(2).bytes.size(), k_mib);
    EXPECT_EQ(runner_->status().faults, 0u);

    SavedState large = listener_.quiesced[2];
    listener_ = {};
    make_up("keeper_2");
    start_with(std::move(large));
    EXPECT_EQ(began().second, 1);
    listener_ = {};
    make_up("keeper_2");
    start_with(empty);
    EXPECT_EQ(began().second, 1) << "no bytes are a state too";
}

TEST_F(AHandOver, reaches_a_successor_of_another_version_in_another_process) {
    make_up("keeper");
    start_ready(1);
    talk(1, 5);
    RecordingListener heard;
    const auto successor =
        PluginRunner::create(loop_, BP_TEST_HOST_PROGRAM, load_image("keeper_2"), policy_, heard);
    successor->run();
    ASSERT_TRUE(wait([&] { return heard.ups == 1; }));
    auto inherits = spec(2);
    inherits.state = quiesce(1);
    successor->start(std::move(inherits));
    ASSERT_TRUE(wait([&] { return heard.events.size() == 1; }));
    EXPECT_EQ(heard.events[0].data.at("count").to_number<int>(), 200);
    EXPECT_EQ(heard.events[0].data.at("restored").to_number<int>(), 1);
    runner_->stop(1);
    ASSERT_TRUE(wait([&] { return listener_.stopped.size() == 1; }));
    successor->begin(action(2, 6, "talk"));
    ASSERT_TRUE(wait([&] { return heard.ended.count(6) == 1; }));
    EXPECT_EQ(heard.ended[6].end.result.to_number<int>(), 400);
}

TEST_F(AHandOver, reaches_one_that_is_probed_first_after_it_has_claimed) {
    make_up("keeper");
    auto successor = spec(1);
    successor.state = state(1, "5");
    runner_->probe(std::move(successor), milliseconds{2000});
    ASSERT_TRUE(wait([&] { return listener_.probed.count(1) != 0; }));
    EXPECT_EQ(listener_.probed[1].second, "restored: 0");
    runner_->start_probed(1);
    EXPECT_EQ(began(), std::make_pair(std::int64_t{5}, std::int64_t{1}));
}

TEST_F(AHandOver, is_declined_by_a_plugin_that_knows_only_an_older_format) {
    make_up("keeper");
    start_with(state(2, "5"));
    EXPECT_EQ(began(), std::make_pair(std::int64_t{0}, std::int64_t{0}));
    EXPECT_EQ(runner_->status().faults, 0u);
}

TEST_F(AHandOver, that_a_successor_cannot_take_over_does_not_keep_it_from_starting) {
    make_up("keeper");
    start_with(state(1, "5"), {{"do", "fail"}, {"in", "restore"}});
    EXPECT_EQ(began(), std::make_pair(std::int64_t{0}, std::int64_t{0}));
    listener_ = {};
    make_up("echo");
    start_with(state(1, "5"));
    EXPECT_THAT(listener_.downs, IsEmpty());
}

TEST_F(AHandOver, is_not_offered_when_it_is_larger_than_any_state_may_be) {
    make_up("keeper");
    start_with(SavedState{1, std::vector<std::uint8_t>(k_mib + 1, '5')});
    EXPECT_EQ(began().second, 0);
}

TEST_F(AHandOver, is_offered_once_and_not_again_when_the_successor_is_resumed) {
    make_up("keeper");
    start_with(state(1, "5"));
    talk(1, 5);
    quiesce(1);
    listener_.events.clear();
    runner_->resume(1);
    EXPECT_EQ(began().first, 205);
}

}  // namespace
}  // namespace backplane::core
