// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What becomes of a hand-over when the plug-in is bad just then: it ends in a state, in none, or in the end of the
// process with the reason; and the next process of the same plug-in works.
#include "runner_fixture.hpp"

namespace backplane::core {
namespace {

using Kind = ExitReason::Kind;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Case {
    const char* animal;
    const char* in;
    Kind kind;
    const char* reason;
};
void PrintTo(const Case& which, std::ostream* out) {
    *out << which.animal << " in " << which.in;
}

class ABadHandOver : public RunnerFixture, public ::testing::WithParamInterface<Case> {};

TEST_P(ABadHandOver, ends_the_process_with_its_reason_and_the_next_one_works) {
    const Case& which = GetParam();
    make_up(which.animal);
    auto instance = spec(1, {{"in", which.in}});
    instance.state = {1, {'x'}};
    runner_->start(std::move(instance));
    if (std::string_view{which.in} != "restore") {
        ASSERT_TRUE(wait([&] { return listener_.started.count(1) != 0; })) << last_down();
        ASSERT_EQ(listener_.started[1], "ok");
        runner_->quiesce(1);
    }
    ASSERT_TRUE(wait([&] { return !listener_.downs.empty(); }));
    EXPECT_EQ(to_string(listener_.downs[0].reason.kind), to_string(which.kind))
        << listener_.downs[0].reason.text;
    EXPECT_THAT(listener_.downs[0].reason.text, HasSubstr(which.reason));
    EXPECT_THAT(listener_.quiesced, IsEmpty());

    ASSERT_TRUE(wait([&] { return listener_.ups == 2; })) << last_down();
    start_ready(2, {{"in", "nothing"}});
    runner_->quiesce(2);
    ASSERT_TRUE(wait([&] { return listener_.quiesced.count(2) != 0; })) << last_down();
    EXPECT_EQ(listener_.quiesced[2].version, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, ABadHandOver,
    ::testing::Values(Case{"segfaults", "save", Kind::signal, "SIGSEGV in state save()"},
                      Case{"segfaults", "restore", Kind::signal, "SIGSEGV in state restore()"},
                      Case{"segfaults", "stop", Kind::signal, "SIGSEGV in stop()"},
                      Case{"overflows_stack", "save", Kind::signal, "SIGSEGV in state save()"},
                      Case{"aborts", "restore", Kind::signal, "SIGABRT in state restore()"},
                      Case{"exits", "save", Kind::exited, "in state save()"},
                      Case{"exits", "restore", Kind::exited, "in state restore()"},
                      Case{"hangs", "stop", Kind::hung, "stop() of instance 1"},
                      Case{"hangs", "save", Kind::hung, "state save() of instance 1"},
                      Case{"hangs", "restore", Kind::hung, "state restore() of instance 1"},
                      Case{"spins", "save", Kind::hung, "state save() of instance 1"}),
    [](const auto& which) { return std::string{which.param.animal} + "_in_" + which.param.in; });

class AHandOverInTheZoo : public RunnerFixture {};

TEST_F(AHandOverInTheZoo, survives_exceptions_and_leaves_nothing_of_a_failed_save) {
    for (const char* animal : {"throws", "throws_an_int"}) {
        listener_ = {};
        make_up(animal);
        start_ready(1, {{"in", "save"}});
        auto inherits = spec(2, {{"in", "restore"}});
        inherits.state = {1, {'x'}};
        runner_->start(std::move(inherits));
        ASSERT_TRUE(wait([&] { return listener_.started.count(2) != 0; })) << last_down();
        EXPECT_EQ(listener_.started[2], "ok") << animal;
        runner_->quiesce(1);
        runner_->quiesce(2);
        ASSERT_TRUE(wait([&] { return listener_.quiesced.size() == 2; })) << last_down();
        EXPECT_EQ(listener_.quiesced[1].version, 0u) << animal;
        EXPECT_EQ(listener_.quiesced[2].version, 1u) << animal;
        EXPECT_EQ(runner_->status().faults, 3u) << animal;
    }
}

}  // namespace
}  // namespace backplane::core
