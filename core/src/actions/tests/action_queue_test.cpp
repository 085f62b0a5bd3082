// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "actions/action_queue.hpp"

#include <gmock/gmock.h>

namespace backplane::core {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using Status = ActionOutcome::Status;

class AnActionQueue : public testing::Test {
protected:
    boost::asio::io_context loop;
    std::uint64_t next_id = 0;
    std::vector<std::uint64_t> dispatched, cancelled;
    std::vector<std::pair<std::string, ActionOutcome>> answers;
    std::vector<std::string> events;
    ActionQueue queue{loop,
                      {.waiting = 3, .remembered_ids = 2, .concurrent = 2, .grace = 50ms},
                      next_id,
                      [this](std::uint64_t id, const ActionRequest&, std::chrono::milliseconds) {
                          dispatched.push_back(id);
                      },
                      [this](std::uint64_t id) { cancelled.push_back(id); },
                      [this](const ActionRequest& request, const ActionOutcome&) {
                          events.push_back(request.name);
                      }};

    void push(std::string name, std::string unique_id = {},
              std::chrono::milliseconds deadline = 10s) {
        ActionRequest request;
        request.device = "scale1";
        request.name = name;
        request.unique_id = std::move(unique_id);
        request.deadline = deadline;
        queue.push(std::move(request),
                   [this, name](ActionOutcome outcome) { answers.emplace_back(name, outcome); });
    }
    void run() {
        loop.restart();
        loop.poll();
    }
    template <typename Predicate>
    void run_until(Predicate done) {
        const auto give_up = std::chrono::steady_clock::now() + 10s;
        loop.restart();
        while (!done() && std::chrono::steady_clock::now() < give_up) loop.run_one_for(100ms);
        ASSERT_TRUE(done());
    }
    static ActionOutcome success() {
        ActionOutcome outcome;
        outcome.status = Status::success;
        outcome.result = 7;
        return outcome;
    }
    static ActionOutcome failure() {
        ActionOutcome outcome;
        outcome.message = "no paper";
        return outcome;
    }
};

TEST_F(AnActionQueue, fails_what_had_begun_and_keeps_what_waits_when_the_driver_dies) {
    queue.open(false);
    push("one");
    push("two");
    queue.hold();
    queue.interrupt("the driver was killed by SIGSEGV");
    run();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].first, "one");
    EXPECT_EQ(answers[0].second.code, "driver.gone");
    EXPECT_THAT(answers[0].second.message, HasSubstr("SIGSEGV"));
    queue.open(false);
    EXPECT_THAT(dispatched, ElementsAre(1, 2));
}

TEST_F(AnActionQueue, answers_everybody_once_when_the_device_goes) {
    queue.open(false);
    push("one");
    push("two");
    ActionOutcome gone;
    gone.status = Status::disconnected;
    queue.end_all(gone);
    queue.ended(1, success());
    queue.end_all(gone);
    run();
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[0].second.status, Status::disconnected);
    EXPECT_EQ(answers[1].second.status, Status::disconnected);
    EXPECT_THAT(events, ElementsAre("one", "two"));
}

TEST_F(AnActionQueue, ends_an_action_at_its_deadline_when_the_driver_never_answers) {
    queue.open(false);
    push("hang", {}, 20ms);
    push("next");
    run_until([&] { return answers.size() == 1; });
    EXPECT_EQ(answers[0].second.code, "action.timeout");
    EXPECT_THAT(answers[0].second.message, HasSubstr("may or may not have happened"));
    EXPECT_THAT(cancelled, ElementsAre(1));
    EXPECT_THAT(dispatched, ElementsAre(1, 2));
    queue.ended(1, success());  // late
    run();
    EXPECT_EQ(answers.size(), 1u);
}

TEST_F(AnActionQueue, ends_a_waiting_action_at_its_deadline) {
    push("patient", {}, 20ms);
    run_until([&] { return answers.size() == 1; });
    EXPECT_EQ(answers[0].second.code, "action.timeout");
    EXPECT_THAT(answers[0].second.message, HasSubstr("could not begin"));
    EXPECT_TRUE(dispatched.empty());
    EXPECT_EQ(queue.waiting(), 0u);
}

TEST_F(AnActionQueue, refuses_more_than_it_can_hold_and_says_so) {
    for (int i = 0; i < 4; ++i) push("a");
    run();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].second.code, "action.queue_full");
    EXPECT_THAT(answers[0].second.message, HasSubstr("scale1 has 3 actions waiting"));
}

TEST_F(AnActionQueue, runs_one_after_the_other_in_order) {
    queue.open(false);
    push("one");
    push("two");
    EXPECT_THAT(dispatched, ElementsAre(1));
    queue.ended(1, success());
    EXPECT_THAT(dispatched, ElementsAre(1, 2));
}

TEST_F(AnActionQueue, runs_several_at_once_where_the_driver_allows_it) {
    queue.open(true);
    push("one");
    push("two");
    push("three");
    EXPECT_THAT(dispatched, ElementsAre(1, 2));
}

TEST_F(AnActionQueue, never_calls_back_before_push_has_returned) {
    ActionQueue immediate{loop,
                          {},
                          next_id,
                          [&](std::uint64_t id, const ActionRequest&, std::chrono::milliseconds) {
                              immediate.ended(id, success());
                          },
                          [](std::uint64_t) {},
                          [](const ActionRequest&, const ActionOutcome&) {}};
    immediate.open(false);
    bool called = false;
    immediate.push({}, [&](ActionOutcome) { called = true; });
    EXPECT_FALSE(called);
    run();
    EXPECT_TRUE(called);
}

TEST_F(AnActionQueue, runs_a_unique_id_once_and_answers_the_second_from_the_record) {
    queue.open(false);
    push("print", "7f3c");
    push("print", "7f3c");
    run();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].second.status, Status::duplicate);
    queue.ended(1, success());
    push("print", "7f3c");
    run();
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[2].second.status, Status::duplicate);
    EXPECT_EQ(answers[2].second.result, 7);
    EXPECT_THAT(dispatched, ElementsAre(1));
}

TEST_F(AnActionQueue, forgets_a_unique_id_whose_action_failed_so_that_a_retry_works) {
    queue.open(false);
    push("print", "7f3c");
    queue.ended(1, failure());
    push("print", "7f3c");
    EXPECT_THAT(dispatched, ElementsAre(1, 2));
}

TEST_F(AnActionQueue, forgets_the_oldest_unique_ids_beyond_its_bound) {
    queue.open(false);
    for (const char* id : {"a", "b", "c"}) {
        push("print", id);
        queue.ended(next_id, success());
    }
    push("print", "a");
    push("print", "c");
    run();
    EXPECT_THAT(dispatched, ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace backplane::core
