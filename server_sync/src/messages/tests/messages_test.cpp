// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <algorithm>

#include "backplane/core/log.hpp"
#include "messages/tests/paired_box.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// ---- the end of the pairing ----

TEST_F(APairedBox, forgets_its_database_when_the_server_says_so) {
    receive("server_clear");
    EXPECT_TRUE(until([&] { return !account->current().paired(); }));
    EXPECT_THAT(replies, IsEmpty()) << "there is nobody to tell it to";
}

TEST_F(APairedBox, does_not_forget_its_database_for_an_order_of_the_past) {
    receive("server_clear", {}, true);
    receive("restart_odoo", {}, true);
    receive("remote_debug", {{"token", "abc"}}, true);
    EXPECT_TRUE(written());
    clock.advance(1h);
    EXPECT_TRUE(account->current().paired());
    EXPECT_EQ(restarts, 0);
    EXPECT_THAT(replies, IsEmpty());
}

TEST_F(APairedBox, does_not_hear_what_is_meant_for_another) {
    for (const char* type : {"server_clear", "restart_odoo", "test_connection", "remote_debug"})
        receive(type, {{"iot_identifiers", json::array{"another"}}});
    EXPECT_TRUE(written());
    clock.advance(10s);
    EXPECT_TRUE(account->current().paired());
    EXPECT_EQ(restarts, 0);
    EXPECT_THAT(measurements, IsEmpty());
    EXPECT_THAT(replies, IsEmpty());
}

TEST_F(APairedBox, forgets_its_database_for_a_browser_only_when_somebody_at_the_box_allows_it) {
    auto reply = ask("server_clear");
    EXPECT_EQ(text(reply, "status"), "error");
    EXPECT_THAT(text(reply, "message"), HasSubstr("Somebody at the box has to allow this first"));
    EXPECT_THAT(question(), HasSubstr("forget its Odoo database"));
    consent(false, "server_clear");
    EXPECT_TRUE(written());
    EXPECT_TRUE(account->current().paired());
    ask("server_clear");
    consent(true, "server_clear");
    EXPECT_TRUE(until([&] { return !account->current().paired(); }));
}

// ---- a new address ----

TEST_F(APairedBox, follows_its_server_within_the_same_domain) {
    receive("server_update", {{"server_url", "https://new.example.com/odoo"}});
    EXPECT_TRUE(until([&] { return url() == "https://new.example.com"; }));
    EXPECT_EQ(account->current().token, "CANARY-A");
    EXPECT_THAT(confirmations.waiting(), IsEmpty());
}

TEST_F(APairedBox, does_not_follow_its_server_elsewhere_without_consent) {
    for (const char* to : {"https://shop.example.org", "http://shop.example.com",
                           "https://shop.example.com.evil.net", "http://new.example.com"}) {
        receive("server_update", {{"server_url", to}});
        EXPECT_THAT(question(), HasSubstr("Your Odoo at https://shop.example.com asks"));
        EXPECT_THAT(question(), HasSubstr(to));
        EXPECT_THAT(question(), HasSubstr("Allow it only if your Odoo has really moved there"));
        EXPECT_TRUE(written());
        EXPECT_EQ(url(), "https://shop.example.com");
        consent(false, "server_update");
        EXPECT_TRUE(written());
        EXPECT_EQ(url(), "https://shop.example.com");
    }
    receive("server_update", {{"server_url", "https://shop.example.org"}});
    clock.advance(15min);
    EXPECT_TRUE(written());
    EXPECT_EQ(url(), "https://shop.example.com") << "no answer is no consent";
}

TEST_F(APairedBox, says_so_when_the_new_address_is_not_encrypted) {
    receive("server_update", {{"server_url", "http://shop.example.com"}});
    EXPECT_THAT(question(), HasSubstr("is not encrypted"));
}

TEST_F(APairedBox, follows_its_server_elsewhere_with_consent) {
    receive("server_update", {{"server_url", "https://shop.example.org"}});
    consent(true, "server_update");
    EXPECT_TRUE(until([&] { return url() == "https://shop.example.org"; }));
}

TEST_F(APairedBox, that_was_paired_anew_is_not_moved_by_a_consent_to_an_older_question) {
    receive("server_update", {{"server_url", "https://shop.example.org"}});
    pair("https://other.example.net");
    consent(true, "server_update");
    EXPECT_TRUE(written());
    EXPECT_EQ(url(), "https://other.example.net");
}

TEST_F(APairedBox, is_never_moved_by_a_browser_without_consent) {
    const auto reply = ask("server_update", {{"server_url", "https://new.example.com"}});
    EXPECT_EQ(text(reply, "status"), "error");
    EXPECT_THAT(question(), HasSubstr("A browser in your network asks"));
    EXPECT_TRUE(written());
    EXPECT_EQ(url(), "https://shop.example.com");
    consent(true, "server_update");
    EXPECT_TRUE(until([&] { return url() == "https://new.example.com"; }));
}

TEST_F(APairedBox, keeps_its_server_when_the_new_address_is_none) {
    const std::vector<json::object> k_odd{
        {},
        {{"server_url", nullptr}},
        {{"server_url", 17}},
        {{"server_url", ""}},
        {{"server_url", "shop.example.com"}},
        {{"server_url", "ftp://new.example.com"}},
        {{"server_url", "http://localhost:8069"}},
        {{"server_url", "https://me:secret@new.example.com"}},
        {{"server_url", "https://" + std::string(3000, 'a') + ".example.com"}}};
    for (const auto& odd : k_odd) {
        receive("server_update", odd);
        const auto reply = ask("server_update", odd);
        EXPECT_EQ(text(reply, "status"), "error");
        EXPECT_THAT(text(reply, "message"), HasSubstr("it keeps https://shop.example.com"));
    }
    EXPECT_TRUE(written());
    EXPECT_EQ(url(), "https://shop.example.com");
    EXPECT_THAT(confirmations.waiting(), IsEmpty());
    EXPECT_EQ(text(ask("server_update", {{"server_url", "https://shop.example.com/"}}), "status"),
              "success")
        << "it is there already";
}

// ---- restart, test, bundles ----

TEST_F(APairedBox, restarts_two_seconds_after_it_has_said_so) {
    receive("restart_odoo", {{"session_id", "s-7"}});
    EXPECT_THAT(replies, ElementsAre(json::object{{"session_id", "s-7"},
                                                  {"iot_box_identifier", k_box},
                                                  {"device_identifier", k_box},
                                                  {"status", "success"}}));
    clock.advance(1s);
    receive("restart_odoo", {{"session_id", 8}});
    EXPECT_EQ(replies.back().at("session_id"), "8");
    clock.advance(999ms);
    EXPECT_EQ(restarts, 0);
    clock.advance(1ms);
    EXPECT_EQ(restarts, 1);
    clock.advance(1h);
    EXPECT_EQ(restarts, 1);
}

TEST_F(APairedBox, tells_how_good_its_network_is) {
    receive("test_connection", {{"session_id", "a"}});
    receive("test_connection");
    ASSERT_EQ(measurements.size(), 1u) << "one measurement is good for both";
    EXPECT_THAT(replies, IsEmpty());
    measurements[0]("fast", "slow");
    ASSERT_EQ(replies.size(), 2u);
    EXPECT_EQ(
        replies[0],
        (json::object{{"session_id", "a"},
                      {"iot_box_identifier", k_box},
                      {"device_identifier", k_box},
                      {"status", "success"},
                      {"result", json::object{{"lan_quality", "fast"}, {"wan_quality", "slow"}}}}));
    EXPECT_EQ(replies[1].at("session_id"), "0");
    measurements[0]("slow", "slow");
    EXPECT_EQ(replies.size(), 2u) << "a second answer is none";
    receive("test_connection");
    EXPECT_EQ(measurements.size(), 2u);
}

TEST_F(APairedBox, gives_a_measurement_up_that_does_not_end) {
    receive("test_connection");
    clock.advance(10s);
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(text(replies[0], "status"), "error");
    EXPECT_THAT(text(replies[0], "message"), HasSubstr("did not end in time"));
    measurements[0]("fast", "fast");
    EXPECT_EQ(replies.size(), 1u);
}

TEST_F(APairedBox, does_not_let_measurements_pile_up) {
    for (int i = 0; i < 40; ++i) receive("test_connection");
    EXPECT_EQ(measurements.size(), 1u);
    EXPECT_EQ(replies.size(), 24u);
    EXPECT_THAT(text(replies[0], "message"), HasSubstr("try again in a minute"));
}

TEST_F(APairedBox, looks_for_new_drivers_once_a_minute_when_the_server_was_updated) {
    for (int i = 0; i < 5; ++i)
        messages->handle({1, "bundle_changed", json::object{{"server_version", "19.0"}}, false});
    messages->handle({1, "bundle_changed", "odd", false});
    EXPECT_EQ(bundle_checks, 1);
    clock.advance(1min);
    EXPECT_EQ(bundle_checks, 2) << "once more, for what was announced meanwhile";
    clock.advance(1h);
    EXPECT_EQ(bundle_checks, 2);
    messages->handle({1, "bundle_changed", nullptr, false});
    EXPECT_EQ(bundle_checks, 3);
}

TEST_F(APairedBox, answers_what_it_does_not_do_with_what_to_do_instead) {
    receive("reset_password");
    receive("toggle_custom_handlers", {{"use_custom_handlers", true}});
    receive("test_protocol");
    ASSERT_EQ(replies.size(), 3u);
    EXPECT_EQ(text(replies[0], "status"), "error");
    EXPECT_THAT(text(replies[0], "result"), HasSubstr("no password of its own"));
    EXPECT_THAT(text(replies[0], "result"), HasSubstr("Log in to that computer"));
    EXPECT_EQ(text(replies[1], "status"), "error");
    EXPECT_THAT(text(replies[1], "result"), HasSubstr("signed plug-ins"));
    EXPECT_EQ(text(replies[2], "status"), "success");
    for (const auto& reply : replies) EXPECT_EQ(text(reply, "device_identifier"), k_box);
}

TEST_F(APairedBox, ignores_what_it_does_not_know_and_logs_each_once) {
    const auto logs = core::recent_logs();
    const auto before = logs.empty() ? 0 : logs.back().seq;
    for (int i = 0; i < 3; ++i) {
        receive("webrtc_offer", {{"offer", json::object{{"sdp", "CANARY"}}}});
        receive("brand_new", {{"x", "CANARY"}});
        receive("");
        receive("iot_action", {{"device_identifiers", json::array{"printer"}}});
    }
    for (int i = 0; i < 500; ++i) receive("flood " + std::to_string(i));
    EXPECT_THAT(replies, IsEmpty());
    const auto lines = core::recent_logs(before);
    std::size_t ignored = 0;
    for (const auto& record : lines) {
        EXPECT_THAT(record.text(), Not(HasSubstr("CANARY")));
        if (record.event == "message.ignored" || record.event == "message.no_webrtc") ++ignored;
    }
    EXPECT_LE(ignored, 64u);
    const auto count = [&](const std::string& event, const std::string& type) {
        return std::count_if(lines.begin(), lines.end(), [&](const auto& record) {
            return record.event == event && record.text().find(type) != std::string::npos;
        });
    };
    EXPECT_EQ(count("message.no_webrtc", ""), 1);
    EXPECT_EQ(count("message.ignored", "brand_new"), 1);
}

TEST_F(APairedBox, survives_payloads_of_any_kind) {
    const std::vector<json::value> k_odd{nullptr, true, 17, 1.5, "text", json::array{1, 2}};
    for (const char* type : {"server_clear", "server_update", "restart_odoo", "remote_debug",
                             "test_connection", "reset_password", "bundle_changed", "other"})
        for (const auto& payload : k_odd) messages->handle({1, type, payload, false});
    receive("restart_odoo", {{"session_id", json::array{1}}});
    EXPECT_EQ(replies.back().at("session_id"), "0");
    receive("restart_odoo", {{"session_id", std::string(1000, 'x')}});
    EXPECT_EQ(replies.back().at("session_id"), "0");
    EXPECT_TRUE(account->current().paired());
}

TEST_F(APairedBox, answers_a_browser_by_http_and_not_by_the_server) {
    auto reply = ask("");
    EXPECT_EQ(text(reply, "status"), "success") << "an empty action is a test of the protocol";
    EXPECT_EQ(text(reply, "session_id"), "session-1");
    EXPECT_EQ(text(reply, "owner"), "session-1");
    EXPECT_EQ(text(reply, "iot_box_identifier"), k_box);
    EXPECT_EQ(text(reply, "device_identifier"), k_box);
    EXPECT_GT(reply.at("time").to_number<double>(), 1.7e9);
    EXPECT_EQ(text(ask("restart_odoo"), "status"), "success");
    reply = ask("fly \"<away>");
    EXPECT_EQ(text(reply, "status"), "error");
    EXPECT_THAT(text(reply, "message"), HasSubstr("does not know the action"));
    EXPECT_THAT(replies, IsEmpty());
    clock.advance(2s);
    EXPECT_EQ(restarts, 1);
}

TEST_F(APairedBox, tells_nobody_after_its_end) {
    bool told = false;
    messages->ask("test_protocol", {}, "s", [&](json::object) { told = true; });
    messages->ask("test_connection", {}, "s", [&](json::object) { told = true; });
    messages->handle(
        {1, "restart_odoo", json::object{{"iot_identifiers", json::array{k_box}}}, false});
    messages.reset();
    measurements[0]("fast", "fast");
    clock.advance(1h);
    EXPECT_FALSE(told);
    EXPECT_EQ(restarts, 0);
}

}  // namespace
}  // namespace backplane::sync::test
