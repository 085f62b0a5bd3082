// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/log.hpp"
#include "messages/tests/paired_box.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(APairedBox, has_no_remote_help_unless_its_owner_configured_it) {
    receive("remote_debug", {{"token", "abc"}});
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(text(replies[0], "status"), "error");
    EXPECT_EQ(replies[0].at("result"), (json::object{{"enabled", false}}));
    EXPECT_THAT(text(replies[0], "message"), HasSubstr("odoo.remote_debug"));
    receive("remote_debug", {{"status", true}});
    ASSERT_EQ(replies.size(), 2u);
    EXPECT_EQ(replies[1], (json::object{{"session_id", 0},
                                        {"iot_box_identifier", k_box},
                                        {"device_identifier", nullptr},
                                        {"status", "success"},
                                        {"result", json::object{{"enabled", false}}}}));
    EXPECT_THAT(confirmations.waiting(), IsEmpty());
    EXPECT_THAT(runs, IsEmpty());
}

TEST_F(APairedBox, opens_remote_help_only_after_somebody_at_the_box_has_allowed_it) {
    begin_with_help();
    receive("remote_debug", {{"token", "CANARY-T"}});
    EXPECT_THAT(question(), HasSubstr("somebody outside could look into this box"));
    EXPECT_THAT(question(), Not(HasSubstr("CANARY")));
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_THAT(runs[0].call.command, ElementsAre("tunnel", "status")) << "only looked at";
    end_run(1);
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(text(replies[0], "status"), "error");
    EXPECT_THAT(text(replies[0], "message"), HasSubstr("has to allow this first"));

    consent(true, "remote_debug");
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_THAT(runs[0].call.command, ElementsAre("tunnel", "up", "--key=CANARY-T",
                                                  "--name=shop-example-com-10000000abcdef01"));
    EXPECT_EQ(runs[0].call.input, "CANARY-T");
    EXPECT_EQ(runs[0].call.deadline, 20s);
    end_run(0);
    EXPECT_THAT(runs, IsEmpty()) << "a tunnel needs a moment";
    clock.advance(1s);
    end_run(0);
    ASSERT_EQ(replies.size(), 2u);
    EXPECT_EQ(replies[1], (json::object{{"session_id", 0},
                                        {"iot_box_identifier", k_box},
                                        {"device_identifier", nullptr},
                                        {"status", "success"},
                                        {"result", json::object{{"enabled", true}}}}));
}

TEST_F(APairedBox, runs_nothing_of_remote_help_that_was_refused_or_not_answered) {
    begin_with_help();
    for (const bool answered : {true, false}) {
        for (const char* token : {"abc", ""}) {
            receive("remote_debug", {{"token", token}});
            end_run(1);
            if (answered)
                consent(false, "remote_debug");
            else
                clock.advance(15min);
            ASSERT_EQ(runs.size(), 1u);
            EXPECT_THAT(runs[0].call.command, ElementsAre("tunnel", "status"));
            end_run(1);
            EXPECT_THAT(text(replies.back(), "message"), HasSubstr("was not allowed at the box"));
        }
    }
}

TEST_F(APairedBox, runs_nothing_of_remote_help_when_it_belongs_to_another_database_by_then) {
    begin_with_help();
    receive("remote_debug", {{"token", "abc"}});
    end_run(1);
    pair("https://other.example.net");
    consent(true, "remote_debug");
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_THAT(runs[0].call.command, ElementsAre("tunnel", "status"));
}

TEST_F(APairedBox, asks_before_it_opens_remote_help_for_a_browser_and_answers_it_at_once) {
    begin_with_help();
    std::optional<json::object> reply;
    messages->ask("remote_debug", {{"token", "abc"}}, "session-1",
                  [&](json::object got) { reply = std::move(got); });
    end_run(1);
    ASSERT_TRUE(reply);
    EXPECT_EQ(text(*reply, "status"), "error");
    EXPECT_EQ(text(*reply, "session_id"), "session-1");
    consent(true, "remote_debug");
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_THAT(runs[0].call.command[1], "up");
}

TEST_F(APairedBox, ends_remote_help_with_consent) {
    begin_with_help();
    receive("remote_debug", {{"token", false}});
    EXPECT_THAT(question(), HasSubstr("asks to end remote help"));
    end_run(0);
    consent(true, "remote_debug");
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_THAT(runs[0].call.command, ElementsAre("tunnel", "down"));
    EXPECT_EQ(runs[0].call.input, "");
}

TEST_F(APairedBox, says_why_remote_help_could_not_be_opened) {
    begin_with_help();
    receive("remote_debug", {{"token", "CANARY-T"}});
    end_run(1);
    consent(true, "remote_debug");
    end_run(3);
    end_run(1);
    EXPECT_EQ(text(replies.back(), "status"), "error");
    EXPECT_THAT(text(replies.back(), "message"),
                HasSubstr("could not be opened: its program ended with code 3"));
    EXPECT_EQ(replies.back().at("result"), (json::object{{"enabled", false}}));
}

TEST_F(APairedBox, takes_no_token_for_remote_help_that_could_be_something_else) {
    begin_with_help();
    const std::vector<json::value> k_odd{
        "--help",           "two words",           "a\nb", json::string(600, 'x'), 17,
        json::array{"abc"}, json::object{{"a", 1}}};
    for (const auto& odd : k_odd) {
        receive("remote_debug", {{"token", odd}});
        EXPECT_THAT(confirmations.waiting(), IsEmpty());
        end_run(1);
        EXPECT_THAT(text(replies.back(), "message"), HasSubstr("is not one word"));
    }
}

TEST_F(APairedBox, never_logs_the_token_of_remote_help) {
    begin_with_help();
    const auto logs = core::recent_logs();
    const auto before = logs.empty() ? 0 : logs.back().seq;
    receive("remote_debug", {{"token", "CANARY-T"}});
    end_run(1);
    consent(true, "remote_debug");
    end_run(core::failure("program.start", "tunnel could not be started"));
    end_run(1);
    for (const auto& reply : replies) EXPECT_THAT(json::serialize(reply), Not(HasSubstr("CANARY")));
    const auto lines = core::recent_logs(before);
    EXPECT_FALSE(lines.empty());
    for (const auto& record : lines) EXPECT_THAT(record.text(), Not(HasSubstr("CANARY")));
}

}  // namespace
}  // namespace backplane::sync::test
