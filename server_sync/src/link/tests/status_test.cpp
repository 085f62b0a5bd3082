// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <regex>

#include "link/status_json.hpp"

namespace backplane::sync {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr double k_now = 1763793000;

LinkSnapshot paired() {
    LinkSnapshot now;
    now.pairing.state = "paired";
    now.server = {"https://shop.example.com", "state", "shop"};
    now.registration.state = "registered";
    now.registration.channel = "iot-channel-7f3c";
    now.bus.state = "connected";
    now.bus.since = k_now - 3600;
    now.uplink.state = "idle";
    now.certificate.source = "odoo";
    now.certificate.subject = "*.abc.odoo-iot.com";
    now.certificate.names = {"*.abc.odoo-iot.com"};
    now.certificate.not_after = "2026-01-31 12:00:00";
    now.certificate.not_after_time = k_now + 6'000'000;
    now.certificate.days_left = 69;
    return now;
}

TEST(TheStatusOfTheLink, has_every_member_that_is_promised) {
    LinkSnapshot now = paired();
    now.uplink.dropped = {{"weight", 17}};
    now.confirmations = {{"00c0ffee00c0ffee", "remote_debug", "Odoo wants to help.", 1, 901}};
    EXPECT_EQ(
        status_of(now),
        json::parse(
            R"({"pairing":{"state":"paired","code":"","reason":"","since":0E0,"code_until":0E0,"last_error":""},
"server":{"url":"https://shop.example.com","source":"state","database":"shop"},
"registration":{"state":"registered","reason":"","failures":0,"registered_at":0E0},
"bus":{"state":"connected","reason":"","since":1763789400.0,"connections":0,"notifications":0,"odd":0,"next_try_ms":0},
"uplink":{"state":"idle","reason":"","waiting":0,"waiting_bytes":0,"sent":0,"refused":0,"dropped_durable":0,"dropped":{"weight":17}},
"actions":{"waiting":0,"running":0,"accepted":0,"finished":0,"duplicates":0,"repeated":0,"unsure":0,"refused":0},
"certificate":{"source":"odoo","subject":"*.abc.odoo-iot.com","names":["*.abc.odoo-iot.com"],"not_after":"2026-01-31 12:00:00",
"days_left":69,"expires_soon":false,"code":"","text":"","checked":0E0},
"logs":{"on":true,"sent":0,"dropped":0,"reason":""},
"confirmations":[{"id":"00c0ffee00c0ffee","kind":"remote_debug","text":"Odoo wants to help.","asked":1E0,"until":901E0}]})"));
}

TEST(TheStatusOfTheLink, shows_a_code_only_while_it_can_be_typed) {
    LinkSnapshot now;
    now.pairing.state = "expired";
    now.pairing.code = "A1B2";
    now.pairing.code_until = k_now;
    EXPECT_EQ(status_of(now).at("pairing").at("code"), "");
    EXPECT_EQ(status_of(now).at("pairing").at("code_until"), 0.0);
    now.pairing.state = "code";
    EXPECT_EQ(status_of(now).at("pairing").at("code"), "A1B2");
}

TEST(TheStatusOfTheLink, keeps_the_channel_of_the_bus_to_itself) {
    EXPECT_THAT(json::serialize(status_of(paired())), Not(HasSubstr("iot-channel")));
    EXPECT_THAT(metrics_of(paired(), k_now), Not(HasSubstr("iot-channel")));
}

TEST(WhatAPersonWouldNotice, is_not_a_counter) {
    LinkSnapshot now = paired(), later = now;
    later.uplink.sent = 4711;
    later.uplink.state = "sending";
    later.uplink.waiting = 3;
    later.uplink.dropped["weight"] = 5;
    later.actions.accepted = 9;
    later.bus.notifications = 9;
    later.logs.sent = 9;
    EXPECT_EQ(notable_status_of(status_of(now)), notable_status_of(status_of(later)));
    later.bus.state = "waiting";
    EXPECT_NE(notable_status_of(status_of(now)), notable_status_of(status_of(later)));
}

TEST(TheProblemsOfTheLink, are_none_while_all_is_well_or_nobody_has_paired_the_box) {
    EXPECT_THAT(problems_of(paired(), k_now), IsEmpty());
    LinkSnapshot alone;
    alone.pairing.state = "no_service";
    alone.bus.state = "off";
    alone.certificate.code = "ERR_IOT_HTTPS_CHECK_NO_SERVER";
    EXPECT_THAT(problems_of(alone, k_now), IsEmpty());
}

TEST(TheProblemsOfTheLink, say_since_when_the_server_is_away_and_why) {
    LinkSnapshot now = paired();
    now.bus.state = "waiting";
    now.bus.since = k_now - 59;
    now.bus.reason = "shop.example.com refuses connections on port 443";
    EXPECT_THAT(problems_of(now, k_now), IsEmpty()) << "a server that restarts is soon back";
    now.bus.since = k_now - 3600;
    EXPECT_THAT(problems_of(now, k_now),
                ElementsAre("the Odoo server https://shop.example.com has been away since "
                            "2025-11-22 05:30 UTC: shop.example.com refuses connections on port "
                            "443."));
}

TEST(TheProblemsOfTheLink, say_that_the_list_of_devices_is_not_taken_while_the_bus_works) {
    LinkSnapshot now = paired();
    now.registration.state = "failing";
    now.registration.failures = 4;
    now.registration.reason = "it answers 404 to /iot/setup: is the IoT app installed?";
    EXPECT_THAT(problems_of(now, k_now),
                ElementsAre("the Odoo server https://shop.example.com does not take the list of "
                            "this box's devices: it answers 404 to /iot/setup: is the IoT app "
                            "installed?"));
    now.bus.state = "waiting";
    now.bus.since = k_now - 100;
    EXPECT_EQ(problems_of(now, k_now).size(), 1u) << "one cause, one sentence";
}

TEST(TheProblemsOfTheLink, warn_of_the_end_of_the_certificate) {
    LinkSnapshot now = paired();
    now.certificate.expires_soon = true;
    now.certificate.days_left = 1;
    EXPECT_THAT(problems_of(now, k_now),
                ElementsAre("the HTTPS certificate of this box (*.abc.odoo-iot.com) ends on "
                            "2026-01-31 12:00:00 UTC, in 1 day: a newer one could not be had."));
    now.certificate.days_left = -1;
    now.certificate.text = "The contract number is missing.";
    EXPECT_THAT(problems_of(now, k_now),
                ElementsAre("the HTTPS certificate of this box (*.abc.odoo-iot.com) ended on "
                            "2026-01-31 12:00:00 UTC, so browsers refuse it: The contract number "
                            "is missing."));
}

TEST(TheProblemsOfTheLink, tell_each_renewal_that_failed_but_not_what_was_never_wanted) {
    LinkSnapshot now = paired();
    for (const char* quiet :
         {"ERR_IOT_HTTPS_CHECK_NO_SERVER", "ERR_IOT_HTTPS_LOAD_NO_CREDENTIAL"}) {
        now.certificate.code = quiet;
        EXPECT_THAT(problems_of(now, k_now), IsEmpty()) << quiet;
    }
    now.certificate.code = "ERR_IOT_HTTPS_LOAD_REQUEST_NO_RESULT";
    now.certificate.text = "Odoo knows no subscription with this number";
    EXPECT_THAT(problems_of(now, k_now),
                ElementsAre("Odoo's HTTPS certificate for this box could not be renewed "
                            "(ERR_IOT_HTTPS_LOAD_REQUEST_NO_RESULT): Odoo knows no subscription "
                            "with this number."));
}

TEST(TheProblemsOfTheLink, name_what_waits_for_an_answer_what_was_lost_and_what_cannot_be_written) {
    LinkSnapshot now = paired();
    now.confirmations = {{"1", "server_update", "Move to https://other.example.com?", 1, 2}};
    now.store_problem = "/var/lib/backplane/odoo.db cannot be opened: the disk is full.";
    now.uplink.dropped_durable = 12;
    const auto problems = problems_of(now, k_now);
    ASSERT_EQ(problems.size(), 3u);
    EXPECT_EQ(problems[0],
              "a request of the server waits for your answer: Move to https://other.example.com?");
    EXPECT_EQ(problems[1], now.store_problem);
    EXPECT_THAT(problems[2], HasSubstr("12 results for the Odoo server were dropped"));
}

TEST(TheFiguresOfTheLink, are_families_with_a_type_and_a_help_each_and_counters_end_in_total) {
    LinkSnapshot now = paired();
    now.uplink.dropped = {{"we\"ird\\\nkind", 1}};
    const std::string text = metrics_of(now, k_now);
    EXPECT_THAT(text, HasSubstr("\nbackplane_odoo_bus_state{state=\"connected\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("\nbackplane_odoo_bus_state{state=\"waiting\"} 0\n"));
    EXPECT_THAT(
        text, HasSubstr("backplane_odoo_uplink_dropped_total{kind=\"we\\\"ird\\\\\\nkind\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("backplane_odoo_certificate_left_seconds 6000000.0"));
    EXPECT_THAT(text, Not(HasSubstr("# EOF")));
    std::istringstream lines(text);
    std::string line, family, type;
    std::smatch match;
    while (std::getline(lines, line)) {
        if (std::regex_match(line, match, std::regex(R"(# TYPE (\w+) (gauge|counter))"))) {
            family = match[1];
            type = match[2];
            ASSERT_TRUE(std::getline(lines, line));
            EXPECT_TRUE(line.starts_with("# HELP " + family + " ")) << line;
        } else {
            const std::string name = line.substr(0, line.find_first_of("{ "));
            EXPECT_EQ(name, type == "counter" ? family + "_total" : family) << line;
        }
    }
}

}  // namespace
}  // namespace backplane::sync
