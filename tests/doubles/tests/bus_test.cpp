// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The double of the bus is as strict as the bus: what it lets pass, the tests of the box would let pass too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "doubles/odoo_server.hpp"
#include "doubles/tests/raw_client.hpp"

namespace backplane::tests {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TheBusOfTheDouble : public testing::Test {
protected:
    int close_code_after(const std::function<void(RawClient&)>& sin) {
        RawClient client(server.port());
        EXPECT_TRUE(client.open_websocket());
        sin(client);
        for (;;) {
            const auto frame = client.frame();
            if (!frame) return -1;
            if (frame->opcode == 8) return frame->close_code();
        }
    }
    /// The ids of the next frame; none when nothing comes.
    static std::vector<std::int64_t> next_ids(RawClient& client) {
        std::vector<std::int64_t> ids;
        if (client.is_silent_for(150)) return ids;
        const auto frame = client.frame();
        if (!frame || frame->opcode != 1) return ids;
        const json::value list = json::parse(frame->payload);
        for (const auto& one : list.as_array()) ids.push_back(one.at("id").as_int64());
        return ids;
    }
    std::vector<std::int64_t> ids_for(std::int64_t last) {
        RawClient client(server.port());
        EXPECT_TRUE(client.open_websocket());
        EXPECT_TRUE(client.subscribe(server.channel_of("box1"), last));
        return next_ids(client);
    }
    int status_without(const std::string& header) {
        std::string headers = k_upgrade_headers;
        const auto at = headers.find(header + ":");
        headers.erase(at, headers.find("\r\n", at) + 2 - at);
        RawClient client(server.port());
        const auto answer = client.upgrade(headers);
        return answer ? answer->status : -1;
    }

    OdooServer server;
};

// ---- the handshake ------------------------------------------------------------------------------

TEST_F(TheBusOfTheDouble, takes_no_handshake_without_each_of_its_headers) {
    for (const char* header :
         {"Host", "Origin", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Connection", "Upgrade"})
        EXPECT_NE(status_without(header), 101) << header;
    EXPECT_EQ(status_without("Origin"), 400);
    EXPECT_EQ(status_without("Sec-WebSocket-Version"), 400);
}

TEST_F(TheBusOfTheDouble, names_the_version_that_it_speaks) {
    std::string headers = k_upgrade_headers;
    headers.replace(headers.find("13"), 2, "8");
    RawClient client(server.port());
    const auto answer = client.upgrade(headers);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 426);
    EXPECT_THAT(answer->head, HasSubstr("sec-websocket-version: 13"));
}

TEST_F(TheBusOfTheDouble, proves_that_it_has_read_the_key) {
    RawClient client(server.port());
    const auto answer = client.upgrade(k_upgrade_headers);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 101);
    // The example of RFC 6455, 1.3.
    EXPECT_THAT(answer->head, HasSubstr(lower("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
}

// ---- frames -------------------------------------------------------------------------------------

TEST_F(TheBusOfTheDouble, closes_at_a_frame_that_is_not_masked) {
    EXPECT_EQ(close_code_after([](RawClient& client) { client.send_frame(0x81, "{}", false); }),
              1002);
}

TEST_F(TheBusOfTheDouble, closes_at_reserved_bits_unknown_kinds_and_long_or_split_pings) {
    for (const int first : {0xc1, 0xa1, 0x91, 0x83, 0x8b, 0x09})
        EXPECT_EQ(close_code_after([first](RawClient& client) { client.send_frame(first, "{}"); }),
                  1002)
            << first;
    EXPECT_EQ(
        close_code_after([](RawClient& client) { client.send_frame(0x89, std::string(126, 'x')); }),
        1002);
    EXPECT_EQ(close_code_after([](RawClient& client) { client.send_frame(0x80, "rest"); }), 1002)
        << "the continuation of nothing";
}

TEST_F(TheBusOfTheDouble, takes_messages_of_one_mebibyte_and_not_a_byte_more) {
    constexpr std::size_t k_limit = 1u << 20;
    EXPECT_EQ(close_code_after(
                  [](RawClient& client) { client.send_text(std::string(k_limit + 1, ' ')); }),
              1009);
    EXPECT_EQ(close_code_after([](RawClient& client) {
                  client.send_frame(0x01, std::string(k_limit, ' '));
                  client.send_frame(0x80, " ");
              }),
              1009);
    std::string fits = R"({"event_name": "other"})";
    fits += std::string(k_limit - fits.size(), ' ');
    EXPECT_EQ(close_code_after([&](RawClient& client) {
                  client.send_text(fits);
                  client.send_frame(0x88, std::string("\x03\xe8", 2));
              }),
              1000);
}

TEST_F(TheBusOfTheDouble, closes_at_text_that_is_none_and_takes_one_zero_byte_as_a_sign_of_life) {
    EXPECT_EQ(close_code_after([](RawClient& client) { client.send_text("\xff\xfe"); }), 1007);
    EXPECT_EQ(close_code_after([](RawClient& client) { client.send_text("hello"); }), 1011);
    EXPECT_EQ(close_code_after([](RawClient& client) { client.send_frame(0x82, "xx"); }), 1003);
    EXPECT_EQ(close_code_after([](RawClient& client) {
                  client.send_frame(0x82, std::string_view("\0", 1));
                  client.send_frame(0x88, std::string("\x03\xe9", 2));
              }),
              1001);
}

TEST_F(TheBusOfTheDouble, takes_ten_frames_in_two_seconds_and_closes_at_the_eleventh) {
    RawClient client(server.port());
    ASSERT_TRUE(client.open_websocket());
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(client.send_frame(0x89, std::to_string(i)));
    for (int i = 0; i < 10; ++i) {
        const auto pong = client.frame();
        ASSERT_TRUE(pong);
        EXPECT_EQ(pong->opcode, 10);
        EXPECT_EQ(pong->payload, std::to_string(i));
    }
    ASSERT_TRUE(client.send_frame(0x89, "one too many"));
    const auto close = client.frame();
    ASSERT_TRUE(close);
    EXPECT_EQ(close->close_code(), 1013);
}

TEST_F(TheBusOfTheDouble, answers_a_split_subscription) {
    server.notify("restart_odoo");
    const std::string text = R"({"event_name":"subscribe","data":{"channels":[")" +
                             server.channel_of("box1") + R"("],"last":0}})";
    RawClient client(server.port());
    ASSERT_TRUE(client.open_websocket());
    client.send_frame(0x01, text.substr(0, 20));
    client.send_frame(0x89, "in between");
    client.send_frame(0x80, text.substr(20));
    ASSERT_EQ(client.frame().value().opcode, 10);
    EXPECT_EQ(next_ids(client).size(), 1u);
}

// ---- who is silent ------------------------------------------------------------------------------

TEST(AnIdleWebSocketOfTheDouble, is_pinged_and_cut_without_an_answer) {
    OdooServerOptions options;
    options.websocket.idle = 30ms;
    options.websocket.pong = 60ms;
    OdooServer server(options);
    RawClient client(server.port());
    ASSERT_TRUE(client.open_websocket());
    const auto ping = client.frame();
    ASSERT_TRUE(ping);
    EXPECT_EQ(ping->opcode, 9);
    EXPECT_EQ(client.frame(), std::nullopt);
}

TEST(AnIdleWebSocketOfTheDouble, lives_as_long_as_it_answers_and_then_gets_4002) {
    OdooServerOptions options;
    options.websocket.idle = 20ms;
    options.websocket.pong = 5s;
    options.websocket.life = 300ms;
    options.websocket.rate_frames = 1000;
    OdooServer server(options);
    RawClient client(server.port());
    ASSERT_TRUE(client.open_websocket());
    int pings = 0;
    for (;;) {
        const auto frame = client.frame();
        ASSERT_TRUE(frame);
        if (frame->opcode == 8) {
            EXPECT_EQ(frame->close_code(), 4002);
            break;
        }
        ASSERT_EQ(frame->opcode, 9);
        ++pings;
        client.send_frame(0x8a, frame->payload);
    }
    EXPECT_GE(pings, 2);
}

// ---- which notifications ------------------------------------------------------------------------

TEST_F(TheBusOfTheDouble, sends_everything_newer_than_the_last) {
    const auto first = server.notify("a");
    const auto second = server.notify("b");
    const auto third = server.notify("c");
    EXPECT_THAT(ids_for(first), ElementsAre(second, third));
    EXPECT_THAT(ids_for(third), IsEmpty());
}

TEST_F(TheBusOfTheDouble, takes_a_last_that_is_greater_than_its_newest_for_none) {
    const auto first = server.notify("a");
    EXPECT_THAT(ids_for(first + 1), ElementsAre(first));
    EXPECT_THAT(ids_for(first + 1'000'000), ElementsAre(first));
}

TEST_F(TheBusOfTheDouble, sends_who_has_no_last_what_is_not_older_than_50_s) {
    server.notify("old");
    server.bus().pass(51s);
    const auto recent = server.notify("recent");
    EXPECT_THAT(ids_for(0), ElementsAre(recent));
    server.bus().pass(51s);
    EXPECT_THAT(ids_for(0), IsEmpty());
}

TEST_F(TheBusOfTheDouble, forgets_after_a_day_but_not_before) {
    const auto begin = server.bus().newest();
    ASSERT_GT(begin, 0);
    const auto first = server.notify("a");
    server.bus().pass(23h);
    EXPECT_THAT(ids_for(begin), ElementsAre(first));
    server.bus().pass(61min);
    EXPECT_THAT(ids_for(begin), IsEmpty());
    const auto next = server.notify("b");
    EXPECT_THAT(ids_for(begin), ElementsAre(next));
    EXPECT_EQ(next, first + 1);
}

TEST_F(TheBusOfTheDouble, sends_only_on_the_right_channel_except_what_is_for_everybody) {
    RawClient client(server.port());
    ASSERT_TRUE(client.open_websocket());
    ASSERT_TRUE(client.subscribe("another_channel", 0));
    ASSERT_TRUE(server.wait([&] { return server.subscriptions() == 1; }));
    EXPECT_EQ(server.connected_boxes(), 0u);
    server.notify("a");
    const auto everybody = server.broadcast("bundle_changed", "not even an object");
    EXPECT_THAT(next_ids(client), ElementsAre(everybody));
}

TEST_F(TheBusOfTheDouble, sends_each_notification_once_and_at_once) {
    RawClient client(server.port());
    ASSERT_TRUE(client.open_websocket());
    ASSERT_TRUE(client.subscribe(server.channel_of("box1"), 0));
    ASSERT_TRUE(server.wait_for_box_connected());
    for (int i = 0; i < 50; ++i) {
        const auto id = server.notify_action("scale1", "read_once");
        ASSERT_THAT(next_ids(client), ElementsAre(id));
    }
}

TEST_F(TheBusOfTheDouble, names_the_boxes_that_have_registered_and_the_device_of_an_action) {
    RawClient registers(server.port());
    const auto channel = registers.ask_rpc("/iot/setup", R"({"iot_box": {"identifier": "box1"}})");
    ASSERT_TRUE(channel);
    EXPECT_THAT(channel->body, HasSubstr(server.channel_of("box1")));
    RawClient client(server.port());
    ASSERT_TRUE(client.open_websocket());
    ASSERT_TRUE(client.subscribe(server.channel_of("box1"), 0));
    ASSERT_TRUE(server.wait_for_box_connected());
    server.notify_action("drawer1", "open_cashbox", {{"session_id", "pos-7"}});
    const json::value list = json::parse(client.frame().value().payload);
    const json::value& message = list.at(0).at("message");
    EXPECT_EQ(message.at("type").as_string(), "iot_action");
    const json::value& payload = message.at("payload");
    EXPECT_EQ(payload.at("iot_identifiers"), json::array{"box1"});
    EXPECT_EQ(payload.at("device_identifiers"), json::array{"drawer1"});
    EXPECT_EQ(payload.at("action").as_string(), "open_cashbox");
    EXPECT_EQ(payload.at("session_id").as_string(), "pos-7");
    EXPECT_TRUE(payload.at("action_unique_id").is_string());
}

// ---- restarts and faults ------------------------------------------------------------------------

TEST_F(TheBusOfTheDouble, comes_back_on_the_same_port_and_counts_on) {
    const auto first = server.notify("a");
    const auto port = server.port();
    RawClient client(port);
    ASSERT_TRUE(client.open_websocket());
    server.stop();
    EXPECT_EQ(client.frame(), std::nullopt);
    EXPECT_THROW(RawClient{port}, std::runtime_error);
    const auto second = server.notify("b");
    EXPECT_EQ(second, first + 1);
    server.start();
    EXPECT_EQ(server.port(), port);
    EXPECT_THAT(ids_for(first), ElementsAre(second));
}

TEST_F(TheBusOfTheDouble, freezes_what_is_open_and_loses_nothing_of_it) {
    RawClient client(server.port());
    ASSERT_TRUE(client.open_websocket());
    ASSERT_TRUE(client.subscribe(server.channel_of("box1"), 0));
    ASSERT_TRUE(server.wait_for_box_connected());
    server.fault(Fault::black_hole());
    const auto id = server.notify("a");
    client.send_frame(0x89, "are you there?");
    RawClient later(server.port());
    ASSERT_TRUE(later.send("GET /websocket/health HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_TRUE(client.is_silent_for(150));
    EXPECT_TRUE(later.is_silent_for(1));
    server.heal();
    ASSERT_EQ(later.answer().value().status, 200);
    const auto one = client.frame().value();
    const auto other = client.frame().value();
    EXPECT_EQ(one.opcode + other.opcode, 1 + 10);
    EXPECT_THAT(one.payload + other.payload, HasSubstr(std::to_string(id)));
}

TEST_F(TheBusOfTheDouble, takes_what_a_client_that_gave_up_had_sent_into_a_black_hole_for_lost) {
    server.fault(Fault::black_hole());
    {
        RawClient client(server.port());
        client.send(
            "POST /iot/box/send_websocket HTTP/1.1\r\nHost: x\r\nContent-Type: "
            "application/json\r\nContent-Length: 13\r\n\r\n{\"params\":{}}");
    }
    server.heal();
    ASSERT_EQ(RawClient(server.port()).ask("GET", "/websocket/health").value().status, 200);
    EXPECT_EQ(server.reply_count(), 0u);
}

TEST_F(TheBusOfTheDouble, resets_and_closes_what_is_open_when_it_is_told_to) {
    RawClient client(server.port());
    ASSERT_TRUE(client.open_websocket());
    ASSERT_TRUE(client.subscribe(server.channel_of("box1"), 0));
    ASSERT_TRUE(server.wait_for_box_connected());
    server.reset_connections();
    EXPECT_EQ(client.frame(), std::nullopt);
    EXPECT_TRUE(client.was_reset());
    ASSERT_TRUE(server.wait_for_box_disconnected());

    RawClient second(server.port());
    ASSERT_TRUE(second.open_websocket());
    ASSERT_TRUE(second.subscribe(server.channel_of("box1"), 0));
    ASSERT_TRUE(server.wait_for_box_connected());
    server.expire_sessions();
    EXPECT_EQ(second.frame().value().close_code(), 4001);
}

TEST_F(TheBusOfTheDouble, spoils_frames_as_told_and_the_next_connection_gets_what_was_lost) {
    const auto open = [&](RawClient& client, std::int64_t last) {
        ASSERT_TRUE(client.open_websocket());
        const auto before = server.subscriptions();
        ASSERT_TRUE(client.subscribe(server.channel_of("box1"), last));
        ASSERT_TRUE(server.wait([&] { return server.subscriptions() > before; }));
    };
    RawClient first(server.port());
    const auto begin = server.bus().newest();
    open(first, begin);
    server.fault("/websocket", Fault::half());
    const auto id = server.notify("a");
    EXPECT_EQ(first.frame(), std::nullopt);
    server.fault("/websocket", Fault::wrong_json());
    RawClient second(server.port());
    open(second, begin);
    boost::system::error_code error;
    json::parse(second.frame().value().payload, error);
    EXPECT_TRUE(error) << "the broken one";
    EXPECT_THAT(next_ids(second), ElementsAre(id));
}

TEST(AnEncryptedDouble, speaks_on_its_bus_too) {
    CertificateAuthority authority;
    const Certificate identity = authority.issue();
    OdooServer server(identity);
    RawClient client(server.port(), true);
    ASSERT_TRUE(client.open_websocket());
    ASSERT_TRUE(client.subscribe(server.channel_of("box1"), 0));
    ASSERT_TRUE(server.wait_for_box_connected());
    for (int i = 0; i < 3; ++i) {
        const auto id = server.notify("a", {{"filler", std::string(100'000, 'x')}});
        EXPECT_THAT(client.frame().value().payload, HasSubstr(std::to_string(id)));
    }
}

}  // namespace
}  // namespace backplane::tests
