// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "actions/tests/inbox_box.hpp"

namespace backplane::sync {
namespace {

using test::action;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace json = boost::json;
using namespace std::chrono_literals;

class AServerThatOrders : public test::AnInbox {
protected:
    Notification odd(std::int64_t id, json::value payload) {
        Notification out;
        out.id = id;
        out.type = "iot_action";
        out.payload = std::move(payload);
        return out;
    }
};

TEST_F(AServerThatOrders, is_answered_when_it_means_a_device_that_is_not_there) {
    take({action(1, "nobody", "read_once")});
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0], (json::object{{"session_id", "page-1"},
                                        {"iot_box_identifier", test::k_box},
                                        {"device_identifier", "nobody"},
                                        {"status", "disconnected"}}));
    auto unsupported = action(2, "odd", "read_once");
    devices.add("odd", "unsupported").state = core::DeviceState::unsupported;
    take({unsupported});
    EXPECT_EQ(replies.size(), 2u);
    EXPECT_EQ(durable, 2);
}

TEST_F(AServerThatOrders, gets_nothing_run_before_it_is_durable) {
    hold_disk();
    inbox->take({action(1, "printer", "cashbox")}, [this] { ++durable; });
    loop.restart();
    loop.poll();
    EXPECT_THAT(asked(), IsEmpty());
    EXPECT_EQ(durable, 0);
    EXPECT_EQ(inbox->last_id(), 0);
    release_disk();
    EXPECT_THAT(asked(), ElementsAre("printer:cashbox"));
    EXPECT_EQ(durable, 1);
    EXPECT_EQ(inbox->last_id(), 1);
}

TEST_F(AServerThatOrders, gets_one_action_of_each_device_of_the_list_in_either_dialect) {
    take({odd(1, {{"iot_identifiers", json::array{test::k_box}},
                  {"device_identifiers", json::array{"printer", "scale", "printer"}},
                  {"action", "status"},
                  {"text", "x"}}),
          odd(2, {{"iot_identifier", test::k_box},
                  {"device_identifier", "terminal"},
                  {"action", "pay"},
                  {"session_id", 7}})});
    EXPECT_THAT(asked(), ElementsAre("printer:status", "scale:status", "terminal:pay"));
    const auto& first = devices.asked[0].request;
    EXPECT_EQ(first.session, "0");
    EXPECT_EQ(first.data,
              (json::object{{"device_identifiers", json::array{"printer", "scale", "printer"}},
                            {"action", "status"},
                            {"text", "x"}}))
        << "the whole payload but the names of boxes";
    EXPECT_EQ(first.deadline, 90s);
    EXPECT_EQ(devices.asked[1].request.deadline, 10s);
    EXPECT_EQ(devices.asked[2].request.session, "7");
}

TEST_F(AServerThatOrders, may_say_odd_things_without_harming_what_is_beside_them) {
    take({odd(1, "text"), odd(2, nullptr), odd(3, json::array{1, 2}), odd(4, 5),
          odd(5, {{"iot_identifiers", json::array{test::k_box}}}),
          odd(6, {{"iot_identifiers", json::array{test::k_box}},
                  {"device_identifiers", json::object{}},
                  {"device_identifier", false}}),
          odd(7, {{"iot_identifiers", json::array{test::k_box}},
                  {"device_identifiers", json::array{17, "", std::string(300, 'x')}},
                  {"action", json::array{}}}),
          odd(8, {{"iot_identifiers", json::array{"another box"}},
                  {"device_identifiers", json::array{"printer"}}}),
          odd(9, {{"iot_identifiers", json::array{test::k_box}},
                  {"device_identifiers", json::array{"scale"}},
                  {"action", 12},
                  {"action_unique_id", 34},
                  {"session_id", nullptr}})});
    EXPECT_THAT(asked(), ElementsAre("scale:12"));
    EXPECT_EQ(devices.asked[0].request.unique_id, "34");
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].at("device_identifier").as_string(), "17");
    EXPECT_EQ(inbox->status().refused, 3u);
    EXPECT_EQ(inbox->last_id(), 9);
}

TEST_F(AServerThatOrders, finds_a_slow_device_in_nobodys_way_but_its_own) {
    take({action(1, "terminal", "pay"), action(2, "terminal", "pay"), action(3, "scale", "a"),
          action(4, "scale", "b"), action(5, "printer", "")});
    EXPECT_THAT(asked(), ElementsAre("terminal:pay", "scale:a", "printer:"));
    auto terminal = std::move(devices.asked.front());
    devices.asked.pop_front();
    succeed();
    EXPECT_THAT(asked(), ElementsAre("printer:", "scale:b"));
    succeed();
    succeed();
    take({action(6, "scale", "c")});
    EXPECT_THAT(asked(), ElementsAre("scale:c"));
    EXPECT_EQ(inbox->status().running, 2u);
    EXPECT_EQ(inbox->status().waiting, 1u);
    core::ActionOutcome outcome;
    outcome.status = core::ActionOutcome::Status::success;
    terminal.done(outcome);
    settle();
    EXPECT_THAT(asked(), ElementsAre("scale:c", "terminal:pay"));
}

TEST_F(AServerThatOrders, can_cancel_a_payment_while_it_runs) {
    take({action(1, "terminal", "", "pay-1", {{"messageType", "Transaction"}})});
    take({action(2, "terminal", "", "cancel-1", {{"messageType", "Cancel"}})});
    EXPECT_THAT(asked(), ElementsAre("terminal:", "terminal:"));
    EXPECT_EQ(inbox->status().running, 2u);
    succeed();
    succeed();
    EXPECT_EQ(inbox->status().running, 0u);
    EXPECT_EQ(inbox->status().finished, 2u);
}

TEST_F(AServerThatOrders, gets_its_documents_to_the_printer_as_bytes_whatever_their_size) {
    const std::string base64(10u << 20, 'A');
    take({action(1, "printer", "print_receipt"),
          action(2, "printer", "", "big", {{"document", base64}})});
    EXPECT_EQ(inbox->status().waiting, 1u);
    succeed();
    ASSERT_THAT(asked(), ElementsAre("printer:"));
    EXPECT_EQ(devices.asked[0].request.payload.size(), (10u << 20) / 4 * 3);
    EXPECT_FALSE(devices.asked[0].request.data.contains("document"));
    succeed();
    take({action(3, "printer", "", "bad", {{"document", "not base64!"}})});
    advance(1ms);
    EXPECT_THAT(asked(), IsEmpty());
    EXPECT_EQ(last_message(),
              "\"document\" for printer is not base64: nothing was printed; print it again");
    EXPECT_EQ(inbox->status().running, 0u);
}

TEST_F(AServerThatOrders, has_an_id_run_once_whichever_way_it_comes) {
    take({action(1, "printer", "print_receipt", "id-1")});
    from_browser("printer", "print_receipt", "id-1");
    EXPECT_THAT(outcomes, ElementsAre("duplicate")) << "while it runs";
    succeed();
    from_browser("printer", "print_receipt", "id-1");
    EXPECT_THAT(outcomes, ElementsAre("duplicate", "duplicate"));
    from_browser("printer", "cashbox", "id-2");
    ASSERT_THAT(asked(), ElementsAre("printer:cashbox"));
    take({action(2, "printer", "cashbox", "id-2"), action(3, "printer", "print_receipt", "id-1"),
          action(4, "terminal", "pay", "id-2")});
    EXPECT_THAT(asked(), ElementsAre("printer:cashbox", "terminal:pay"))
        << "an id counts for its device";
    succeed();
    succeed();
    EXPECT_THAT(outcomes, ElementsAre("duplicate", "duplicate", "success"));
    EXPECT_EQ(inbox->status().duplicates, 4u);
    EXPECT_THAT(replies, IsEmpty());
}

TEST_F(AServerThatOrders, may_order_again_what_has_failed_for_certain) {
    take({action(1, "printer", "print_receipt", "id-1")});
    fail("driver.NO_DEVICE", "ERROR_NO_PAPER");
    EXPECT_EQ(last_message(), "ERROR_NO_PAPER") << "no event tells the end of a printer's action";
    take({action(2, "printer", "print_receipt", "id-1")});
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt"));
    succeed();
    take({action(3, "printer", "cashbox", "id-2")});
    fail("driver.BUSY");
    take({action(4, "printer", "cashbox", "id-2")});
    EXPECT_THAT(asked(), ElementsAre("printer:cashbox"));
}

TEST_F(AServerThatOrders, does_not_get_a_second_try_of_what_may_have_happened_once) {
    take({action(1, "terminal", "pay", "id-1")});
    fail("action.timeout", "it may or may not have happened");
    take({action(2, "terminal", "pay", "id-1")});
    EXPECT_THAT(asked(), IsEmpty());
    EXPECT_EQ(inbox->status().unsure, 1u);
    take({action(3, "printer", "print_receipt", "id-2")});
    fail("driver.gone");
    take({action(4, "printer", "print_receipt", "id-2")});
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt:repeated")) << "paper may repeat";
}

TEST_F(AServerThatOrders, is_served_later_when_others_keep_the_device_busy) {
    take({action(1, "printer", "cashbox", "id-1"), action(2, "printer", "print_receipt")});
    fail("action.queue_full");
    EXPECT_THAT(asked(), IsEmpty());
    EXPECT_EQ(on_disk("SELECT state FROM actions ORDER BY number"), "0") << "nothing has happened";
    advance(500ms);
    EXPECT_THAT(asked(), ElementsAre("printer:cashbox"));
    EXPECT_EQ(on_disk("SELECT state FROM actions ORDER BY number"), "1");
    succeed();
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt"));
    EXPECT_THAT(replies, IsEmpty());
}

TEST_F(AServerThatOrders, hears_that_the_device_went_before_its_turn) {
    take({action(1, "scale", "read_once")});
    devices.fail(core::ActionOutcome::Status::disconnected, "device.unknown", "gone");
    settle();
    EXPECT_EQ(replies.at(0).at("status").as_string(), "disconnected");
}

TEST_F(AServerThatOrders, hands_its_messages_over_once_after_they_are_durable_and_in_order) {
    const auto message = [](std::int64_t id, const char* type) {
        Notification out;
        out.id = id;
        out.type = type;
        out.payload = json::object{{"iot_identifiers", json::array{test::k_box}}};
        return out;
    };
    hold_disk();
    inbox->take({message(1, "test_connection"), action(2, "scale", "read_once"),
                 message(3, "restart_odoo"), message(3, "restart_odoo")},
                {});
    EXPECT_THAT(messages, IsEmpty());
    release_disk();
    EXPECT_THAT(messages, ElementsAre("test_connection", "restart_odoo"));
    cut_power();
    begin();
    take({message(3, "restart_odoo")});
    EXPECT_EQ(messages.size(), 2u) << "a server that repeats itself must not restart the box again";
    take({message(4, "restart_odoo")});
    EXPECT_EQ(messages.size(), 3u);
}

TEST_F(AServerThatOrders, does_not_get_its_past_repeated_by_a_box_that_has_forgotten_it) {
    auto drawer = action(1, "printer", "cashbox");
    auto receipt = action(2, "printer", "print_receipt");
    auto weight = action(3, "scale", "read_once");
    drawer.history = receipt.history = weight.history = true;
    take({drawer, receipt, weight});
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt:repeated", "scale:read_once"));
    EXPECT_THAT(last_message(), HasSubstr("may have been carried out"));
}

TEST_F(AServerThatOrders, is_not_confirmed_what_the_box_cannot_write_and_it_is_tried_again) {
    ASSERT_TRUE(store->read([](core::Database& database) {
        return database.execute(
            "CREATE TEMP TRIGGER full BEFORE INSERT ON actions BEGIN SELECT raise(ABORT, 'no "
            "room'); "
            "END");
    }));
    inbox->take({action(1, "printer", "cashbox", "id-1")}, [this] { ++durable; });
    settle();
    EXPECT_EQ(durable, 0);
    EXPECT_THAT(asked(), IsEmpty());
    inbox->take({action(1, "printer", "cashbox", "id-1")}, [this] { ++durable; });
    from_browser("printer", "cashbox", "b-1");
    EXPECT_THAT(asked(), ElementsAre("printer:cashbox")) << "for a browser the drawer opens";
    EXPECT_EQ(inbox->status().unwritten, 1u);
    succeed();
    from_browser("printer", "cashbox", "b-1");
    EXPECT_THAT(outcomes, ElementsAre("success", "duplicate")) << "remembered in memory at least";
    advance(1s);
    EXPECT_EQ(durable, 0);
    ASSERT_TRUE(store->read(
        [](core::Database& database) { return database.execute("DROP TRIGGER full"); }));
    advance(2s);
    EXPECT_EQ(durable, 2);
    EXPECT_THAT(asked(), ElementsAre("printer:cashbox")) << "once, though it was sent twice";
}

TEST_F(AServerThatOrders, does_not_get_run_what_has_waited_for_a_day) {
    take({action(1, "terminal", "pay", "a"), action(2, "terminal", "pay", "b")});
    for (int hour = 0; hour < 25; ++hour) advance(1h);
    succeed();
    EXPECT_THAT(asked(), IsEmpty());
    EXPECT_EQ(last_message(),
              "\"pay\" for terminal has waited for more than 24 hours and was not carried out: "
              "repeat it if it is still wanted.");
    take({action(3, "terminal", "pay", "b")});
    EXPECT_THAT(asked(), ElementsAre("terminal:pay")) << "repeated by hand";
}

TEST_F(AServerThatOrders, has_its_ids_forgotten_after_a_day_on_the_disk_too) {
    take({action(1, "printer", "cashbox", "a")});
    succeed();
    for (int hour = 0; hour < 23; ++hour) advance(1h);
    take({action(2, "printer", "cashbox", "a")});
    EXPECT_THAT(asked(), IsEmpty());
    cut_power();
    begin();
    for (int hour = 0; hour < 2; ++hour) advance(1h);
    take({action(3, "printer", "cashbox", "a")});
    EXPECT_THAT(asked(), ElementsAre("printer:cashbox"));
    EXPECT_EQ(on_disk("SELECT count(*) FROM actions"), "1");
}

TEST_F(AServerThatOrders, is_not_misled_by_a_clock_that_jumps) {
    wall = 100;  // a box without a battery wakes up in 1970
    stop();
    begin();
    take({action(1, "printer", "cashbox", "a"), action(2, "printer", "cashbox", "b")});
    wall = 1'763'793'000;
    succeed();
    EXPECT_THAT(asked(), ElementsAre("printer:cashbox")) << "nothing has become 55 years old";
    succeed();
    take({action(3, "printer", "cashbox", "a")});
    EXPECT_THAT(asked(), IsEmpty());
    cut_power();
    begin();
    take({action(4, "printer", "cashbox", "b")});
    EXPECT_THAT(asked(), IsEmpty()) << "the disk knows when it was, too";
    wall -= 10 * 365 * 86'400.0;
    take({action(5, "printer", "cashbox", "b")});
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(AServerThatOrders, may_send_ten_thousand_at_once_and_no_more) {
    std::vector<Notification> many;
    for (int i = 1; i <= 10'000; ++i)
        many.push_back(
            action(i, i % 2 ? "printer" : "scale", "print_receipt", "id-" + std::to_string(i)));
    take(std::move(many));
    EXPECT_EQ(inbox->status().running, 2u);
    EXPECT_EQ(inbox->status().waiting, 9'998u);
    EXPECT_EQ(durable, 1);
    take({action(10'001, "terminal", "pay")});
    EXPECT_THAT(asked(),
                ElementsAre("printer:print_receipt", "scale:print_receipt", "terminal:pay"))
        << "the oldest question to the scale has made room";
    EXPECT_THAT(last_message(), HasSubstr("this question to the device was left out"));
    std::vector<std::string> order;
    while (!devices.asked.empty() && order.size() < 20) {
        if (devices.asked.front().request.device == "printer")
            order.push_back(devices.asked.front().request.unique_id);
        succeed();
    }
    EXPECT_THAT(std::vector(order.begin(), order.begin() + 3), ElementsAre("id-1", "id-3", "id-5"));
}

TEST_F(AServerThatOrders, is_refused_when_nothing_harmless_can_make_room) {
    std::vector<Notification> many;
    for (int i = 1; i <= 10'001; ++i) many.push_back(action(i, "terminal", "pay"));
    many.push_back(action(20'000, "terminal", "pay", "last"));
    take(std::move(many));
    EXPECT_EQ(inbox->status().waiting + inbox->status().running, 10'000u);
    EXPECT_EQ(replies.size(), 2u);
    EXPECT_THAT(last_message(), HasSubstr("The box has 10000 actions waiting and takes no more"));
    EXPECT_EQ(inbox->last_id(), 20'000);
}

TEST_F(AServerThatOrders, is_forgotten_with_all_that_it_has_ordered_but_not_what_browsers_have) {
    from_browser("printer", "cashbox", "b-1");
    succeed();
    take({action(70, "terminal", "pay", "a"), action(71, "terminal", "pay", "b")});
    bool forgotten = false;
    store->forget_server({}, [&forgotten](const core::Result<void>&) { forgotten = true; });
    EXPECT_EQ(inbox->last_id(), 0);
    settle();
    EXPECT_TRUE(forgotten);
    EXPECT_EQ(inbox->status().waiting, 0u);
    EXPECT_EQ(inbox->status().running, 1u) << "what has begun is seen to its end";
    succeed();
    EXPECT_THAT(asked(), IsEmpty());
    from_browser("printer", "cashbox", "b-1");
    EXPECT_THAT(outcomes, ElementsAre("success", "duplicate"));
    take({action(5, "terminal", "pay", "a")});
    EXPECT_THAT(asked(), ElementsAre("terminal:pay")) << "another server, another id";
    EXPECT_EQ(inbox->last_id(), 5);
    cut_power();
    begin();
    EXPECT_EQ(inbox->last_id(), 5);
}

class ABrowser : public test::AnInbox {};

TEST_F(ABrowser, keeps_the_order_of_a_device_though_only_some_actions_are_written_down) {
    hold_disk();
    core::ActionRequest receipt;
    receipt.device = "printer";
    receipt.name = "print_receipt";
    receipt.unique_id = "id-1";
    inbox->devices().act(receipt, [](core::ActionOutcome) {});
    core::ActionRequest drawer;
    drawer.device = "printer";
    drawer.name = "cashbox";
    inbox->devices().act(drawer, [](core::ActionOutcome) {});
    core::ActionRequest weight;
    weight.device = "scale";
    weight.name = "read_once";
    weight.unique_id = "id-2";
    inbox->devices().act(weight, [](core::ActionOutcome) {});
    EXPECT_THAT(asked(), ElementsAre("scale:read_once")) << "a scale waits for no disk";
    release_disk();
    EXPECT_THAT(asked(),
                ElementsAre("scale:read_once", "printer:print_receipt", "printer:cashbox"));
}

TEST_F(ABrowser, may_ask_again_with_the_same_id_after_a_failure) {
    from_browser("printer", "cashbox", "id-1");
    fail("action.queue_full");
    from_browser("printer", "cashbox", "id-1");
    fail("action.timeout");
    from_browser("printer", "cashbox", "id-1");
    EXPECT_THAT(outcomes,
                ElementsAre("error action.queue_full", "error action.timeout", "duplicate"))
        << "but not after one that may have opened the drawer";
    from_browser("printer", "print_receipt", "id-2");
    fail("driver.gone");
    from_browser("printer", "print_receipt", "id-2");
    EXPECT_THAT(asked(), ElementsAre("printer:print_receipt:repeated"));
}

TEST_F(ABrowser, is_told_by_the_devices_themselves_that_there_is_none) {
    from_browser("nobody", "cashbox", "id-1");
    ASSERT_THAT(asked(), ElementsAre("nobody:cashbox"));
    EXPECT_EQ(on_disk("SELECT count(*) FROM actions"), "0");
}

TEST_F(ABrowser, gets_its_answer_though_the_inbox_has_gone_and_nothing_else_is_called) {
    from_browser("printer", "cashbox", "id-1");
    auto running = std::move(devices.asked.front());
    stop();
    core::ActionOutcome outcome;
    outcome.status = core::ActionOutcome::Status::success;
    running.done(outcome);
    EXPECT_THAT(outcomes, ElementsAre("success"));
    clock.advance(1h);
}

}  // namespace
}  // namespace backplane::sync
