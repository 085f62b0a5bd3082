// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Pairing and unpairing of a whole box, from every side.
#include "odoo_fixture.hpp"

namespace backplane::tests {

using testing::HasSubstr;
using testing::Not;

using ABoxOfAShop = ABoxAndOdoo;

TEST_F(ABoxOfAShop, says_why_it_is_not_paired_when_nobody_gives_codes) {
    start_box();
    const json::object status = wait_for_status([](const json::object& all) {
        return text_at(all, {"pairing", "state"}) == "off";
    });
    EXPECT_THAT(std::string(text_at(status, {"pairing", "reason"})), HasSubstr("token"));
}

TEST_F(ABoxOfAShop, tells_what_is_wrong_with_a_token_and_stays_as_it_was) {
    start_box();
    for (const char* wrong :
         {"", "shop", "https://localhost?token=a", "ftp://shop.example.com?token=a",
          "https://shop.example.com?db_uuid=b", "a|b|c"}) {
        const HttpAnswer answer = post("/api/v1/odoo/pair", {{"token", wrong}});
        EXPECT_EQ(answer.status, 400) << wrong;
        EXPECT_THAT(answer.body, HasSubstr("\"code\":\"token.")) << wrong;
    }
    EXPECT_EQ(text_at(odoo_status(), {"server", "url"}), "");
}

TEST_F(ABoxOfAShop, is_paired_by_a_token_without_a_restart) {
    start_box();
    const pid_t before = box_->pid();
    pair();
    EXPECT_EQ(box_->pid(), before);
    EXPECT_EQ(text_at(odoo_status(), {"pairing", "state"}), "paired");
    EXPECT_EQ(text_at(box_->get("/iot_drivers/data").json().as_object(), {"server_status"}),
              odoo_.url());
}

TEST_F(ABoxOfAShop, is_paired_by_the_token_of_an_older_database_too) {
    start_box();
    ASSERT_EQ(post("/api/v1/odoo/pair", {{"token", odoo_.old_connection_token()}}).status, 200);
    EXPECT_TRUE(odoo_.wait_for_box_connected());
}

TEST_F(ABoxOfAShop, is_paired_by_the_route_that_odoos_page_calls) {
    start_box();
    const json::object answer =
        box_->rpc("/iot_drivers/connect_to_server", {{"token", odoo_.connection_token()}});
    EXPECT_EQ(text_at(answer, {"result", "status"}), "success") << json::serialize(answer);
    EXPECT_TRUE(odoo_.wait_for_box_connected());
}

TEST_F(ABoxOfAShop, is_paired_by_a_code_that_somebody_types_into_odoo) {
    start_box("pairing_proxy: \"" + odoo_.url() + "\"");
    const json::object status = wait_for_status([](const json::object& all) {
        return text_at(all, {"pairing", "state"}) == "code";
    });
    const std::string code(text_at(status, {"pairing", "code"}));
    EXPECT_EQ(text_at(box_->get("/iot_drivers/data").json().as_object(), {"pairing_code"}), code);
    ASSERT_TRUE(odoo_.pairing().enter_code(code));
    // The pauses between two questions begin with 15 s (protocol page, 3.1).
    EXPECT_TRUE(odoo_.wait_for_box_connected(40s * k_patience));
}

TEST_F(ABoxOfAShop, gets_a_new_code_when_the_old_one_has_expired) {
    start_box("pairing_proxy: \"" + odoo_.url() + "\"");
    const auto code = [](const json::object& all) {
        return std::string(text_at(all, {"pairing", "code"}));
    };
    const std::string first =
        code(wait_for_status([&](const json::object& all) { return !code(all).empty(); }));
    odoo_.pairing().expire();
    wait_for_status(
        [&](const json::object& all) { return !code(all).empty() && code(all) != first; }, 60s);
}

TEST_F(ABoxOfAShop, stays_paired_over_a_restart_and_keeps_its_secrets_to_itself) {
    start_box();
    pair();
    const std::size_t before = odoo_.subscriptions();
    restart();
    EXPECT_TRUE(odoo_.wait([&] { return odoo_.subscriptions() > before; }));

    const OdooSettings secrets;
    for (const char* path : {"/api/v1/odoo", "/api/v1/status", "/iot_drivers/data", "/metrics",
                             "/api/v1/logs", "/iot_drivers/iot_logs", "/iot_drivers/download_logs"})
        for (const std::string& secret : {secrets.token, secrets.enterprise_code})
            EXPECT_THAT(box_->get(path).body, Not(HasSubstr(secret))) << path;
    EXPECT_THAT(box_->log(), Not(HasSubstr(secrets.token)));
    const auto mode = std::filesystem::status(folder_ / "state/odoo.db").permissions();
    EXPECT_EQ(mode & std::filesystem::perms(0777), std::filesystem::perms(0600));
}

TEST_F(ABoxOfAShop, is_unpaired_by_its_owner_and_forgets_the_server) {
    start_box();
    pair();
    ASSERT_EQ(post("/api/v1/odoo/unpair", {}).status, 200);
    EXPECT_TRUE(odoo_.wait_for_box_disconnected());
    restart();
    EXPECT_EQ(text_at(odoo_status(), {"server", "url"}), "");
}

TEST_F(ABoxOfAShop, is_unpaired_by_the_database) {
    start_box();
    pair();
    odoo_.notify("server_clear");
    wait_for_status([](const json::object& all) { return text_at(all, {"server", "url"}) == ""; });
    EXPECT_TRUE(odoo_.wait_for_box_disconnected());
}

/// A database that is restored from a backup still has the message on its bus that the last box got.
TEST_F(ABoxOfAShop, is_not_unpaired_by_a_message_from_before_it_was_paired) {
    start_box();
    odoo_.notify_raw({{"type", "server_clear"}, {"payload", {{"iot_identifiers", {identifier()}}}}},
                     odoo_.channel_of(identifier()));
    pair();
    odoo_.notify_action("ledger_camera", "take_picture", {{"n", "1"}});
    ASSERT_TRUE(wait_for_ledger(1));
    EXPECT_EQ(text_at(odoo_status(), {"pairing", "state"}), "paired");
}

TEST_F(ABoxOfAShop, follows_its_database_to_another_address_of_the_same_owner) {
    start_box();
    pair();
    OdooServer moved;
    odoo_.notify("server_update", {{"server_url", moved.url()}});
    EXPECT_TRUE(moved.wait_for_box_connected());
    EXPECT_TRUE(odoo_.wait_for_box_disconnected());
    EXPECT_FALSE(moved.registrations().empty());
}

TEST_F(ABoxOfAShop, follows_it_to_a_stranger_only_when_somebody_at_the_box_agrees) {
    start_box();
    pair();
    const std::string stranger = odoo_.url("127.0.0.2");
    odoo_.notify("server_update", {{"server_url", stranger}});
    const json::object asked = wait_for_status(
        [](const json::object& all) { return !all.at("confirmations").as_array().empty(); });
    EXPECT_EQ(text_at(asked, {"server", "url"}), odoo_.url());
    const json::object request = asked.at("confirmations").as_array().front().as_object();
    EXPECT_THAT(std::string(text_at(request, {"text"})), HasSubstr("127.0.0.2"));

    const std::string path = "/api/v1/odoo/confirmations/" + std::string(text_at(request, {"id"}));
    ASSERT_EQ(post(path, {{"allow", true}}).status, 200);
    wait_for_status([&](const json::object& all) {
        return text_at(all, {"server", "url"}) == stranger;
    });
    EXPECT_EQ(post(path, {{"allow", true}}).status, 404) << "an answer counts once";
}

TEST_F(ABoxOfAShop, restarts_when_odoo_says_so_and_answers_first) {
    start_box();
    pair();
    const auto session = std::string("page-7");
    odoo_.notify("restart_odoo", {{"session_id", session}});
    const auto reply = odoo_.wait_for_reply(
        [&](const json::object& told) { return text_at(told, {"session_id"}) == session; });
    ASSERT_TRUE(reply);
    EXPECT_EQ(text_at(*reply, {"status"}), "success");
    EXPECT_EQ(text_at(*reply, {"device_identifier"}), text_at(*reply, {"iot_box_identifier"}));
    const std::size_t before = odoo_.subscriptions();
    EXPECT_TRUE(odoo_.wait([&] { return odoo_.subscriptions() > before; }));
}

TEST_F(ABoxOfAShop, measures_its_network_when_odoo_asks) {
    start_box();
    pair();
    odoo_.notify("test_connection", {{"session_id", "page-8"}});
    const auto reply = odoo_.wait_for_reply(
        [&](const json::object& told) { return text_at(told, {"session_id"}) == "page-8"; });
    ASSERT_TRUE(reply);
    // The server is on this machine.
    EXPECT_EQ(text_at(*reply, {"result", "wan_quality"}), "fast") << json::serialize(*reply);
}

TEST_F(ABoxOfAShop, asks_for_drivers_when_the_database_was_upgraded) {
    start_box();
    pair();
    // The pairing itself is a reason to ask, and that is over.
    ASSERT_TRUE(odoo_.wait_for_requests(1));
    ASSERT_TRUE(eventually([&] {
        return text_at(box_->get("/api/v1/update").json().as_object(), {"phase"}) == "idle";
    }));
    const std::size_t before = odoo_.requests().size();
    odoo_.broadcast("bundle_changed", json::object{{"server_version", "19.1"}});
    EXPECT_TRUE(odoo_.wait_for_requests(before + 1));
}

TEST_F(ABoxOfAShop, opens_no_tunnel_for_the_server_alone) {
    start_box();
    pair();
    odoo_.notify("remote_debug", {{"token", "tunnel-token-of-somebody"}});
    const auto reply =
        odoo_.wait_for_reply([&](const json::object& told) { return told.contains("result"); });
    ASSERT_TRUE(reply);
    EXPECT_THAT(json::serialize(*reply), HasSubstr("\"enabled\":false"));
    EXPECT_THAT(box_->log(), Not(HasSubstr("tunnel-token-of-somebody")));
}

TEST_F(ABoxOfAShop, sends_its_logs_to_the_database) {
    start_box();
    pair();
    EXPECT_TRUE(odoo_.wait([&] { return !odoo_.logs().empty(); }));
    EXPECT_EQ(odoo_.logs().front().identifier, identifier());
}

TEST_F(ABoxOfAShop, gets_a_certificate_and_shows_it_from_then_on) {
    odoo_.certificates().domain("abc.odoo-iot.com");
    start_box("certificate_service: \"" + odoo_.url() + "\"");
    EXPECT_EQ(text_at(odoo_status(), {"certificate", "code"}), "ERR_IOT_HTTPS_CHECK_NO_SERVER");
    pair();
    const json::object status = wait_for_status([](const json::object& all) {
        return text_at(all, {"certificate", "source"}) == "odoo";
    });
    EXPECT_EQ(text_at(status, {"certificate", "subject"}), "*.abc.odoo-iot.com");
    // The database learns the name by which browsers reach the box now.
    EXPECT_TRUE(odoo_.wait_for_registration([](const json::object& setup) {
        return text_at(setup, {"iot_box", "ip"}).ends_with(".abc.odoo-iot.com");
    }));
    EXPECT_TRUE(odoo_.wait([&] { return !odoo_.certificate_statuses().empty(); }));
}

/// DNS rebinding: a name of somebody else that leads here makes that page the same origin as the box.
TEST_F(ABoxOfAShop, is_not_changed_by_a_page_of_somebody_else) {
    start_box();
    const std::string wish = json::serialize(json::object{{"token", odoo_.connection_token()}});
    using Headers = std::map<std::string, std::string>;
    const HttpAnswer rebound = box_->post("/api/v1/odoo/pair", wish, "application/json",
                                          Headers{{"Host", "evil.example"}});
    EXPECT_EQ(rebound.status, 421) << rebound.body;
    for (const char* path : {"/api/v1/update", "/api/v1/actions", "/api/v1/logs/levels"}) {
        EXPECT_EQ(
            box_->post(path, "{}", "application/json", Headers{{"Host", "evil.example"}}).status,
            421)
            << path;
        const HttpAnswer foreign =
            box_->post(path, "{}", "application/json", Headers{{"Origin", "https://evil.example"}});
        EXPECT_EQ(foreign.status, 403) << path;
        EXPECT_FALSE(foreign.headers.contains("Access-Control-Allow-Origin")) << path;
    }
    for (const char* path : {"/iot_drivers/server_clear", "/iot_drivers/restart_odoo_service",
                             "/iot_drivers/clear_credential"})
        EXPECT_EQ(box_->get(path, Headers{{"Sec-Fetch-Site", "cross-site"}}).status, 403) << path;
    EXPECT_EQ(text_at(odoo_status(), {"server", "url"}), "");
}

TEST_F(ABoxOfAShop, shows_the_odoo_side_in_its_metrics) {
    start_box();
    pair();
    const std::string metrics = box_->get("/metrics").body;
    EXPECT_THAT(metrics, HasSubstr("backplane_odoo_"));
    EXPECT_TRUE(metrics.ends_with("# EOF\n"));
}

}  // namespace backplane::tests
