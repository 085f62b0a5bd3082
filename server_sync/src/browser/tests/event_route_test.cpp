// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/event_polls.hpp"
#include "browser/tests/fakes.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::HasSubstr;
const std::string k_scanner = "usb_0c2e:0200";

class TheEventRoute : public ABrowserBox {};

// ---- what must not be lost
// -------------------------------------------------------------------------------------------

using Defect1 = ABrowserBox;
TEST_F(Defect1, a_new_session_does_not_drop_the_live_ones) {
    // Odoo 19.0 removed every live session at each new poll: with two browsers only the last one
    // was woken.
    std::vector<FakeExchangePtr> polls;
    for (int i = 0; i < 50; ++i) polls.push_back(poll("page" + std::to_string(i), {k_scanner}));
    scan("4006381333931");
    for (const auto& each : polls) EXPECT_EQ(value_of(each), "4006381333931");
}

TEST_F(Defect1, a_waiting_session_is_kept_however_many_others_come) {
    const auto first = poll("first", {k_scanner});
    scan("old", "other");
    for (std::size_t i = 0; i < EventPolls::k_sessions + 50; ++i)
        poll("s" + std::to_string(i), {"other"});
    ASSERT_FALSE(first->answered());
    scan("new");
    EXPECT_EQ(value_of(first), "new");
}

TEST_F(Defect1, fifty_listeners_get_each_of_a_thousand_scans_in_order) {
    constexpr int k_pages = 50;
    constexpr int k_scans = 1000;
    struct Page {
        FakeExchangePtr waiting;
        double last_event = 0;
        std::vector<std::string> got;
    };
    std::vector<Page> pages(k_pages);
    const auto again = [&](std::size_t i) {
        pages[i].waiting = poll("page" + std::to_string(i), {k_scanner}, pages[i].last_event);
    };
    for (std::size_t i = 0; i < k_pages; ++i) again(i);
    for (int n = 0; n < k_scans; ++n) {
        scan(std::to_string(n));
        for (std::size_t i = 0; i < k_pages; ++i) {
            // Some pages come back only after several scans, all of them with what they have seen
            // last.
            if (n + 1 < k_scans && (static_cast<std::size_t>(n) + i) % (i % 7 + 1) != 0) continue;
            while (pages[i].waiting->answered()) {
                pages[i].got.push_back(value_of(pages[i].waiting));
                pages[i].last_event = time_of(pages[i].waiting);
                again(i);
            }
        }
    }
    for (const auto& page : pages) {
        ASSERT_EQ(page.got.size(), static_cast<std::size_t>(k_scans));
        for (int n = 0; n < k_scans; ++n)
            ASSERT_EQ(page.got[static_cast<std::size_t>(n)], std::to_string(n));
    }
}

using Defect3 = ABrowserBox;
TEST_F(Defect3, events_do_not_pile_up_when_nobody_polls) {
    auto event = device_event("cam", "camera", "picture", {});
    event.payload = std::make_shared<const std::vector<std::uint8_t>>(std::size_t{8} << 20);
    for (int i = 0; i < 100; ++i) ring.publish(event);
    EXPECT_LE(ring.size(), 8u) << "64 MiB of pictures";
    for (int i = 0; i < 20'000; ++i) scan(std::to_string(i));
    EXPECT_LE(ring.size(), 10'000u);
    const auto late = poll("u1", {k_scanner});
    EXPECT_EQ(value_of(late), "10000") << "the oldest that is still there, not the first ever";
}

using Defect4 = ABrowserBox;
TEST_F(Defect4,
       each_listener_gets_the_event_under_its_own_names_and_the_shared_one_stays_as_it_was) {
    // Odoo wrote session and identifier of one listener into the object that the others got.
    const auto by_id = poll("u1", {k_scanner});
    const auto by_type = poll("u2", {"scanner"});
    const auto event = scan("123");
    EXPECT_EQ(by_id->result().at("session_id"), "u1");
    EXPECT_EQ(by_id->result().at("device_identifier"), json::value(k_scanner));
    EXPECT_EQ(by_type->result().at("session_id"), "u2");
    EXPECT_EQ(by_type->result().at("device_identifier"), "scanner");
    EXPECT_EQ(event->device_identifier, k_scanner);
    EXPECT_EQ(event->data, (json::object{{"value", "123"}}));
}

using Defect5 = ABrowserBox;
TEST_F(Defect5, events_in_the_same_instant_are_all_delivered_and_none_twice) {
    auto page = poll("u1", {k_scanner});
    for (int n = 0; n < 3000; ++n) scan(std::to_string(n));  // the wall clock stands still
    for (int n = 0; n < 3000; ++n) {
        ASSERT_EQ(value_of(page), std::to_string(n));
        page = poll("u1", {k_scanner}, time_of(page));
    }
    EXPECT_FALSE(page->answered());
}

TEST_F(Defect5, a_clock_that_jumps_back_loses_no_event) {
    const auto first = poll("u1", {k_scanner});
    scan("before");
    wall -= 3600;
    scan("after");
    const auto second = poll("u1", {k_scanner}, time_of(first));
    EXPECT_EQ(value_of(second), "after");
    EXPECT_GT(time_of(second), time_of(first));
}

TEST_F(Defect5, a_cursor_from_before_a_restart_with_a_wrong_clock_does_not_silence_the_page) {
    const double from_earlier_life = wall + 600;
    scan("missed during the restart");
    auto page = poll("u1", {k_scanner}, from_earlier_life);
    EXPECT_EQ(value_of(page), "missed during the restart");
    page = poll("u1", {k_scanner}, time_of(page));
    EXPECT_FALSE(page->answered());
    scan("new");
    EXPECT_EQ(value_of(page), "new");
}

TEST_F(Defect5, a_cursor_between_the_newest_event_and_now_brings_nothing_old) {
    // A page that says "from now on" by its own clock once got the last seconds again.
    scan("old");
    advance(2s);
    const auto page = poll("u1", {k_scanner}, wall - 1);
    EXPECT_FALSE(page->answered());
    scan("new");
    EXPECT_EQ(value_of(page), "new");
}

TEST_F(TheEventRoute, delivers_what_came_between_two_polls_even_when_the_page_took_a_minute) {
    auto page = poll("u1", {k_scanner});
    scan("first");
    scan("second");
    advance(30s);
    scan("third");
    advance(25s);
    page = poll("u1", {k_scanner}, time_of(page));
    EXPECT_EQ(value_of(page), "second");
    page = poll("u1", {k_scanner}, time_of(page));
    EXPECT_EQ(value_of(page), "third");
    EXPECT_FALSE(poll("u1", {k_scanner}, time_of(page))->answered());
}

TEST_F(TheEventRoute, gives_an_event_again_when_its_answer_was_lost_on_the_way) {
    const auto lost = poll("u1", {k_scanner});
    scan("123");
    ASSERT_TRUE(lost->answered());
    advance(20s);
    EXPECT_EQ(value_of(poll("u1", {k_scanner}, 0)), "123");
}

TEST_F(TheEventRoute, gives_an_event_that_came_after_the_client_had_hung_up) {
    poll("u1", {k_scanner})->hang_up();
    scan("123");
    EXPECT_EQ(value_of(poll("u1", {k_scanner})), "123");
}

TEST_F(TheEventRoute, does_not_lose_an_event_that_another_listener_answers_with_its_next_poll) {
    // The answer of the first brings in its next poll while the event is still being handed out.
    const auto first = poll("u1", {k_scanner});
    const auto second = poll("u2", {k_scanner});
    FakeExchangePtr next;
    first->on_answer = [&] { next = poll("u1", {k_scanner}, time_of(first)); };
    scan("1");
    EXPECT_EQ(value_of(second), "1");
    ASSERT_NE(next, nullptr);
    EXPECT_FALSE(next->answered()) << "the same event must not come twice";
    scan("2");
    EXPECT_EQ(value_of(next), "2");
}

// ---- the replay window
// -----------------------------------------------------------------------------------------------

TEST_F(TheEventRoute, gives_a_new_session_the_events_of_the_last_5_s_only) {
    scan("old");
    advance(5001ms);
    scan("recent");
    advance(4s);
    const auto page = poll("u1", {k_scanner});
    EXPECT_EQ(value_of(page), "recent");
}

TEST_F(TheEventRoute, gives_a_new_session_only_what_is_newer_than_its_last_event) {
    const auto seen = scan("seen");
    scan("unseen");
    EXPECT_EQ(value_of(poll("u1", {k_scanner}, seen->time)), "unseen");
}

TEST_F(TheEventRoute, gives_a_device_that_is_new_to_the_session_its_last_5_s_only) {
    poll("u1", {k_scanner})->hang_up();
    scan("too old", "other");
    advance(6s);
    scan("recent", "other");
    const auto page = poll("u1", {k_scanner, "other"});
    EXPECT_EQ(value_of(page), "recent");
}

TEST_F(TheEventRoute, forgets_what_a_session_listened_to_when_it_stopped_listening_to_it) {
    poll("u1", {k_scanner, "other"})->hang_up();
    poll("u1", {k_scanner})->hang_up();
    scan("while nobody listened", "other");
    advance(6s);
    EXPECT_FALSE(poll("u1", {k_scanner, "other"})->answered());
}

TEST_F(TheEventRoute, remembers_a_session_for_70_s_after_its_last_poll_has_ended) {
    poll("u1", {k_scanner})->hang_up();
    advance(15s);
    scan("123");
    advance(54999ms);
    EXPECT_EQ(value_of(poll("u1", {k_scanner})), "123");

    advance(15s);
    scan("456");
    advance(55001ms);
    EXPECT_FALSE(poll("u1", {k_scanner})->answered())
        << "a new session by then, and 456 is older than 5 s";
}

TEST_F(TheEventRoute, leaves_no_timer_behind_when_all_sessions_are_forgotten) {
    for (int i = 0; i < 10; ++i) poll("u" + std::to_string(i), {k_scanner});
    advance(50s);
    advance(70s);
    EXPECT_EQ(clock.running(), 0u);
}

// ---- waiting
// ---------------------------------------------------------------------------------------------------------

using Quirk4 = ABrowserBox;
TEST_F(Quirk4, a_poll_without_an_event_ends_after_50_s_without_a_result) {
    const auto page = poll("u1", {k_scanner});
    advance(49999ms);
    EXPECT_FALSE(page->answered());
    advance(1ms);
    EXPECT_FALSE(page->has_result());
    EXPECT_FALSE(page->envelope().contains("error"));
}

TEST_F(Quirk4, one_answer_has_one_event_with_the_session_of_the_listener) {
    scan("1");
    scan("2");
    const auto page = poll("u1", {k_scanner});
    EXPECT_EQ(page->result(), (json::object{{"value", "1"},
                                            {"result", ""},
                                            {"device_identifier", k_scanner},
                                            {"time", time_of(page)},
                                            {"session_id", "u1"}}));
}

TEST_F(Quirk4, accepts_a_listener_without_last_event_and_ignores_what_it_does_not_know) {
    scan("1");
    const auto page = send(
        json_request("/iot_drivers/event",
                     R"({"params":{"listener":{"session_id":"u1","devices":{"usb_0c2e:0200":null},
                                            "last_event":null,"x":[1,2]},"y":1},"id":5})"));
    EXPECT_EQ(value_of(page), "1");
    EXPECT_EQ(page->envelope().at("id"), 5);
}

TEST_F(TheEventRoute, takes_the_devices_as_a_list_too) {
    scan("1");
    const auto page = rpc(
        "/iot_drivers/event",
        {{"listener", json::object{{"session_id", "u1"}, {"devices", json::array{k_scanner}}}}});
    EXPECT_EQ(value_of(page), "1");
}

using Quirk5 = ABrowserBox;
TEST_F(Quirk5, a_device_may_be_named_by_its_type_also_for_past_events) {
    scan("past", "usb_1");
    auto page = poll("u1", {"scanner"});
    EXPECT_EQ(value_of(page), "past");
    EXPECT_EQ(page->result().at("device_identifier"), "scanner");
    page = poll("u1", {"scanner"}, time_of(page));
    scan("new", "usb_2");
    EXPECT_EQ(value_of(page), "new");
    EXPECT_EQ(page->result().at("device_identifier"), "scanner");
}

TEST_F(Quirk5, the_identifier_goes_before_the_type) {
    const auto page = poll("u1", {"scanner", k_scanner});
    scan("1");
    EXPECT_EQ(page->result().at("device_identifier"), json::value(k_scanner));
}

using Quirk6 = ABrowserBox;
TEST_F(Quirk6, an_event_names_who_caused_it_besides_who_listens) {
    devices.add("cam", "camera");
    action("actor", "cam", {{"action", ""}});
    const auto listener = poll("listener", {"cam"});
    ring.publish(device_event("cam", "camera", "picture", {{"result", "x"}}));
    EXPECT_EQ(listener->result().at("owner"), "actor");
    EXPECT_EQ(listener->result().at("session_id"), "listener");
}

TEST_F(Quirk6, an_event_belongs_to_the_action_that_was_running_when_it_came) {
    devices.add("term", "payment");
    action("u1", "term", {{"action", "pay"}});
    action("u2", "term", {{"action", "pay"}});
    ring.publish(device_event("term", "payment", "stage", {{"n", 1}}));
    devices.succeed();
    ring.publish(device_event("term", "payment", "stage", {{"n", 2}}));
    devices.succeed();
    ring.publish(device_event("term", "payment", "stage", {{"n", 3}}));
    double last = 0;
    for (const auto* owner : {"u1", "u2", "u2"}) {
        const auto page = poll("x", {"term"}, last);
        EXPECT_EQ(page->result().at("owner"), owner);
        last = time_of(page);
    }
}

TEST_F(Quirk6, an_event_that_nobody_caused_has_no_owner) {
    scan("1");
    EXPECT_FALSE(poll("u1", {k_scanner})->result().as_object().contains("owner"));
}

TEST_F(Quirk6, an_action_that_came_another_way_has_an_owner_too) {
    ring.publish(action_result("d", "device", "from the websocket", "measure", 1));
    ring.publish(device_event("d", "device", "measure", {{"value", 2}}));
    auto page = poll("u1", {"d"});
    EXPECT_EQ(page->result().at("owner"), "from the websocket");
    page = poll("u1", {"d"}, time_of(page));
    EXPECT_EQ(page->result().at("owner"), "from the websocket");
}

TEST_F(TheEventRoute, keeps_quiet_about_finished_prints_but_passes_on_what_the_printer_says) {
    const auto page = poll("u1", {"p"});
    ring.publish(action_result("p", "printer", "u1", "print_receipt", nullptr));
    EXPECT_FALSE(page->answered());
    ring.publish(device_event("p", "printer", "status",
                              {{"status", "error"}, {"message", "ERROR_NO_PAPER"}}));
    EXPECT_EQ(page->result().at("status"), "error");
    EXPECT_EQ(page->result().at("message"), "ERROR_NO_PAPER");
    EXPECT_EQ(page->result().at("owner"), "u1");
}

TEST_F(TheEventRoute, forgets_a_poll_in_the_moment_in_which_its_client_hangs_up) {
    const auto page = poll("u1", {k_scanner});
    page->hang_up();
    scan("1");
    advance(120s);
    EXPECT_FALSE(page->answered());
    EXPECT_EQ(page.use_count(), 1) << "nothing of the box holds the request any more";
}

TEST_F(TheEventRoute, answers_a_poll_at_once_when_its_page_starts_another) {
    const auto first = poll("u1", {k_scanner});
    const auto second = poll("u1", {k_scanner, "other"});
    EXPECT_FALSE(first->has_result());
    first->hang_up();  // late news about the first must not touch the second
    scan("1", "other");
    EXPECT_EQ(value_of(second), "1");
}

TEST_F(TheEventRoute, does_not_spin_when_two_clients_share_a_session) {
    // One page that knows the box under two addresses: each of its two polls would end the other at
    // once.
    const auto a = poll("u1", {k_scanner});
    const auto b = poll("u1", {k_scanner});
    EXPECT_TRUE(a->answered());
    const auto c = poll("u1", {k_scanner});
    EXPECT_FALSE(b->answered());
    advance(999ms);
    EXPECT_FALSE(b->answered());
    advance(1ms);
    EXPECT_FALSE(b->has_result());
    EXPECT_FALSE(c->answered());
}

TEST_F(TheEventRoute, keeps_waiting_polls_apart_from_the_time_limit_of_earlier_ones) {
    const auto first = poll("u1", {k_scanner});
    advance(49s);
    const auto second = poll("u1", {k_scanner});
    advance(49s);
    EXPECT_EQ(first->answers, 1);
    EXPECT_FALSE(second->answered());
    advance(1s);
    EXPECT_EQ(second->answers, 1);
}

TEST_F(TheEventRoute, answers_who_waits_when_the_box_lets_go_of_its_routes) {
    const auto page = poll("u1", {k_scanner});
    routes.reset();
    EXPECT_FALSE(page->has_result());
    page->hang_up();
    scan("1");
    EXPECT_EQ(page->answers, 1);
    EXPECT_EQ(clock.running(), 0u);
}

TEST_F(TheEventRoute, refuses_a_page_only_when_all_the_others_are_waiting) {
    for (std::size_t i = 0; i < EventPolls::k_sessions; ++i)
        poll("s" + std::to_string(i), {k_scanner});
    const auto refused = poll("one more", {k_scanner});
    advance(1s);
    EXPECT_THAT(refused->error_text(), HasSubstr("already serves 1024 pages"));
    poll("s0", {k_scanner})->hang_up();
    const auto accepted = poll("one more", {k_scanner});
    scan("1");
    EXPECT_EQ(value_of(accepted), "1");
}

// ---- errors
// ----------------------------------------------------------------------------------------------------------

TEST_F(TheEventRoute, delays_errors_by_a_second_since_the_client_polls_again_at_once) {
    const auto wrong = rpc("/iot_drivers/event", {});
    const auto broken = send(json_request("/iot_drivers/event", "{"));
    EXPECT_FALSE(wrong->answered());
    advance(999ms);
    EXPECT_FALSE(wrong->answered());
    EXPECT_FALSE(broken->answered());
    advance(1ms);
    EXPECT_THAT(wrong->error_text(), HasSubstr("\"listener\" is missing"));
    EXPECT_EQ(wrong->header("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(broken->response().status, 400u);
}

TEST_F(TheEventRoute, does_not_answer_a_delayed_error_to_who_has_gone) {
    const auto wrong = rpc("/iot_drivers/event", {});
    wrong->hang_up();
    EXPECT_EQ(wrong.use_count(), 1);
    advance(2s);
    EXPECT_FALSE(wrong->answered());
}

TEST_F(TheEventRoute, says_what_is_wrong_with_a_listener) {
    json::object too_many;
    for (int i = 0; i < 257; ++i) too_many["d" + std::to_string(i)] = nullptr;
    const std::vector<std::pair<json::value, std::string>> cases{
        {"u1", "\"listener\" must be an object"},
        {json::object{{"devices", json::object{}}},
         "in \"listener\", the parameter \"session_id\" is missing"},
        {json::object{{"session_id", 5}, {"devices", json::object{}}},
         "\"session_id\" must be a text"},
        {json::object{{"session_id", ""}, {"devices", json::object{}}}, "\"session_id\" is empty"},
        {json::object{{"session_id", std::string(257, 'x')}, {"devices", json::object{}}},
         "longer than 256 bytes"},
        {json::object{{"session_id", "u1"}}, "\"devices\" is missing"},
        {json::object{{"session_id", "u1"}, {"devices", "x"}}, "\"devices\" must be an object"},
        {json::object{{"session_id", "u1"}, {"devices", json::array{5}}}, "must hold identifiers"},
        {json::object{{"session_id", "u1"}, {"devices", too_many}},
         "names 257 devices, one poll takes at most 256"},
        {json::object{{"session_id", "u1"}, {"devices", json::object{{std::string(257, 'x'), 1}}}},
         "an identifier in \"devices\" is longer"},
        {json::object{{"session_id", "u1"}, {"devices", json::object{}}, {"last_event", "1"}},
         "\"last_event\" must be a number"},
    };
    for (const auto& [listener, text] : cases) {
        const auto page = rpc("/iot_drivers/event", {{"listener", listener}});
        advance(1s);
        EXPECT_THAT(page->error_text(), HasSubstr(text)) << json::serialize(listener);
    }
    EXPECT_EQ(clock.running(), 0u);
}

TEST_F(TheEventRoute, has_quirk_22_and_its_old_name) {
    scan("1");
    const auto page = rpc("/hw_drivers/event",
                          {{"listener", json::object{{"session_id", "u1"},
                                                     {"last_event", 0},
                                                     {"devices", json::object{{k_scanner, 1}}}}}});
    EXPECT_EQ(value_of(page), "1");
}

}  // namespace
}  // namespace backplane::sync::test
