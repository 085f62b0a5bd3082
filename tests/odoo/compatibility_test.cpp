// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the page on compatibility promises of a whole box and no other test shows.
#include <httplib.h>

#include <fstream>
#include <set>

#include "odoo_fixture.hpp"

namespace backplane::tests {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

class ABoxInADatabase : public ABoxAndOdoo {
protected:
    json::object data() const { return box_->get("/iot_drivers/data").json().as_object(); }
};

TEST_F(ABoxInADatabase, tells_it_who_it_is_where_it_is_and_what_it_has) {
    start_box();
    pair();
    const auto setup = odoo_.wait_for_registration(
        [](const json::object& all) { return all.at("devices").as_object().size() >= 3; });
    ASSERT_TRUE(setup);
    const json::object box = setup->at("iot_box").as_object(), own = data();
    EXPECT_EQ(text_at(box, {"identifier"}), text_at(own, {"identifier"}));
    EXPECT_EQ(text_at(box, {"mac"}), text_at(own, {"mac_address"}));
    EXPECT_EQ(text_at(box, {"token"}), odoo_.settings().token);
    EXPECT_THAT(text_at(box, {"version"}), StartsWith(text_at(own, {"version"})));
    // A machine without any network is still reached from its own browser.
    const std::string address = text_at(own, {"ip"});
    EXPECT_EQ(text_at(box, {"ip"}), address.empty() ? "127.0.0.1" : address);
    const json::object devices = setup->at("devices").as_object();
    EXPECT_EQ(text_at(devices, {"ledger_printer", "type"}), "printer");
    EXPECT_NE(text_at(devices, {"ledger_printer", "name"}), "");
    EXPECT_NE(text_at(devices, {"ledger_printer", "connection"}), "");
}

TEST_F(ABoxInADatabase, tells_it_of_devices_that_come_and_go) {
    BoxProcess::Options options;
    options.demo = true;
    box_ = std::make_unique<BoxProcess>(std::move(options));
    box_->wait_for_state("scale", "ready");
    ASSERT_EQ(post("/api/v1/odoo/pair", {{"token", odoo_.connection_token()}}).status, 200);
    const auto has_a_scale = [this] {
        const auto all = odoo_.registrations();
        if (all.empty()) return false;
        for (const auto& device : all.back().at("devices").as_object())
            if (text_at(device.value().as_object(), {"type"}) == "scale") return true;
        return false;
    };
    ASSERT_TRUE(odoo_.wait(has_a_scale));
    box_->simulate("scale", {{"unplugged", true}});
    EXPECT_TRUE(odoo_.wait([&] { return !has_a_scale(); }));
    box_->simulate("scale", {{"unplugged", false}});
    EXPECT_TRUE(odoo_.wait(has_a_scale));
}

TEST_F(ABoxInADatabase, fetches_its_certificate_at_the_start_and_is_reached_by_name_and_without) {
    odoo_.certificates().domain("abc.odoo-iot.com");
    odoo_.fault("/odoo-enterprise/iot/x509", Fault::page(503));
    start_box("certificate_service: \"" + odoo_.url() + "\"");
    pair();
    wait_for_status([](const json::object& all) {
        return text_at(all, {"certificate", "code"}) == "ERR_IOT_HTTPS_LOAD_REQUEST_STATUS 503";
    });
    odoo_.heal();
    restart();
    wait_for_status([](const json::object& all) {
        return text_at(all, {"certificate", "source"}) == "odoo";
    });

    const auto setup = odoo_.wait_for_registration([](const json::object& all) {
        return text_at(all, {"iot_box", "ip"}).ends_with(".abc.odoo-iot.com");
    });
    ASSERT_TRUE(setup);
    // As a browser does that trusts whoever signs Odoo's certificates.
    const std::string name = text_at(*setup, {"iot_box", "ip"});
    std::ofstream{folder_ / "authority.pem"} << odoo_.certificates().authority();
    httplib::SSLClient browser{name, box_->https_port()};
    browser.set_hostname_addr_map({{name, "127.0.0.1"}});
    browser.set_ca_cert_path((folder_ / "authority.pem").string());
    browser.enable_server_certificate_verification(true);
    const auto answer = browser.Get("/hw_proxy/hello");
    ASSERT_TRUE(answer) << httplib::to_string(answer.error());
    EXPECT_EQ(answer->body, "ping");
    EXPECT_EQ(box_->get("/hw_proxy/hello").body, "ping") << "plain HTTP stays";

    ASSERT_TRUE(odoo_.wait([&] { return !odoo_.certificate_statuses().empty(); }));
    const json::object told = odoo_.certificate_statuses().back();
    EXPECT_EQ(text_at(told, {"identifier"}), identifier());
    EXPECT_THAT(text_at(told, {"ssl_certificate_end_date"}),
                AllOf(testing::Ne(""), StartsWith(text_at(data(), {"certificate_end_date"}))));
}

TEST_F(ABoxInADatabase, says_what_to_do_instead_where_it_does_not_do_what_is_asked) {
    start_box();
    pair();
    odoo_.notify("reset_password", {{"session_id", "page-1"}});
    odoo_.notify("toggle_custom_handlers",
                 {{"session_id", "page-2"}, {"use_custom_handlers", true}});
    const auto reply_to = [this](const char* session) {
        const auto reply = odoo_.wait_for_reply(
            [&](const json::object& told) { return text_at(told, {"session_id"}) == session; });
        return reply ? json::serialize(*reply) : std::string();
    };
    EXPECT_THAT(reply_to("page-1"), HasSubstr("no password of its own"));
    EXPECT_THAT(reply_to("page-2"), HasSubstr("signed plug-ins"));
}

class AServerWithSeveralDatabases : public ABoxInADatabase {
protected:
    static OdooServerOptions two() {
        OdooServerOptions options;
        options.database.databases = {"shop", "warehouse"};
        return options;
    }
    OdooServer several_{two()};
};

/// A server that holds several databases answers "not found" to whatever does not say which one is
/// meant.
TEST_F(AServerWithSeveralDatabases, is_told_which_one_in_every_request) {
    // The other double is a stranger here, who gives certificates.
    start_box("certificate_service: \"" + odoo_.url() + "\"");
    box_->wait_for_state("ledger_camera", "ready");
    ASSERT_EQ(post("/api/v1/odoo/pair", {{"token", several_.connection_token()}}).status, 200);
    ASSERT_TRUE(several_.wait_for_box_connected()) << json::serialize(odoo_status());
    several_.broadcast("simple_notification", json::object{});
    wait_for_status([](const json::object& all) {
        return number_in(all.at("bus").as_object(), "notifications").value_or(0) >= 1;
    });
    several_.notify_action("ledger_camera", "take_picture", {{"n", "1"}});
    ASSERT_TRUE(several_.wait_for_reply([](const json::object& told) {
        return is_reply_to(told, "ledger_camera", "success");
    })) << "the socket has found its database, too";
    several_.broadcast("bundle_changed", json::object{{"server_version", "19.1"}});
    EXPECT_TRUE(several_.wait_for_requests(1));
    EXPECT_TRUE(several_.wait(
        [&] { return !several_.logs().empty() && !several_.certificate_statuses().empty(); }));

    std::set<std::string> asked;
    for (const ReceivedRequest& request : several_.all_requests()) {
        asked.insert(request.path);
        if (request.path == "/web/login")
            EXPECT_EQ(request.field("db"), "shop");
        else if (request.path == "/websocket")
            EXPECT_TRUE(request.cookie("session_id")) << "of the login";
        else
            EXPECT_EQ(request.header("x-odoo-database"), "shop") << request.path;
    }
    for (const char* path :
         {"/iot/setup", "/iot/get_handlers", "/iot/log", "/iot/box/send_websocket",
          "/iot/box/update_certificate_status", "/web/login"})
        EXPECT_THAT(asked, Contains(path));
    for (const ReceivedRequest& request : odoo_.all_requests())
        EXPECT_FALSE(request.header("x-odoo-database")) << "is nobody else's business";
}

}  // namespace backplane::tests
