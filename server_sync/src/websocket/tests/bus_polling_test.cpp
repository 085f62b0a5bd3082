// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The box where WebSockets do not pass.
#include <cstdlib>

#include "websocket/tests/bus_box.hpp"

namespace backplane::sync::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ABoxWhoseWebSocketDoesNotPass : public ABusBox {
protected:
    void begin(std::map<std::string, std::optional<std::string>> values = {}) {
        pair(std::move(values));
        is_away(false);
        bus->look_again();
    }
    /// Three upgrades were refused; the first question is on its way.
    void poll() {
        begin();
        refuse(3);
        ASSERT_EQ(bus->status().state, "polling") << bus->status().reason;
        ASSERT_EQ(lanes.waiting_for(k_peek), 1u);
    }
    json::object question() const { return json::parse(lanes.last().request.body).as_object(); }
    void answer(std::vector<std::int64_t> ids) { lanes.succeed(polled(std::move(ids)), k_peek); }
    /// Time until the next question.
    std::chrono::milliseconds pause() {
        auto waited = 0ms;
        for (; lanes.waiting_for(k_peek) == 0 && waited < 100s; waited += 10ms) clock.advance(10ms);
        return waited;
    }
};

TEST_F(ABoxWhoseWebSocketDoesNotPass, polls_after_three_refusals) {
    begin();
    refuse(2);
    EXPECT_NE(bus->status().state, "polling");
    pass(1s);
    refuse(1, "ws.refused", 502);
    EXPECT_EQ(bus->status().state, "polling");
    EXPECT_THAT(bus->status().reason, HasSubstr("WebSockets do not pass to the Odoo server"));
    EXPECT_EQ(lanes.last().request.url, "https://shop.example.com/websocket/peek_notifications");
    EXPECT_EQ(lanes.last().request.content_type, "application/json");
    EXPECT_EQ(lanes.last().header("User-Agent"), "OdooIoTBox/1.0");
    EXPECT_EQ(lanes.last().header("Cookie"), "session_id=");
    EXPECT_EQ(question(),
              json::parse(R"({"params":{"channels":["c1"],"last":17,"is_first_poll":true}})")
                  .as_object());
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, polls_also_when_its_upgrades_are_swallowed_or_cut) {
    for (const char* code : {"ws.silent", "net.closed"}) {
        begin();
        refuse(3, code, 0);
        EXPECT_EQ(bus->status().state, "polling") << code;
    }
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, polls_also_when_nothing_comes_over_what_was_opened) {
    begin();
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(sockets.alive(), 1u);
        sockets.open();
        clock.advance(30s);
        sockets.end("ws.silent");
        pass(1s);
    }
    EXPECT_EQ(bus->status().state, "polling");
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, is_not_taken_for_one_when_the_server_is_away) {
    begin();
    is_away(true);
    for (int i = 0; i < 6; ++i) {
        for (int waited = 0; sockets.alive() == 0 && waited < 40; ++waited) pass(1s);
        ASSERT_EQ(sockets.alive(), 1u);
        sockets.end("ws.refused", 502);
        pass(50ms);
        EXPECT_EQ(bus->status().state, "waiting");
    }
    lanes.when(k_health, FakeLanes::status(502));  // only the proxy is there
    for (int i = 0; i < 4; ++i) {
        for (int waited = 0; sockets.alive() == 0 && waited < 40; ++waited) pass(1s);
        sockets.end("ws.refused", 502);
        pass(50ms);
        EXPECT_EQ(bus->status().state, "waiting");
    }
    EXPECT_TRUE(lanes.sent_to(k_peek).empty());
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, is_not_taken_for_one_after_failures_that_lie_apart) {
    begin();
    refuse(2);
    pass(1s);
    sockets.open();
    sockets.say(frame({18}));
    durable();
    sockets.end("net.closed");
    clock.advance(0ms);
    refuse(2);
    EXPECT_EQ(bus->status().state, "waiting");
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, keeps_the_session_and_the_cursor_between_its_questions) {
    poll();
    auto first = FakeLanes::ok(polled({18, 19}));
    first->headers.emplace_back("Set-Cookie", "session_id=s1; HttpOnly");
    lanes.answer(first, k_peek);
    EXPECT_THAT(taken_ids(), ElementsAre(18, 19));
    clock.advance(20s);
    EXPECT_EQ(lanes.waiting_for(k_peek), 0u) << "nothing is asked before that is durable";
    durable();
    EXPECT_EQ(pause(), 900ms);
    EXPECT_EQ(lanes.last().header("Cookie"), "session_id=s1");
    EXPECT_EQ(question().at("params"),
              json::parse(R"({"channels":["c1"],"last":19,"is_first_poll":false})"));
    answer({});
    EXPECT_EQ(pause(), 900ms);
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, asks_less_often_when_nothing_comes_for_long) {
    random = 0.5;
    poll();
    for (int i = 0; i < 58; ++i) {
        answer({});
        ASSERT_EQ(pause(), 1s) << i;
    }
    for (int i = 0; i < 3; ++i) {
        answer({});
        pause();
    }
    answer({});
    EXPECT_EQ(pause(), 2s);
    for (int i = 0; i < 300; ++i) {
        answer({});
        if (sockets.alive() > 0) sockets.end("ws.refused", 404);
        pause();
    }
    answer({});
    EXPECT_EQ(pause(), 3s);
    answer({18});
    durable();
    EXPECT_EQ(pause(), 1s);
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, spreads_its_questions) {
    poll();
    random = 0.999;
    answer({});
    const auto wait = pause();
    EXPECT_GT(wait, 1s);
    EXPECT_LE(wait, 1'100ms);
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, begins_a_session_anew_when_the_server_has_forgotten_it) {
    poll();
    auto first = FakeLanes::ok(polled({}));
    first->headers.emplace_back("Set-Cookie", "session_id=s1");
    lanes.answer(first, k_peek);
    pause();
    lanes.succeed(R"({"error":{"code":100,"data":{"name":"odoo.http.SessionExpiredException"}}})",
                  k_peek);
    EXPECT_EQ(bus->status().state, "polling");
    EXPECT_EQ(pause(), 750ms);
    EXPECT_EQ(lanes.last().header("Cookie"), "session_id=");
    EXPECT_EQ(question().at("params").at("is_first_poll"), true);
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, logs_in_before_it_polls_a_server_with_several_databases) {
    lanes.when(k_login, FakeLanes::status(500));
    begin({{"server.db_name", "shop"}});
    lanes.run();
    refuse(3);
    pass(50ms);
    ASSERT_EQ(bus->status().state, "polling");
    ASSERT_EQ(lanes.waiting_for(k_peek), 1u) << "without a session, too";
    ServerAnswer page;
    page.status = 200;
    page.headers = {{"Set-Cookie", "session_id=s7"}};
    lanes.when(k_login, FakeLanes::Answer(page));
    answer({});
    pass(1s);
    EXPECT_EQ(lanes.last().header("Cookie"), "session_id=s7");
    EXPECT_EQ(lanes.last().header("X-Odoo-Database"), "shop");
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, tells_why_it_cannot_poll_and_asks_less_and_less) {
    poll();
    const std::vector<std::chrono::milliseconds> pauses{750ms, 1'500ms,  3s,      6s,
                                                        12s,   22'500ms, 22'500ms};
    for (const auto wanted : pauses) {
        lanes.answer(FakeLanes::status(404), k_peek);
        EXPECT_EQ(bus->status().state, "waiting");
        EXPECT_THAT(bus->status().reason, HasSubstr("with HTTP 404: it must be Odoo 16 or newer"));
        EXPECT_EQ(bus->status().next_try, wanted);
        EXPECT_EQ(pause(), wanted);
    }
    answer({});
    EXPECT_EQ(bus->status().state, "polling");
    EXPECT_EQ(pause(), 900ms);
    lanes.succeed("<html>", k_peek);
    EXPECT_THAT(bus->status().reason, HasSubstr("with something else"));
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, polls_again_within_2_seconds_after_the_server_is_back) {
    poll();
    is_away(true);
    lanes.when(k_peek, FakeLanes::error("net.connect"));
    pass(100s);
    EXPECT_EQ(bus->status().state, "waiting");
    is_away(false);
    lanes.when(k_peek, FakeLanes::ok(polled({18})));
    auto waited = 0ms;
    for (; taken.empty() && waited < 5s; waited += 50ms) pass(50ms);
    EXPECT_LE(waited, 1'100ms);
    EXPECT_EQ(bus->status().state, "polling");
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, tries_the_web_socket_again_every_10_minutes) {
    poll();
    const auto before = sockets.count();
    lanes.when(k_peek, FakeLanes::ok(polled({})));
    pass(std::chrono::minutes{10} - 1s);
    EXPECT_EQ(sockets.count(), before);
    pass(2s);
    ASSERT_EQ(sockets.count(), before + 1);
    EXPECT_EQ(bus->status().state, "polling") << "meanwhile it goes on";
    const auto asked = lanes.sent_to(k_peek).size();
    pass(5s);
    EXPECT_GT(lanes.sent_to(k_peek).size(), asked);
    sockets.end("ws.refused", 404);
    EXPECT_EQ(bus->status().state, "polling");
    pass(std::chrono::minutes{10} + 1s);
    ASSERT_EQ(sockets.count(), before + 2);
    sockets.open();
    EXPECT_EQ(bus->status().state, "connected");
    EXPECT_EQ(subscription().at("data").at("last"), 17);
    EXPECT_EQ(lanes.waiting(), 0u);
    const auto last = lanes.sent_to(k_peek).size();
    pass(60s);
    EXPECT_EQ(lanes.sent_to(k_peek).size(), last);
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, hands_nothing_over_twice_when_it_passes_at_last) {
    poll();
    clock.advance(std::chrono::minutes{10});
    answer({18});
    sockets.open();
    EXPECT_TRUE(sockets.last().sent.empty()) << "18 is not durable yet";
    durable();
    EXPECT_EQ(subscription().at("data").at("last"), 18);
    EXPECT_EQ(lanes.waiting_for(k_peek), 0u);
    EXPECT_EQ(pause(), 100s) << "it no longer polls";
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, asks_again_for_what_it_could_not_write_down) {
    poll();
    answer({18});
    clock.advance(30s);
    EXPECT_EQ(bus->status().state, "waiting");
    EXPECT_THAT(bus->status().reason, HasSubstr("look whether its disk is full or broken"));
    EXPECT_EQ(pause(), 900ms);
    EXPECT_EQ(question().at("params").at("last"), 17);
    answer({18});
    EXPECT_EQ(bus->status().state, "polling");
    EXPECT_THAT(taken_ids(), ElementsAre(18, 18));
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, knows_history_by_its_first_question) {
    last_id = 0;
    poll();
    answer({1});
    EXPECT_TRUE(taken.back().notifications[0].history);
    durable();
    pause();
    answer({2});
    EXPECT_FALSE(taken.back().notifications[0].history);
    EXPECT_TRUE(listened);
}

TEST_F(ABoxWhoseWebSocketDoesNotPass, takes_nothing_for_history_when_it_was_on_the_bus_before) {
    last_id = 0;
    listened = true;
    poll();
    answer({1});
    EXPECT_FALSE(taken.back().notifications[0].history);
}

}  // namespace
}  // namespace backplane::sync::test
