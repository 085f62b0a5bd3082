// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// WebSockets against a server made by hand: how they open, and how they fail.
#include <atomic>
#include <future>

#include "websocket/tests/socket_client.hpp"

namespace backplane::sync::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// ---- opening ----

TEST_F(ASocket, asks_for_an_upgrade_without_anything_that_was_not_wished_for) {
    std::promise<std::string> head;
    RawSocketServer server([&](RawPeer& peer) {
        head.set_value(peer.upgrade());
        peer.wait_for_end();
    });
    options.headers = {
        {"Origin", "http://shop"}, {"User-Agent", "OdooIoTBox/1.0"}, {"Cookie", "session_id="}};
    connect(server.url());
    ASSERT_TRUE(is_open()) << closed->why.text;
    const std::string asked = head.get_future().get();
    EXPECT_THAT(
        asked,
        AllOf(HasSubstr("GET /websocket HTTP/1.1\r\n"),
              HasSubstr("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"),
              HasSubstr("Upgrade: websocket\r\n"), HasSubstr("Sec-WebSocket-Version: 13\r\n"),
              HasSubstr("Origin: http://shop\r\n"), HasSubstr("User-Agent: OdooIoTBox/1.0\r\n"),
              HasSubstr("Cookie: session_id=\r\n")));
    EXPECT_THAT(asked, AllOf(Not(HasSubstr("Extensions")), Not(HasSubstr("Protocol:"))));
    socket.reset();
}

TEST_F(ASocket, tells_the_status_of_an_answer_that_is_no_upgrade) {
    for (const int status : {400, 404, 426, 502, 301, 200}) {
        RawSocketServer server([&](RawPeer& peer) {
            peer.read_head();
            peer.write("HTTP/1.1 " + std::to_string(status) +
                       " No\r\nContent-Length: 3\r\n\r\nno\n");
            peer.wait_for_end();
        });
        closed.reset();
        connect(server.url());
        EXPECT_EQ(end(), "ws.refused");
        EXPECT_EQ(closed->status, status);
        EXPECT_EQ(closed->close_code, 0);
        EXPECT_THAT(closed->why.text,
                    AllOf(HasSubstr("http://127.0.0.1:" + std::to_string(server.port()) +
                                    " answered the WebSocket with HTTP " + std::to_string(status)),
                          HasSubstr("let the proxy")));
    }
    EXPECT_EQ(opened, 0);
}

TEST_F(ASocket, does_not_believe_an_upgrade_for_somebody_else) {
    RawSocketServer server([](RawPeer& peer) {
        peer.read_head();
        peer.write(
            "HTTP/1.1 101 Ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n");
        peer.wait_for_end();
    });
    connect(server.url());
    EXPECT_EQ(end(), "ws.refused");
    EXPECT_EQ(closed->status, 101);
}

TEST_F(ASocket, does_not_wait_for_ever_for_the_upgrade) {
    RawSocketServer server([](RawPeer& peer) { peer.wait_for_end(); });
    options.open = 200ms;
    connect(server.url());
    EXPECT_EQ(end(), "ws.silent");
    EXPECT_THAT(closed->why.text,
                HasSubstr("did not answer the WebSocket in 200 ms: let the proxy"));
}

TEST_F(ASocket, tells_of_a_connection_that_is_cut_during_the_upgrade) {
    const std::vector<RawSocketServer::Script> scripts{
        [](RawPeer& peer) { peer.read_head(), peer.reset(); },
        [](RawPeer& peer) { peer.read_head(); },
        [](RawPeer& peer) { peer.write("SSH-2.0-x\r\n\r\n"), peer.wait_for_end(); },
        [](RawPeer& peer) { peer.write("HTTP/1.1 101 Sw"); }};
    for (const auto& script : scripts) {
        RawSocketServer server(script);
        closed.reset();
        connect(server.url());
        EXPECT_EQ(end(), "net.closed");
        EXPECT_THAT(closed->why.text, HasSubstr("was asked for a WebSocket and has ended"));
    }
}

TEST_F(ASocket, says_that_nobody_listens) {
    std::string url;
    {
        RawSocketServer server([](RawPeer&) {});
        url = server.url();
    }
    connect(url);
    EXPECT_EQ(end(), "net.connect");
    EXPECT_THAT(closed->why.text, AllOf(HasSubstr("cannot be reached (Connection refused)"),
                                        HasSubstr("check that the Odoo server runs")));
}

TEST_F(ASocket, refuses_what_is_no_address_of_a_web_socket) {
    for (const char* url : {"", "http://127.0.0.1/", "ws://", "ws://user@127.0.0.1/", "wss:/x"}) {
        closed.reset();
        connect(url);
        EXPECT_EQ(end(), "net.bad_url") << url;
    }
    closed.reset();
    options.headers = {{"Cookie", "a\r\nX-Evil: 1"}};
    connect("ws://127.0.0.1:1/websocket");
    EXPECT_EQ(end(), "net.bad_url");
}

// ---- names ----

TEST_F(ASocket, says_why_a_name_was_not_found) {
    connect("ws://shop.example.com/websocket",
            [](const std::string& host) -> core::Result<Addresses> {
                return core::failure("net.lookup", "no such name: " + host);
            });
    EXPECT_EQ(end(), "net.lookup");
    EXPECT_THAT(closed->why.text,
                HasSubstr("shop.example.com was not found (no such name: shop.example.com): check "
                          "the network and the name server"));
    closed.reset();
    connect("ws://shop.example.com/", [](const std::string&) { return Addresses{}; });
    EXPECT_EQ(end(), "net.lookup");
    closed.reset();
    connect("ws://shop.example.com/", [](const std::string&) -> core::Result<Addresses> {
        throw std::runtime_error("broken");
    });
    EXPECT_EQ(end(), "net.lookup");
    EXPECT_THAT(closed->why.text, HasSubstr("(broken)"));
}

TEST_F(ASocket, does_not_wait_for_ever_for_a_name_server) {
    auto never = std::make_shared<std::promise<void>>();
    const auto hang = [future = never->get_future().share()](const std::string&) {
        future.wait();
        return Addresses{"127.0.0.1"};
    };
    options.open = 100ms;
    connect("ws://shop.example.com/", hang);
    EXPECT_EQ(end(), "net.lookup");
    EXPECT_THAT(closed->why.text, HasSubstr("the name server did not answer in 100 ms"));
    closed.reset();
    options.open = 10s;
    connect("ws://shop.example.com/", hang);
    socket.reset();  // nobody waits for the thread
    never->set_value();
    loop.restart();
    loop.run();
    EXPECT_FALSE(closed);
}

TEST_F(ASocket, tries_the_addresses_in_turn) {
    RawSocketServer server([](RawPeer& peer) {
        peer.upgrade();
        peer.wait_for_end();
    });
    connect(server.url("shop.example.com"), [](const std::string&) {
        return Addresses{"127.0.0.2", "nonsense", "127.0.0.1"};
    });
    EXPECT_TRUE(is_open()) << closed->why.text;
    socket.reset();
}

// ---- frames ----

TEST_F(ASocket, masks_what_it_sends_and_takes_text_and_bytes) {
    std::promise<RawFrame> got;
    RawSocketServer server([&](RawPeer& peer) {
        peer.upgrade();
        got.set_value(peer.read_frame());
        peer.frame(k_text, "[1]");
        peer.frame(k_bytes, std::string("\0\xff", 2));
        peer.frame(k_text, std::string(70'000, 'x'));
        peer.wait_for_end();
    });
    connect(server.url());
    on_open = [this] { socket->send("{\"event_name\":\"subscribe\"}"); };
    ASSERT_TRUE(until([this] { return texts.size() == 3 || closed; }));
    const RawFrame frame = got.get_future().get();
    EXPECT_EQ(frame.opcode, k_text);
    EXPECT_TRUE(frame.is_masked);
    EXPECT_TRUE(frame.is_last);
    EXPECT_FALSE(frame.has_reserved_bits);
    EXPECT_EQ(frame.payload, "{\"event_name\":\"subscribe\"}");
    EXPECT_THAT(texts, ElementsAre("[1]", std::string("\0\xff", 2), std::string(70'000, 'x')));
    socket.reset();
}

TEST_F(ASocket, joins_a_message_that_came_in_pieces_with_a_ping_between) {
    std::promise<RawFrame> pong;
    RawSocketServer server([&](RawPeer& peer) {
        peer.upgrade();
        peer.frame(k_text, "[1,", false);
        peer.frame(k_ping, "are you there");
        peer.frame(k_more, "2", false);
        peer.frame(k_more, "]");
        pong.set_value(peer.read_frame());
        peer.wait_for_end();
    });
    connect(server.url());
    ASSERT_TRUE(until([this] { return !texts.empty() || closed; }));
    EXPECT_THAT(texts, ElementsAre("[1,2]"));
    auto answered = pong.get_future();
    ASSERT_TRUE(until([&] { return answered.wait_for(0s) == std::future_status::ready; }));
    const RawFrame frame = answered.get();
    EXPECT_EQ(frame.opcode, k_pong);
    EXPECT_EQ(frame.payload, "are you there");
    socket.reset();
}

TEST_F(ASocket, does_not_take_a_message_that_is_too_long) {
    for (const bool in_pieces : {false, true}) {
        RawSocketServer server([&](RawPeer& peer) {
            peer.upgrade();
            for (int i = 0; in_pieces && i < 20; ++i)
                peer.frame(i == 0 ? k_text : k_more, std::string(100, 'x'), false);
            peer.frame(k_text, std::string(2'000, 'x'));
            peer.wait_for_end();
        });
        options.message_bytes = 1'000;
        closed.reset();
        connect(server.url());
        EXPECT_EQ(end(), "net.too_large");
        EXPECT_THAT(closed->why.text, HasSubstr("a message of more than 1000 bytes"));
    }
    EXPECT_TRUE(texts.empty());
}

TEST_F(ASocket, ends_at_bytes_that_are_no_web_socket) {
    const std::vector<std::string> wrong{std::string("\xff\x01x", 3),         // reserved bits
                                         std::string("\x81\x81m001", 6),      // a masked one
                                         std::string("\x81\x02\xc3\x28", 4),  // no UTF-8
                                         std::string("\x80\x01x", 3)};        // the rest of nothing
    for (const auto& bytes : wrong) {
        RawSocketServer server([&](RawPeer& peer) {
            peer.upgrade();
            peer.write(bytes);
            peer.wait_for_end();
        });
        closed.reset();
        connect(server.url());
        EXPECT_EQ(end(), "net.closed");
        EXPECT_THAT(closed->why.text, HasSubstr("something that is no WebSocket"));
    }
}

TEST_F(ASocket, does_not_pile_up_what_the_server_does_not_read) {
    std::promise<void> done;
    RawSocketServer server([over = done.get_future().share()](RawPeer& peer) {
        peer.upgrade();
        over.wait();
    });
    connect(server.url());
    ASSERT_TRUE(is_open());
    for (int i = 0; i < 3; ++i) socket->send(std::string(700'000, 'x'));
    EXPECT_FALSE(closed) << "nothing is told from inside the call";
    EXPECT_EQ(end(), "net.queue_full");
    done.set_value();
}

// ---- life and death ----

TEST_F(ASocket, pings_after_silence_and_lives_as_long_as_it_is_answered) {
    std::promise<void> twice;
    RawSocketServer server([&](RawPeer& peer) {
        peer.upgrade();
        for (int i = 0; i < 2; ++i) {
            EXPECT_EQ(peer.read_frame().opcode, k_ping);
            peer.frame(k_pong, "");
        }
        twice.set_value();
        peer.wait_for_end();
    });
    options.ping = 30ms;
    options.pong = 1s;
    connect(server.url());
    auto answered = twice.get_future();
    EXPECT_TRUE(until([&] { return answered.wait_for(0s) == std::future_status::ready; }));
    EXPECT_FALSE(closed);
    socket.reset();
}

TEST_F(ASocket, is_dead_when_nobody_answers_its_ping) {
    RawSocketServer server([](RawPeer& peer) {
        peer.upgrade();
        peer.wait_for_end();  // swallows everything, the pings too
    });
    options.ping = 50ms;
    options.pong = 50ms;
    connect(server.url());
    EXPECT_EQ(end(), "ws.silent");
    EXPECT_EQ(opened, 1);
    EXPECT_THAT(closed->why.text, HasSubstr("gave no sign of life for 100 ms"));
}

TEST_F(ASocket, tells_why_the_server_has_closed_it) {
    for (const unsigned code : {1000u, 1001u, 1013u, 4001u, 4002u, 0u}) {
        RawSocketServer server([&](RawPeer& peer) {
            peer.upgrade();
            code == 0 ? peer.frame(k_close, "") : peer.close_frame(code);
            const RawFrame answer = peer.read_frame();
            EXPECT_EQ(answer.opcode, k_close);
        });
        closed.reset();
        connect(server.url());
        EXPECT_EQ(end(), "ws.closed");
        EXPECT_EQ(closed->close_code, code == 0 ? 1005 : static_cast<int>(code));
    }
}

TEST_F(ASocket, tells_of_a_connection_that_is_lost) {
    for (const bool hard : {true, false}) {
        RawSocketServer server([&](RawPeer& peer) {
            peer.upgrade();
            peer.frame(k_text, "[]", false);
            if (hard) peer.reset();
        });
        closed.reset();
        connect(server.url());
        EXPECT_EQ(end(), "net.closed");
        EXPECT_THAT(closed->why.text, HasSubstr("was lost"));
        EXPECT_EQ(closed->close_code, 0);
    }
    EXPECT_TRUE(texts.empty());
}

TEST_F(ASocket, says_goodbye_politely) {
    std::promise<RawFrame> got;
    RawSocketServer server([&](RawPeer& peer) {
        peer.upgrade();
        const RawFrame frame = peer.read_frame();
        peer.frame(k_close, frame.payload);
        got.set_value(frame);
        peer.wait_for_end();
    });
    connect(server.url());
    ASSERT_TRUE(is_open());
    socket->close();
    EXPECT_TRUE(until([&] { return server.served() == 1; }));
    const RawFrame frame = got.get_future().get();
    EXPECT_EQ(frame.opcode, k_close);
    EXPECT_EQ(frame.payload, "\x03\xe8");
    EXPECT_FALSE(closed) << "who closes it needs not be told";
}

TEST_F(ASocket, does_not_wait_longer_than_a_second_for_the_answer_to_its_goodbye) {
    RawSocketServer server([](RawPeer& peer) {
        peer.upgrade();
        peer.wait_for_end();
    });
    connect(server.url());
    ASSERT_TRUE(is_open());
    const auto begin = std::chrono::steady_clock::now();
    socket.reset();
    loop.restart();
    loop.run();  // until nothing is left of it
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    EXPECT_FALSE(closed);
}

TEST_F(ASocket, may_be_destroyed_from_inside_its_callbacks) {
    RawSocketServer server([](RawPeer& peer) {
        peer.upgrade();
        peer.frame(k_text, "[1]");
        peer.frame(k_text, "[2]");
        peer.wait_for_end();
    });
    connect(server.url());
    on_text = [this] { socket.reset(); };
    EXPECT_TRUE(until([&] { return server.served() == 1; }));
    EXPECT_THAT(texts, ElementsAre("[1]"));
    on_open = [this] { socket.reset(); };
    connect(server.url());
    EXPECT_TRUE(until([&] { return server.served() == 2; }));
    EXPECT_EQ(texts.size(), 1u);
    EXPECT_FALSE(closed);
}

TEST_F(ASocket, may_be_given_up_before_it_is_open) {
    std::atomic<int> asked = 0;
    RawSocketServer server([&](RawPeer& peer) {
        peer.read_head();
        ++asked;
        peer.wait_for_end();
    });
    connect(server.url());
    socket->send("too early");
    socket.reset();
    loop.restart();
    loop.run();  // nothing is left of it
    connect(server.url());
    ASSERT_TRUE(until([&] { return asked == 1; }));
    socket->close();
    loop.restart();
    loop.run();
    EXPECT_EQ(opened, 0);
    EXPECT_FALSE(closed);
}

}  // namespace
}  // namespace backplane::sync::test
