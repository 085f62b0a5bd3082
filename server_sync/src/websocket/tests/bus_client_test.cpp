// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The box on the bus: how it connects, what it takes, and when it comes back.
#include <algorithm>
#include <numeric>

#include "websocket/tests/bus_box.hpp"

namespace backplane::sync::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(ABusBox, that_is_not_paired_is_off_and_says_so) {
    pair({{"server.url", ""}});
    bus->look_again();
    EXPECT_EQ(bus->status().state, "off");
    EXPECT_THAT(bus->status().reason, HasSubstr("not paired with an Odoo server"));
    EXPECT_EQ(sockets.count(), 0u);
    EXPECT_THAT(lanes.sent(), IsEmpty());
}

TEST_F(ABusBox, without_a_channel_waits_for_the_registration) {
    pair();
    channel.clear();
    bus->look_again();
    EXPECT_EQ(bus->status().state, "off");
    EXPECT_THAT(bus->status().reason, HasSubstr("has not told yet where the box is to listen"));
    EXPECT_EQ(sockets.count(), 0u);
    channel = "c1";
    bus->look_again();
    EXPECT_EQ(bus->status().state, "connecting");
    EXPECT_EQ(sockets.count(), 1u);
}

TEST_F(ABusBox, asks_with_the_headers_that_the_server_wants) {
    pair();
    bus->look_again();
    const auto& socket = sockets.last();
    EXPECT_EQ(socket.options.url, "wss://shop.example.com/websocket");
    EXPECT_EQ(socket.options.ca_file, "/etc/shop.pem");
    EXPECT_EQ(socket.header("Origin"), "https://shop.example.com");
    EXPECT_EQ(socket.header("User-Agent"), "OdooIoTBox/1.0");
    EXPECT_EQ(socket.header("Cookie"), "session_id=");
    EXPECT_EQ(socket.header("X-Odoo-Database"), "(none)");
    EXPECT_THAT(lanes.sent(), IsEmpty())
        << "no database is known, so there is no session to ask for";
}

TEST_F(ABusBox, keeps_the_port_and_the_scheme_of_its_server) {
    pair({{"server.url", "http://[fe80::7]:8069"}});
    bus->look_again();
    EXPECT_EQ(sockets.last().options.url, "ws://[fe80::7]:8069/websocket");
    EXPECT_EQ(sockets.last().header("Origin"), "http://[fe80::7]:8069");
}

TEST_F(ABusBox, subscribes_with_the_last_id_that_is_durable) {
    connect();
    EXPECT_THAT(sockets.last().sent,
                ElementsAre(R"({"event_name":"subscribe","data":{"channels":["c1"],"last":17,)"
                            R"("identifier":"b0c5"}})"));
    EXPECT_EQ(bus->status().state, "connected");
    EXPECT_EQ(bus->status().reason, "");
    EXPECT_EQ(bus->status().connections, 1u);
    EXPECT_EQ(bus->status().since, wall);
}

// ---- the session ----

TEST_F(ABusBox, gets_a_session_of_its_database_before_each_connection) {
    pair({{"server.db_name", "shop & co"}});
    bus->look_again();
    ASSERT_EQ(lanes.sent().size(), 1u);
    EXPECT_EQ(lanes.last().request.url, "https://shop.example.com/web/login?db=shop%20%26%20co");
    EXPECT_EQ(lanes.last().request.method, "GET");
    EXPECT_EQ(lanes.last().request.redirects, 0u);
    EXPECT_EQ(lanes.last().request.total, 10s);
    EXPECT_EQ(lanes.last().header("X-Odoo-Database"), "");
    EXPECT_EQ(lanes.last().header("User-Agent"), "OdooIoTBox/1.0");
    EXPECT_EQ(sockets.count(), 0u);

    ServerAnswer page;
    page.status = 302;
    page.headers = {{"set-cookie", "frontend_lang=de; Path=/"},
                    {"set-cookie", "session_id=abc_-1; Expires=x; Path=/; HttpOnly"}};
    lanes.answer(page);
    EXPECT_EQ(sockets.last().header("Cookie"), "session_id=abc_-1");
    EXPECT_EQ(sockets.last().header("X-Odoo-Database"), "shop & co");
    sockets.open();
    sockets.end("net.closed");
    clock.advance(0ms);
    page.headers = {{"Set-Cookie", "session_id=second"}};
    lanes.answer(page);
    EXPECT_EQ(sockets.last().header("Cookie"), "session_id=second");
}

TEST_F(ABusBox, connects_without_a_session_when_it_gets_none) {
    const std::vector<FakeLanes::Answer> answers{FakeLanes::error("net.timeout"),
                                                 FakeLanes::status(500), FakeLanes::page()};
    for (const auto& answer : answers) {
        pair({{"server.db_name", "shop"}});
        bus->look_again();
        const auto before = sockets.count();
        lanes.answer(answer);
        ASSERT_EQ(sockets.count(), before + 1);
        EXPECT_EQ(sockets.last().header("Cookie"), "session_id=");
        bus.reset();
    }
}

TEST_F(ABusBox, sends_no_session_back_that_could_be_another_header) {
    pair({{"server.db_name", "shop"}});
    bus->look_again();
    ServerAnswer page;
    page.status = 200;
    page.headers = {{"Set-Cookie", "session_id=a\r\nX-Evil: 1"},
                    {"Set-Cookie", "session_id=" + std::string(600, 'a')},
                    {"Set-Cookie", "session_id=; Path=/"}};
    lanes.answer(page);
    EXPECT_EQ(sockets.last().header("Cookie"), "session_id=");
}

// ---- what comes ----

TEST_F(ABusBox, takes_the_next_frame_only_when_the_one_before_is_durable) {
    connect();
    sockets.say(frame({18, 19}));
    sockets.say(frame({20}));
    sockets.say("[]");
    sockets.say(frame({21}));
    EXPECT_THAT(taken_ids(), ElementsAre(18, 19));
    durable();
    EXPECT_THAT(taken_ids(), ElementsAre(20));
    durable();
    EXPECT_THAT(taken_ids(), ElementsAre(21));
    EXPECT_EQ(bus->status().notifications, 4u);
}

TEST_F(ABusBox, loses_nothing_to_a_frame_that_makes_no_sense) {
    connect();
    sockets.say("<html>");
    sockets.say("[null, " + frame({18}).substr(1));
    EXPECT_THAT(taken_ids(), ElementsAre(18));
    EXPECT_EQ(bus->status().odd, 2u);
    EXPECT_EQ(bus->status().state, "connected");
}

TEST_F(ABusBox, does_not_pile_up_what_it_cannot_write_down) {
    connect();
    for (int i = 0; i < 65; ++i) sockets.say(frame({18 + i}));
    EXPECT_EQ(sockets.alive(), 1u) << "one is handed over, 64 wait";
    sockets.say(frame({90}));
    EXPECT_EQ(sockets.alive(), 0u);
    EXPECT_EQ(bus->status().state, "waiting");
    EXPECT_THAT(bus->status().reason, HasSubstr("more than the box can write down"));
    clock.advance(100ms);
    ASSERT_EQ(sockets.alive(), 1u);
    sockets.open();
    EXPECT_THAT(sockets.last().sent, IsEmpty()) << "it does not know yet where it is";
    durable();
    EXPECT_EQ(subscription().at("data").at("last"), 18);
    EXPECT_THAT(taken, IsEmpty()) << "the server sends the others again";
}

TEST_F(ABusBox, bounds_the_bytes_that_wait_too) {
    connect();
    sockets.say(frame({18}));
    const std::string large = "[\"" + std::string(15u << 20, 'x') + "\"]";
    sockets.say(large);
    sockets.say(large);
    EXPECT_EQ(sockets.alive(), 1u);
    sockets.say(large);
    EXPECT_EQ(sockets.alive(), 0u);
}

TEST_F(ABusBox, that_cannot_write_down_what_came_asks_for_it_again) {
    connect();
    sockets.say(frame({18}));
    sockets.say(frame({19}));
    clock.advance(29'999ms);
    EXPECT_EQ(sockets.alive(), 1u);
    clock.advance(1ms);
    EXPECT_EQ(sockets.alive(), 0u);
    EXPECT_EQ(bus->status().state, "waiting");
    EXPECT_THAT(bus->status().reason, HasSubstr("look whether its disk is full or broken"));
    clock.advance(500ms);
    sockets.open();
    EXPECT_EQ(subscription().at("data").at("last"), 17);
    sockets.say(frame({18}));
    EXPECT_THAT(taken_ids(), ElementsAre(18, 18));
    taken[0].durable();  // late, and of no meaning any more
    sockets.say(frame({19}));
    EXPECT_EQ(taken.size(), 2u);
    taken[1].durable();
    EXPECT_EQ(taken.size(), 3u);
}

TEST_F(ABusBox, asks_again_for_the_rest_of_a_frame_that_was_too_much) {
    connect();
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 1; i <= 2'001; ++i) ids.push_back(17 + i);
    sockets.say(frame(ids));
    sockets.say(frame({5'000}));
    durable();
    EXPECT_EQ(sockets.count(), 2u);
    EXPECT_THAT(taken, IsEmpty()) << "what follows the gap must not overtake it";
    sockets.open();
    EXPECT_EQ(subscription().at("data").at("last"), 2'017);
}

TEST_F(ABusBox, takes_the_first_frame_after_its_first_subscription_for_history) {
    last_id = 0;
    connect();
    clock.advance(999ms);
    EXPECT_FALSE(listened);
    sockets.say(frame({1}));
    EXPECT_TRUE(listened);
    EXPECT_TRUE(taken.back().notifications[0].history);
    durable();
    sockets.say(frame({2}));
    EXPECT_FALSE(taken.back().notifications[0].history) << "history comes in one frame";
    durable();
    sockets.end("net.closed");
    clock.advance(0ms);
    sockets.open();
    sockets.say(frame({3}));
    EXPECT_FALSE(taken.back().notifications[0].history) << "this time it said where it was";
}

TEST_F(ABusBox, takes_nothing_for_history_that_does_not_come_at_once) {
    last_id = 0;
    connect();
    clock.advance(1'000ms);
    EXPECT_TRUE(listened);
    sockets.say(frame({1}));
    EXPECT_FALSE(taken.back().notifications[0].history);
}

TEST_F(ABusBox, takes_what_came_while_it_was_away_for_new_also_when_it_had_got_nothing_before) {
    last_id = 0;
    listened = true;
    connect();
    sockets.say(frame({1}));
    EXPECT_FALSE(taken.back().notifications[0].history);
}

// ---- coming back ----

TEST_F(ABusBox, follows_its_channel_and_its_server) {
    connect();
    bus->look_again();
    EXPECT_EQ(sockets.count(), 1u) << "nothing has changed";
    channel = "c2";
    bus->look_again();
    EXPECT_EQ(sockets.alive(), 1u);
    EXPECT_EQ(sockets.count(), 2u);
    sockets.open();
    EXPECT_THAT(sockets.last().sent.back(), HasSubstr("\"channels\":[\"c2\"]"));

    account->move_to("https://new.example.com", [](const core::Result<void>&) {});
    ASSERT_TRUE(written());
    EXPECT_EQ(sockets.count(), 3u);
    EXPECT_EQ(sockets.alive(), 1u);
    EXPECT_EQ(sockets.last().options.url, "wss://new.example.com/websocket");

    account->unpair([](const core::Result<void>&) {});
    ASSERT_TRUE(written());
    EXPECT_EQ(sockets.alive(), 0u);
    EXPECT_EQ(bus->status().state, "off");
    EXPECT_EQ(clock.running(), 0u);
}

TEST_F(ABusBox, takes_its_time_when_the_server_has_too_much_to_do) {
    connect();
    sockets.end("ws.closed", 0, 1013);
    EXPECT_EQ(bus->status().next_try, 10s);
    is_away(false);
    pass(9'950ms);
    EXPECT_EQ(sockets.count(), 1u);
    pass(50ms);
    EXPECT_EQ(sockets.count(), 2u);
    random = 0.5;
    sockets.open();
    sockets.end("ws.closed", 0, 1013);
    EXPECT_EQ(bus->status().next_try, 15s) << "not all boxes at once";
}

TEST_F(ABusBox, is_back_at_once_when_the_server_only_wants_a_new_connection) {
    for (const int code : {4002, 1001, 1012}) {
        pair();
        bus->look_again();
        sockets.open();
        clock.advance(10s);
        sockets.end("ws.closed", 0, code);
        clock.advance(0ms);
        EXPECT_EQ(sockets.alive(), 1u) << code;
        bus.reset();
    }
}

TEST_F(ABusBox, drops_a_session_that_has_expired) {
    connect_with_session("old");
    clock.advance(10s);
    sockets.end("ws.closed", 0, 4001);
    clock.advance(0ms);
    lanes.fail("net.timeout", k_login);
    EXPECT_EQ(sockets.last().header("Cookie"), "session_id=");
}

TEST_F(ABusBox, doubles_its_pauses_up_to_30_seconds_while_nobody_answers) {
    pair();
    bus->look_again();
    is_away(true);
    const std::vector<std::chrono::milliseconds> pauses{250ms, 500ms, 1s, 2s, 4s, 8s, 15s, 15s};
    for (const auto pause : pauses) {
        const auto before = sockets.count();
        sockets.end("net.connect");
        EXPECT_EQ(bus->status().state, "waiting");
        EXPECT_EQ(bus->status().next_try, pause);
        EXPECT_EQ(bus->status().reason, "it is as it is");
        pass(pause - 50ms);
        EXPECT_EQ(sockets.count(), before);
        pass(50ms);
        EXPECT_EQ(sockets.count(), before + 1);
    }
    random = 0.999;
    sockets.end("net.connect");
    EXPECT_GT(bus->status().next_try, 29s);
    EXPECT_LE(bus->status().next_try, 30s);
}

TEST_F(ABusBox, is_back_within_2_seconds_after_the_server_is) {
    random = 0.999;
    for (const auto away : {300ms, 1'100ms, 20'000ms, 400'000ms}) {
        pair();
        bus->look_again();
        sockets.open();
        is_away(true);
        const auto before = lanes.sent_to(k_health).size();
        clock.advance(10s);
        sockets.end("net.closed");
        auto left = away;
        for (; left.count() > 0; left -= 50ms) {
            pass(50ms);
            if (sockets.alive() > 0) sockets.end("net.connect");
        }
        const auto looks = lanes.sent_to(k_health).size() - before;
        EXPECT_LE(looks, static_cast<std::size_t>(away / 1s) + 1) << "once a second";
        is_away(false);
        auto waited = 0ms;
        for (; sockets.alive() == 0 && waited < 5s; waited += 50ms) pass(50ms);
        EXPECT_LT(waited, 1'500ms) << "away for " << away.count() << " ms";
        bus.reset();
        lanes.forget(k_health);
    }
}

TEST_F(ABusBox, gives_an_attempt_up_that_began_while_the_server_swallowed_everything) {
    pair({{"server.db_name", "shop"}});
    bus->look_again();  // the question for a session gets no answer
    pass(1'000ms);
    EXPECT_EQ(lanes.waiting_for(k_health), 1u);
    pass(2'000ms);
    lanes.fail("net.timeout", k_health);
    clock.advance(0ms);
    ASSERT_EQ(lanes.waiting_for(k_health), 1u) << "the next look follows at once";
    lanes.succeed(R"({"status":"pass"})", k_health);
    EXPECT_EQ(lanes.waiting_for(k_login), 0u);
    clock.advance(0ms);
    EXPECT_EQ(lanes.sent_to(k_login).size(), 2u);
    EXPECT_EQ(lanes.waiting_for(k_login), 1u);
}

TEST_F(ABusBox, does_not_storm_a_server_that_ends_each_connection_at_once) {
    random = 0;
    pair();
    is_away(false);
    bus->look_again();
    std::vector<std::size_t> frames;  // in each step of 50 ms
    for (int i = 0; i < 2'400; ++i) {
        std::size_t sent = 0;
        while (sockets.alive() > 0 && sent < 20) {
            sockets.open();
            sent += sockets.last().sent.size();
            sockets.end("ws.closed", 0, 1011);
            clock.advance(0ms);
        }
        frames.push_back(sent);
        pass(50ms);
    }
    std::size_t most = 0;
    for (std::size_t i = 0; i + 40 < frames.size(); ++i)
        most = std::max(most, static_cast<std::size_t>(std::accumulate(
                                  frames.begin() + static_cast<long>(i),
                                  frames.begin() + static_cast<long>(i) + 40, std::size_t{0})));
    EXPECT_LE(most, 10u) << "frames in 2 s";
    EXPECT_GE(most, 3u) << "but it tries";
    const auto at_the_end = std::accumulate(frames.end() - 1'000, frames.end(), std::size_t{0});
    EXPECT_LE(at_the_end, 6u) << "in the last 50 s";
}

TEST_F(ABusBox, follows_a_server_that_has_moved_to_https) {
    pair({{"server.url", "http://shop.example.com"}});
    is_away(false);
    bus->look_again();
    EXPECT_EQ(sockets.last().options.url, "ws://shop.example.com/websocket");
    sockets.end("ws.refused", 301);
    pass(1s);
    EXPECT_EQ(sockets.last().options.url, "wss://shop.example.com/websocket");
    EXPECT_EQ(sockets.last().header("Origin"), "https://shop.example.com");
}

TEST_F(ABusBox, tells_of_each_change_of_its_state) {
    pair();
    std::vector<std::string> states;
    const auto listening = bus->on_change([&] { states.push_back(bus->status().state); });
    bus->look_again();
    sockets.open();
    sockets.end("net.closed");
    bus->stop();
    EXPECT_THAT(states, ElementsAre("connecting", "connected", "waiting", "off"));
    EXPECT_EQ(clock.running(), 0u);
    EXPECT_EQ(lanes.waiting(), 0u);
}

TEST_F(ABusBox, calls_nobody_after_its_end) {
    connect();
    sockets.say(frame({18}));
    const auto late = taken.front().durable;
    const auto listening = bus->on_change([] { FAIL() << "nobody is there any more"; });
    bus.reset();
    EXPECT_EQ(sockets.alive(), 0u);
    EXPECT_EQ(clock.running(), 0u);
    late();
    clock.advance(100s);
    EXPECT_EQ(sockets.count(), 1u);
}

}  // namespace
}  // namespace backplane::sync::test
