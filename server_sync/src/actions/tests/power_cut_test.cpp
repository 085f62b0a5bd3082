// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The power goes at every step of an action, for every class of action and both ways into the box.
#include "actions/tests/inbox_box.hpp"

namespace backplane::sync {
namespace {

using test::action;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class APowerCut : public test::AnInbox {};

TEST_F(APowerCut, before_the_notification_is_durable_leaves_everything_to_the_server) {
    for (const auto& [device, name] :
         {std::pair{"printer", "cashbox"}, {"printer", "print_receipt"}, {"scale", "read_once"}}) {
        hold_disk();
        inbox->take({action(40, device, name)}, [this] { ++durable; });
        EXPECT_THAT(asked(), IsEmpty()) << "nothing runs that is not written down";
        cut_power();
        begin();
        EXPECT_EQ(durable, 0);
        EXPECT_EQ(inbox->last_id(), 0) << "so the server sends it again";
        EXPECT_THAT(asked(), IsEmpty());
        EXPECT_THAT(replies, IsEmpty());
    }
}

TEST_F(APowerCut, while_a_drawer_may_have_opened_does_not_open_it_again_and_tells_the_server) {
    take({action(41, "printer", "cashbox", "id-1")});
    ASSERT_THAT(asked(), ElementsAre("printer:cashbox"));
    cut_power();
    open();
    EXPECT_THAT(replies, IsEmpty()) << "nobody is told before the box has begun";
    inbox->begin();
    settle();
    EXPECT_EQ(inbox->last_id(), 41);
    EXPECT_THAT(asked(), IsEmpty());
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].at("status").as_string(), "error");
    EXPECT_EQ(replies[0].at("session_id").as_string(), "page-1");
    EXPECT_EQ(replies[0].at("action_unique_id").as_string(), "id-1");
    EXPECT_EQ(last_message(),
              "\"cashbox\" on printer may have been carried out before the box was interrupted; it "
              "was not repeated: look at the drawer and repeat it by hand if it was not.");
    EXPECT_EQ(inbox->status().unsure, 1u);

    take({action(42, "printer", "cashbox", "id-1")});
    EXPECT_THAT(asked(), IsEmpty()) << "its id is remembered";
    cut_power();
    begin();
    EXPECT_EQ(replies.size(), 1u) << "told once";
}

TEST_F(APowerCut, after_a_drawer_has_opened_but_before_that_is_written_is_the_same) {
    take({action(41, "printer", "cashbox")});
    hold_disk();
    devices.succeed();
    cut_power();
    begin();
    EXPECT_THAT(asked(), IsEmpty());
    EXPECT_EQ(inbox->status().unsure, 1u);
    EXPECT_THAT(last_message(), HasSubstr("may have been carried out"));
}

TEST_F(APowerCut, while_a_receipt_may_have_been_printed_prints_it_again_and_says_so_on_it) {
    take({action(41, "printer", "print_receipt", "id-1", {{"receipt", "AAAA"}})});
    cut_power();
    begin();
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt:repeated"));
    EXPECT_EQ(devices.asked.front().request.payload.size(), 3u) << "with its picture";
    EXPECT_EQ(devices.asked.front().request.unique_id, "id-1");
    EXPECT_EQ(inbox->status().repeated, 1u);
    EXPECT_THAT(replies, IsEmpty());
    cut_power();
    begin();
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt:repeated")) << "and once more";
    succeed();
    cut_power();
    begin();
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(APowerCut, after_the_end_of_an_action_repeats_and_tells_nothing) {
    take({action(41, "printer", "print_receipt"), action(42, "terminal", "", "pay-1"),
          action(43, "scale", "read_once")});
    succeed();
    succeed();
    succeed();
    cut_power();
    begin();
    EXPECT_THAT(asked(), IsEmpty());
    EXPECT_THAT(replies, IsEmpty());
    take({action(44, "terminal", "", "pay-1"), action(41, "printer", "print_receipt")});
    EXPECT_THAT(asked(), IsEmpty()) << "neither a second payment nor a second delivery";
    EXPECT_EQ(inbox->status().duplicates, 2u);
    EXPECT_EQ(on_disk("SELECT sum(bytes) FROM actions"), "0") << "contents are not kept";
}

TEST_F(APowerCut, runs_what_was_waiting_in_its_order_and_without_a_mark) {
    take({action(41, "printer", "print_receipt"), action(42, "printer", "cashbox"),
          action(43, "printer", "print_receipt", "r-2"), action(44, "scale", "read_once")});
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt", "scale:read_once"));
    cut_power();
    begin();
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt:repeated", "scale:read_once"));
    succeed();
    EXPECT_THAT(asked(), ElementsAre("scale:read_once", "printer:cashbox"));
    succeed();
    succeed();
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt"));
    succeed();
    EXPECT_EQ(inbox->status().waiting, 0u);
    EXPECT_THAT(replies, IsEmpty());
}

TEST_F(APowerCut, between_two_actions_of_a_device_cannot_hide_that_the_second_has_begun) {
    take({action(41, "printer", "print_receipt"), action(42, "printer", "cashbox")});
    hold_disk();
    devices.succeed();
    EXPECT_THAT(asked(), IsEmpty()) << "the drawer waits until its beginning is on the disk";
    cut_power();
    begin();
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt:repeated"));
    succeed();
    EXPECT_THAT(asked(), ElementsAre("printer:cashbox"));
}

TEST_F(APowerCut, while_a_browser_opens_the_drawer_is_remembered) {
    from_browser("printer", "cashbox", "b-1");
    ASSERT_THAT(asked(), ElementsAre("printer:cashbox"));
    cut_power();
    begin();
    EXPECT_THAT(asked(), IsEmpty());
    EXPECT_EQ(replies.at(0).at("session_id").as_string(), "browser");
    from_browser("printer", "cashbox", "b-1");
    EXPECT_THAT(outcomes, ElementsAre("duplicate"));
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(APowerCut, while_a_browser_prints_marks_the_receipt_when_the_browser_asks_again) {
    from_browser("printer", "print_receipt", "b-1");
    cut_power();
    begin();
    EXPECT_THAT(asked(), IsEmpty()) << "the box has no copy of it";
    EXPECT_THAT(replies, IsEmpty());
    from_browser("printer", "print_receipt", "b-1");
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt:repeated"));
    succeed();
    from_browser("printer", "print_receipt", "b-1");
    EXPECT_THAT(outcomes, ElementsAre("success", "duplicate"));
}

TEST_F(APowerCut, does_not_lose_the_cursor_or_let_it_go_back) {
    take({action(50, "printer", "print_receipt")});
    take({action(45, "scale", "read_once")});
    EXPECT_EQ(inbox->last_id(), 50);
    cut_power();
    begin();
    EXPECT_EQ(inbox->last_id(), 50);
    Notification chatter;
    chatter.id = 60;
    chatter.type = "simple_notification";
    take({chatter});
    cut_power();
    begin();
    EXPECT_EQ(inbox->last_id(), 60) << "also of what is for others";
}

TEST_F(APowerCut, waits_for_devices_that_appear_late_after_the_start) {
    take({action(41, "printer", "print_receipt"), action(42, "printer", "cashbox")});
    cut_power();
    auto kept = std::exchange(devices.devices, {});
    open();
    inbox->begin();
    advance(std::chrono::seconds{5});
    EXPECT_THAT(replies, IsEmpty());
    devices.devices = std::move(kept);
    advance(std::chrono::seconds{1});
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt:repeated"));
    cut_power();
    devices.devices.clear();
    begin();
    EXPECT_THAT(asked(), IsEmpty());
    ASSERT_EQ(replies.size(), 2u) << "then it says so";
    EXPECT_EQ(replies[1].at("status").as_string(), "disconnected");
}

}  // namespace
}  // namespace backplane::sync
