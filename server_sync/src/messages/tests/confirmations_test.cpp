// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>

#include <optional>

#include "browser/tests/fakes.hpp"
#include "messages/confirmations.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class ConsentOfSomebodyAtTheBox : public ::testing::Test {
protected:
    std::function<void(bool)> into(std::optional<bool>& result) {
        return [&result](bool allowed) {
            EXPECT_FALSE(result.has_value()) << "answered twice";
            result = allowed;
        };
    }
    FakeClock clock;
    double wall = 1000;
    std::optional<Confirmations> confirmations{std::in_place, clock.timers(),
                                               [this] { return wall; }};
    std::optional<bool> first, second;
};

TEST_F(ConsentOfSomebodyAtTheBox, is_asked_for_and_given_once) {
    int changes = 0;
    const auto listener = confirmations->on_change([&] { ++changes; });
    confirmations->ask("remote_debug", "May I?", into(first));
    const auto waiting = confirmations->waiting();
    ASSERT_EQ(waiting.size(), 1u);
    EXPECT_THAT(waiting[0].id, MatchesRegex("[0-9a-f]{16}"));
    EXPECT_EQ(waiting[0].kind, "remote_debug");
    EXPECT_EQ(waiting[0].text, "May I?");
    EXPECT_EQ(waiting[0].asked, 1000);
    EXPECT_EQ(waiting[0].until, 1900);
    EXPECT_EQ(changes, 1);

    EXPECT_TRUE(confirmations->answer(waiting[0].id, true));
    EXPECT_TRUE(confirmations->waiting().empty());
    EXPECT_EQ(changes, 2);
    clock.advance(0ms);
    EXPECT_EQ(first, true);
    const auto again = confirmations->answer(waiting[0].id, true);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, "confirmation.unknown");
    EXPECT_THAT(again.error().text, HasSubstr("Look at the box's page again"));
    clock.advance(1h);
}

TEST_F(ConsentOfSomebodyAtTheBox, can_be_refused) {
    confirmations->ask("remote_debug", "May I?", into(first));
    EXPECT_TRUE(confirmations->answer(confirmations->waiting()[0].id, false));
    clock.advance(0ms);
    EXPECT_EQ(first, false);
}

TEST_F(ConsentOfSomebodyAtTheBox, is_not_given_by_an_answer_to_nothing) {
    confirmations->ask("remote_debug", "May I?", into(first));
    for (const char* id : {"", "0000000000000000", "remote_debug"})
        EXPECT_FALSE(confirmations->answer(id, true)) << id;
    clock.advance(1s);
    EXPECT_FALSE(first.has_value());
    EXPECT_EQ(confirmations->waiting().size(), 1u);
}

TEST_F(ConsentOfSomebodyAtTheBox, is_refused_when_nobody_answers_for_15_minutes) {
    confirmations->ask("remote_debug", "May I?", into(first));
    clock.advance(15min - 1ms);
    EXPECT_FALSE(first.has_value());
    clock.advance(1ms);
    EXPECT_EQ(first, false);
    EXPECT_TRUE(confirmations->waiting().empty());
}

TEST_F(ConsentOfSomebodyAtTheBox, is_not_given_to_a_newer_question_by_answering_the_older) {
    confirmations->ask("server_update", "to a?", into(first));
    const auto old = confirmations->waiting()[0].id;
    confirmations->ask("server_update", "to b?", into(second));
    clock.advance(0ms);
    EXPECT_EQ(first, false);
    ASSERT_EQ(confirmations->waiting().size(), 1u);
    EXPECT_FALSE(confirmations->answer(old, true));
    clock.advance(0ms);
    EXPECT_FALSE(second.has_value());
    EXPECT_TRUE(confirmations->answer(confirmations->waiting()[0].id, true));
    clock.advance(0ms);
    EXPECT_EQ(second, true);
}

TEST_F(ConsentOfSomebodyAtTheBox, is_asked_for_eight_things_at_most) {
    for (int i = 0; i < 8; ++i)
        confirmations->ask("kind " + std::to_string(i), "May I?", [](bool) {});
    confirmations->ask("one more", "May I?", into(first));
    EXPECT_FALSE(first.has_value()) << "called from inside";
    EXPECT_EQ(confirmations->waiting().size(), 8u);
    clock.advance(0ms);
    EXPECT_EQ(first, false);
}

TEST_F(ConsentOfSomebodyAtTheBox, is_told_to_nobody_after_its_end) {
    confirmations->ask("a", "May I?", into(first));
    confirmations->ask("b", "May I?", into(second));
    EXPECT_TRUE(confirmations->answer(confirmations->waiting()[0].id, true));
    confirmations.reset();
    clock.advance(1h);
    EXPECT_FALSE(first.has_value());
    EXPECT_FALSE(second.has_value());
}

}  // namespace
}  // namespace backplane::sync::test
