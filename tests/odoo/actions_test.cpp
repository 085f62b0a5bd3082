// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Actions that Odoo's server sends to the devices of a whole box.
#include "odoo_fixture.hpp"

namespace backplane::tests {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::SizeIs;

class APairedBox : public ABoxAndOdoo {
protected:
    APairedBox() {
        start_box();
        pair();
    }
};

TEST_F(APairedBox, carries_out_an_action_and_tells_the_server_how_it_ended) {
    odoo_.notify_action("ledger_printer", "print_receipt", {{"n", "1"}, {"session_id", "till-1"}});
    ASSERT_TRUE(wait_for_ledger(1));
    EXPECT_THAT(ledger(), ElementsAre(Field(&LedgerLine::n, "1")));
    odoo_.notify_action("ledger_camera", "take_picture", {{"n", "2"}, {"session_id", "till-1"}});
    const auto reply = odoo_.wait_for_reply(
        [](const json::object& told) { return is_reply_to(told, "ledger_camera", "success"); });
    ASSERT_TRUE(reply);
    EXPECT_EQ(text_at(*reply, {"iot_box_identifier"}), identifier());
    EXPECT_EQ(text_at(*reply, {"session_id"}), "till-1");
}

TEST_F(APairedBox, answers_for_a_device_that_it_does_not_have) {
    odoo_.notify_action("usbEPSONgone", "print_receipt", {{"n", "1"}, {"session_id", "till-1"}});
    const auto reply = odoo_.wait_for_reply(
        [](const json::object& told) { return is_reply_to(told, "usbEPSONgone", "disconnected"); });
    ASSERT_TRUE(reply);
    EXPECT_EQ(text_at(*reply, {"session_id"}), "till-1");
}

TEST_F(APairedBox, takes_odd_notifications_for_what_they_are_and_goes_on) {
    odoo_.broadcast("simple_notification", json::value("a text, not an object"));
    odoo_.notify_raw(json::value(42), odoo_.channel_of(identifier()));
    odoo_.notify("iot_action", {{"device_identifiers", "no list"}});
    odoo_.notify("iot_action", {{"iot_identifiers", {"another box"}},
                                {"device_identifiers", {"ledger_printer"}},
                                {"action", "print_receipt"},
                                {"n", "not ours"}});
    odoo_.send_frame("{\"not\": \"a list\"}");
    odoo_.notify_action("ledger_printer", "print_receipt", {{"n", "ours"}});
    ASSERT_TRUE(wait_for_ledger(1));
    EXPECT_THAT(ledger(), ElementsAre(Field(&LedgerLine::n, "ours")));
}

TEST_F(APairedBox, runs_an_id_once_whichever_way_it_comes) {
    const json::object data{{"n", "1"}, {"action", "print_receipt"}, {"action_unique_id", "a-1"}};
    box_->action("ledger_printer", data);
    odoo_.notify_action("ledger_printer", "print_receipt",
                        {{"n", "1"}, {"action_unique_id", "a-1"}});
    odoo_.notify_action("ledger_printer", "print_receipt",
                        {{"n", "2"}, {"action_unique_id", "a-2"}});
    ASSERT_TRUE(wait_for_ledger(2));
    crash_and_restart();
    box_->wait_for_state("ledger_printer", "ready");
    box_->action("ledger_printer",
                 {{"n", "2"}, {"action", "print_receipt"}, {"action_unique_id", "a-2"}});
    box_->action("ledger_printer",
                 {{"n", "3"}, {"action", "print_receipt"}, {"action_unique_id", "a-3"}});
    ASSERT_TRUE(wait_for_ledger(3));
    EXPECT_THAT(ledger(), ElementsAre(Field(&LedgerLine::n, "1"), Field(&LedgerLine::n, "2"),
                                      Field(&LedgerLine::n, "3")));
}

TEST_F(APairedBox, does_not_let_one_slow_device_hold_up_another) {
    for (int i = 0; i < 5; ++i)
        odoo_.notify_action("ledger_printer", "print_receipt", {{"n", "slow"}, {"hold_ms", 3'000}});
    ASSERT_TRUE(wait_for_ledger(1));
    const auto begin = std::chrono::steady_clock::now();
    odoo_.notify_action("ledger_camera", "take_picture", {{"n", "quick"}});
    ASSERT_TRUE(odoo_.wait_for_reply(
        [](const json::object& told) { return is_reply_to(told, "ledger_camera", "success"); }));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s * k_patience);
    EXPECT_THAT(ledger(), SizeIs(2)) << "the second slow one has begun before its turn";
}

TEST_F(APairedBox, gets_what_was_sent_while_it_was_away) {
    box_->stop();
    for (int i = 1; i <= 20; ++i)
        odoo_.notify_action("ledger_printer", "print_receipt", {{"n", std::to_string(i)}});
    restart();
    ASSERT_TRUE(wait_for_ledger(20));
    const auto lines = ledger();
    for (std::size_t i = 0; i < lines.size(); ++i) {
        EXPECT_EQ(lines[i].n, std::to_string(i + 1));
        EXPECT_FALSE(lines[i].repeated);
    }
}

/// The drawer may have opened before the power went. Nobody wants it open a second time, and nobody wants silence.
TEST_F(APairedBox, does_not_repeat_a_payment_that_was_cut_off_and_says_so) {
    odoo_.notify_action("ledger_payment", "pay",
                        {{"n", "1"}, {"hold_ms", 60'000}, {"session_id", "till-1"}});
    ASSERT_TRUE(wait_for_ledger(1));
    crash_and_restart();
    const auto reply = odoo_.wait_for_reply(
        [](const json::object& told) { return is_reply_to(told, "ledger_payment", "error"); });
    ASSERT_TRUE(reply);
    EXPECT_THAT(json::serialize(*reply), HasSubstr("may have been carried out"));
    EXPECT_THAT(ledger(), SizeIs(1));
}

TEST_F(APairedBox, repeats_a_receipt_that_was_cut_off_and_marks_it) {
    odoo_.notify_action("ledger_printer", "print_receipt", {{"n", "1"}, {"hold_ms", 60'000}});
    ASSERT_TRUE(wait_for_ledger(1));
    crash_and_restart();
    ASSERT_TRUE(wait_for_ledger(2));
    EXPECT_FALSE(ledger().at(0).repeated);
    EXPECT_TRUE(ledger().at(1).repeated);
}

TEST_F(APairedBox, keeps_the_results_for_a_server_that_is_away_and_tells_them_in_order) {
    odoo_.fault("/iot/box/send_websocket", Fault::page(503));
    for (int i = 1; i <= 5; ++i)
        odoo_.notify_action("ledger_camera", "take_picture",
                            {{"n", std::to_string(i)}, {"session_id", std::to_string(i)}});
    ASSERT_TRUE(wait_for_ledger(5));
    wait_for_status([](const json::object& all) {
        return number_in(all.at("uplink").as_object(), "waiting").value_or(0) >= 5;
    });
    crash_and_restart();
    odoo_.heal();
    std::vector<std::string> told;
    ASSERT_TRUE(odoo_.wait([&] {
        told.clear();
        for (const json::object& reply : odoo_.replies())
            if (is_reply_to(reply, "ledger_camera", "success"))
                told.emplace_back(text_at(reply, {"session_id"}));
        return told.size() >= 5;
    }));
    EXPECT_THAT(told, ElementsAre("1", "2", "3", "4", "5"));
}

TEST_F(APairedBox, polls_where_websockets_do_not_pass) {
    odoo_.fault("/websocket", Fault::page(502));
    odoo_.reset_connections();
    wait_for_status(
        [](const json::object& all) {
            return text_at(all, {"bus", "state"}) == "polling";
        },
        60s);
    odoo_.notify_action("ledger_printer", "print_receipt", {{"n", "polled"}});
    ASSERT_TRUE(wait_for_ledger(1));
    EXPECT_EQ(ledger().front().n, "polled");
}

}  // namespace backplane::tests
