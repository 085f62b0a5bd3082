// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "websocket/notification.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include <string>

namespace backplane::sync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::int64_t> ids(const ParsedFrame& frame) {
    std::vector<std::int64_t> out;
    for (const auto& one : frame.notifications) out.push_back(one.id);
    return out;
}

std::string action(std::int64_t id, const std::string& extra = "") {
    return R"({"id":)" + std::to_string(id) +
           R"(,"message":{"type":"iot_action","payload":{"iot_identifiers":["b0"])" + extra + "}}}";
}

Notification with_payload(std::string type, const char* payload) {
    Notification out;
    out.id = 1;
    out.type = std::move(type);
    out.payload = boost::json::parse(payload);
    return out;
}

TEST(AFrame, that_is_no_list_is_an_error_that_says_where_to_look) {
    for (const char* text : {"", "  ", "null", "{}", "\"[]\"", "[", "[{}", "[1,2", "[}", "[\"]",
                             "[]]", "[] []", "[\"\\", "[{]}", "<html>"}) {
        const auto frame = parse_notifications(text);
        ASSERT_FALSE(frame) << text;
        EXPECT_EQ(frame.error().code, "bus.not_a_list") << text;
        EXPECT_THAT(frame.error().text, HasSubstr("look whether a proxy")) << text;
    }
}

TEST(AFrame, loses_no_good_entry_to_an_odd_one) {
    const std::string text = "[" + action(1) +
                             R"(, null, 7, "x", {}, {"id":0}, {"id":-3}, {"id":"4"}, {"id":1.5},)"
                             R"({"id":99999999999999999999}, {"id":2 "message":{}}, [[[]]], ,)" +
                             action(3) + "]";
    const auto frame = parse_notifications(text);
    ASSERT_TRUE(frame) << frame.error().text;
    EXPECT_THAT(ids(*frame), ElementsAre(1, 3));
    EXPECT_EQ(frame->odd, 12u);
    EXPECT_FALSE(frame->cut);
}

TEST(AFrame, keeps_an_id_without_a_sense_so_that_the_box_gets_past_it) {
    const auto frame = parse_notifications(
        R"([{"id":5},{"id":6,"message":null},{"id":7,"message":{"type":8}},{"id":9,"message":{"type":"t"}}])");
    ASSERT_TRUE(frame);
    EXPECT_THAT(ids(*frame), ElementsAre(5, 6, 7, 9));
    EXPECT_EQ(frame->notifications[2].type, "");
    EXPECT_EQ(frame->notifications[3].type, "t");
    EXPECT_TRUE(frame->notifications[3].payload.is_null());
}

TEST(AFrame, may_carry_payloads_of_any_type) {
    const auto frame = parse_notifications(
        R"([{"id":1,"message":{"type":"a","payload":[1,{"b":"],}"}]}},)"
        R"({"id":2,"message":{"type":"b","payload":"x\"]\\"}}, {"id":3,"message":{"type":"c","payload":false}}])");
    ASSERT_TRUE(frame);
    EXPECT_THAT(ids(*frame), ElementsAre(1, 2, 3));
    EXPECT_EQ(frame->notifications[0].payload.at(1).at("b"), "],}");
    EXPECT_EQ(frame->notifications[1].payload, "x\"]\\");
    EXPECT_EQ(frame->odd, 0u);
}

TEST(AFrame, may_be_empty) {
    for (const char* text : {"[]", " [ \n] "}) {
        const auto frame = parse_notifications(text);
        ASSERT_TRUE(frame) << text;
        EXPECT_TRUE(frame->notifications.empty());
        EXPECT_EQ(frame->odd, 0u);
    }
}

TEST(AFrame, with_too_much_is_cut_where_the_box_can_go_on_later) {
    std::string many = "[";
    for (std::size_t i = 1; i <= k_frame_notifications + 5; ++i)
        many += (i > 1 ? "," : "") + action(static_cast<std::int64_t>(i));
    const auto frame = parse_notifications(many + "]");
    ASSERT_TRUE(frame);
    EXPECT_TRUE(frame->cut);
    EXPECT_EQ(frame->odd, 0u);
    EXPECT_EQ(frame->notifications.size(), k_frame_notifications);
    EXPECT_EQ(frame->notifications.back().id, static_cast<std::int64_t>(k_frame_notifications));

    std::string zeros = R"(,"x":[0)";
    for (int i = 0; i < 15'000; ++i) zeros += ",0";
    zeros += "]";
    std::string heavy = "[";
    for (int i = 1; i <= 20; ++i) heavy += (i > 1 ? "," : "") + action(i, zeros);
    const auto values = parse_notifications(heavy + "]");
    ASSERT_TRUE(values);
    EXPECT_TRUE(values->cut);
    EXPECT_EQ(values->notifications.size(), 13u);
}

TEST(AFrame, does_not_read_an_entry_that_would_take_all_memory) {
    std::string zeros = R"(,"x":[0)";
    for (int i = 0; i < 30'000; ++i) zeros += ",0";
    const auto frame =
        parse_notifications("[" + action(1, zeros + "]") + "," +
                            action(2, ",\"y\":" + std::string(100, '[') + std::string(100, ']')) +
                            "," + action(3) + "]");
    ASSERT_TRUE(frame);
    EXPECT_THAT(ids(*frame), ElementsAre(3));
    EXPECT_EQ(frame->odd, 2u);
    EXPECT_FALSE(frame->cut);
}

TEST(AnAnswerToPolling, gives_its_list_as_it_stands) {
    for (
        const char* text :
        {R"({"jsonrpc":"2.0","id":null,"result":{"channels":["a,]}"],"notifications":[{"id":1}]}})",
         R"( { "result" : { "notifications" : [{"id":1}] , "x":{} } } )"}) {
        const auto list = notifications_in_answer(text);
        ASSERT_TRUE(list) << text;
        EXPECT_EQ(*list, R"([{"id":1}])");
    }
}

TEST(AnAnswerToPolling, that_holds_no_list_says_why) {
    const auto expired = notifications_in_answer(
        R"({"error":{"code":100,"data":{"name":"odoo.http.SessionExpiredException"}}})");
    ASSERT_FALSE(expired);
    EXPECT_EQ(expired.error().code, "bus.session");
    const auto refused = notifications_in_answer(R"({"error":{"code":200,"message":"secret"}})");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "bus.refused");
    EXPECT_THAT(refused.error().text, testing::Not(HasSubstr("secret")));
    for (const char* text : {"", "[]", "{}", "<html>", R"({"result":null})", R"({"result":{}})",
                             R"({"result":{"notifications")", R"({"result":)", R"({"results":{}})",
                             R"("result")", R"({"result"{"notifications":[]}})"}) {
        const auto odd = notifications_in_answer(text);
        ASSERT_FALSE(odd) << text;
        EXPECT_EQ(odd.error().code, "bus.not_an_answer") << text;
    }
}

TEST(ANotification, is_for_the_box_that_it_names_in_either_dialect) {
    for (const char* payload :
         {R"({"iot_identifiers":["a","4711"]})", R"({"iot_identifiers":[4711]})",
          R"({"iot_identifiers":"4711"})", R"({"iot_identifier":"4711"})",
          R"({"iot_identifier":4711})", R"({"iot_identifiers":[],"iot_identifier":"4711"})"})
        EXPECT_TRUE(is_for_box(with_payload("iot_action", payload), "4711")) << payload;
    for (const char* payload :
         {R"({})", R"({"iot_identifiers":["47110"]})", R"({"iot_identifiers":[["4711"]]})",
          R"({"iot_identifiers":{"4711":1}})", R"("4711")", R"(null)", R"(["4711"])",
          R"({"iot_identifiers":[4711.0]})", R"({"identifier":"4711"})"})
        EXPECT_FALSE(is_for_box(with_payload("iot_action", payload), "4711")) << payload;
}

TEST(ANotification, is_for_nobody_whose_name_is_not_known) {
    EXPECT_FALSE(is_for_box(with_payload("iot_action", R"({"iot_identifiers":[""]})"), ""));
    EXPECT_FALSE(is_for_box(with_payload("bundle_changed", "{}"), ""));
}

TEST(ANotification, that_the_server_broadcasts_is_for_every_box_unless_it_names_one) {
    EXPECT_TRUE(is_for_box(with_payload("bundle_changed", R"({"server_version":"19.0"})"), "b"));
    EXPECT_TRUE(is_for_box(with_payload("bundle_changed", "null"), "b"));
    EXPECT_FALSE(is_for_box(with_payload("bundle_changed", R"({"iot_identifiers":["c"]})"), "b"));
    EXPECT_FALSE(is_for_box(with_payload("server_clear", "{}"), "b"));
}

}  // namespace
}  // namespace backplane::sync
