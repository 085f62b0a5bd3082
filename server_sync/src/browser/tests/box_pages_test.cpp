// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/box_pages.hpp"

#include "browser/tests/fakes.hpp"

namespace backplane::sync::test {
namespace {

using core::HttpMethod;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ThePlainRoutes : public ABrowserBox {
protected:
    json::object data() {
        return json::parse(get("/iot_drivers/data")->response().body).as_object();
    }
};

TEST_F(ThePlainRoutes, answer_options_with_204_and_the_private_network_permission_when_asked) {
    for (const auto* path : {"/hw_proxy/hello", "/iot_drivers/ping", "/iot_drivers/data",
                             "/iot_drivers/download_logs", "/hw_drivers/download_logs"}) {
        auto ask = request(HttpMethod::options, path);
        ask.headers.emplace_back("access-control-request-private-network", "true");
        const auto answer = send(ask);
        EXPECT_EQ(answer->response().status, 204u) << path;
        EXPECT_EQ(answer->header("Access-Control-Allow-Methods"), "GET, POST") << path;
        EXPECT_EQ(answer->header("Access-Control-Allow-Private-Network"), "true") << path;
    }
}

TEST_F(ThePlainRoutes, send_a_post_to_the_database_selector_as_a_box_without_a_database_does) {
    const auto answer = send(request(HttpMethod::post, "/iot_drivers/data"));
    EXPECT_EQ(answer->response().status, 303u);
    EXPECT_EQ(answer->header("Location"), "/web/database/selector");
    EXPECT_EQ(answer->response().body, "");
}

TEST_F(ThePlainRoutes, refuse_other_methods) {
    for (const auto method : {HttpMethod::put, HttpMethod::delete_, HttpMethod::other}) {
        const auto answer = send(request(method, "/iot_drivers/ping"));
        EXPECT_EQ(answer->response().status, 405u);
        EXPECT_EQ(answer->header("Allow"), "GET, HEAD, OPTIONS");
    }
}

TEST_F(ThePlainRoutes, answer_a_ping) {
    const auto answer = get("/iot_drivers/ping");
    EXPECT_EQ(json::parse(answer->response().body),
              (json::object{{"status", "success"}, {"message", "pong"}}));
    EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "*");
}

TEST_F(ThePlainRoutes, have_every_member_of_data_that_the_protocol_names) {
    const auto page = data();
    std::vector<std::string> names;
    for (const auto& member : page) names.emplace_back(member.key());
    EXPECT_THAT(
        names, ::testing::UnorderedElementsAre(
                   "db_uuid", "enterprise_code", "wifi_ssid", "ip", "identifier", "mac_address",
                   "devices", "server_status", "new_database_url", "pairing_code",
                   "pairing_code_expired", "six_terminal", "is_access_point_up",
                   "network_interfaces", "version", "system", "odoo_uptime_seconds",
                   "system_uptime_seconds", "certificate_end_date", "qr_code_wifi", "qr_code_url"));
    EXPECT_EQ(page.at("ip"), "192.168.1.20");
    EXPECT_EQ(page.at("server_status"), "");
    EXPECT_EQ(page.at("pairing_code"), false);
    EXPECT_EQ(page.at("new_database_url"), false);
    EXPECT_EQ(page.at("system"), "Linux");
    EXPECT_EQ(page.at("certificate_end_date"), nullptr);
    EXPECT_GT(page.at("system_uptime_seconds").as_double(), 0);
    EXPECT_GE(page.at("odoo_uptime_seconds").as_double(), 0);
}

TEST_F(ThePlainRoutes, say_null_for_what_the_box_does_not_know_of_itself) {
    box.ip.clear();
    box.mac.clear();
    EXPECT_EQ(data().at("ip"), nullptr);
    EXPECT_EQ(data().at("mac_address"), nullptr);
}

using Quirk12 = ThePlainRoutes;
TEST_F(Quirk12, the_version_is_a_letter_and_a_number_with_one_dot) {
    EXPECT_THAT(std::string(data().at("version").as_string()),
                ::testing::MatchesRegex("[LW][0-9]+\\.[0-9]+"));
}

TEST_F(ThePlainRoutes, group_the_devices_by_sorted_type_with_the_unsupported_apart) {
    devices.add("s2", "scale", "serial");
    devices.add("p", "printer", "network").name = "Kitchen";
    devices.add("s1", "scale", "serial");
    devices.add("usb_x", "unsupported").state = core::DeviceState::unsupported;
    devices.add("probing", "").state = core::DeviceState::probing;
    devices.add("pulled", "camera").state = core::DeviceState::gone;
    const auto by_type = data().at("devices").as_object();
    std::vector<std::string> types;
    for (const auto& entry : by_type) types.emplace_back(entry.key());
    EXPECT_THAT(types, ElementsAre("printer", "scale", "unsupported"));
    EXPECT_EQ(by_type.at("printer").at(0), (json::object{{"name", "Kitchen"},
                                                         {"type", "printer"},
                                                         {"identifier", "p"},
                                                         {"connection", "network"}}));
    EXPECT_EQ(by_type.at("scale").at(0).at("identifier"), "s2");
    EXPECT_EQ(by_type.at("scale").at(1).at("identifier"), "s1");
    EXPECT_EQ(by_type.at("unsupported").at(0).at("type"), "unsupported");
}

TEST_F(ThePlainRoutes, give_the_log_as_a_file) {
    core::log_warning("test", "log.is_here", {{"number", "4711"}});
    for (const auto* path : {"/iot_drivers/download_logs", "/hw_drivers/download_logs"}) {
        const auto answer = get(path);
        EXPECT_EQ(answer->response().status, 200u);
        EXPECT_THAT(answer->response().content_type, HasSubstr("text/plain"));
        EXPECT_THAT(answer->response().body, HasSubstr("warning test: log.is_here number=4711\n"));
        EXPECT_THAT(answer->header("Content-Disposition"),
                    ::testing::MatchesRegex(
                        "attachment; filename=\"iot-odoo-iotbox-[0-9]+-[0-9]+-[0-9]+_[0-9]+-[0-9]+-"
                        "[0-9]+.log\""));
        EXPECT_NE(answer->header("ETag"), "");
        EXPECT_THAT(answer->header("Last-Modified"), HasSubstr(" GMT"));
        EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "*");
    }
}

TEST(TheLogPage, writes_times_in_utc_with_milliseconds) {
    core::LogRecord record;
    record.seq = 12;
    record.time = std::chrono::system_clock::time_point{std::chrono::milliseconds{1763793000007}};
    record.component = "http";
    record.event = "request";
    const auto page = log_page("box", {record}, record.time);
    EXPECT_EQ(page.body, "2025-11-22 06:30:00,007 info http: request\n");
    EXPECT_EQ(page.headers.at(0).second,
              "attachment; filename=\"iot-odoo-box-2025-11-22_06-30-00.log\"");
    EXPECT_EQ(page.headers.at(2).second, "Sat, 22 Nov 2025 06:30:00 GMT");
}

TEST(TheLogPage, lets_no_host_name_break_the_header) {
    const auto page =
        log_page("a\r\nSet-Cookie: \"x\"/../b", {}, std::chrono::system_clock::time_point{});
    EXPECT_EQ(page.headers.at(0).second,
              "attachment; filename=\"iot-odoo-aSet-Cookiex..b-1970-01-01_00-00-00.log\"");
    EXPECT_EQ(log_page("", {}, {}).headers.at(0).second.find("iot-odoo-box-"), 22u);
}

}  // namespace
}  // namespace backplane::sync::test
