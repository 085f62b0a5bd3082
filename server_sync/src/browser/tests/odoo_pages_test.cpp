// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/odoo_pages.hpp"

#include <boost/asio/io_context.hpp>

#include "browser/tests/fakes.hpp"
#include "link/tests/fake_link.hpp"

namespace backplane::sync::test {
namespace {

using core::HttpMethod;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

using Headers = std::vector<std::pair<std::string, std::string>>;

class ALinkedBox : public ABrowserBox {
protected:
    ALinkedBox() {
        link.now.pairing.state = "asking";
        begin(link.access());
    }
    void begin(LinkAccess access, core::LogLevels* levels = nullptr) {
        routes = std::make_unique<BrowserRoutes>(
            BrowserContext{devices, ring, clock.timers(), [this] { return box; },
                           [this] { ++restarts; }, &updates, std::move(access), levels,
                           [] {
                               return PluginNames{{"acme_scale"}, {"serial"}};
                           }});
        router = core::HttpRouter{};
        routes->install(router);
    }
    FakeExchangePtr ask(HttpMethod method, const std::string& path, const Headers& headers = {},
                        std::string body = {}) {
        auto out = request(method, path);
        for (const auto& [name, value] : headers) {
            if (name == "Host") out.headers.clear();
            out.headers.emplace_back(name, value);
        }
        out.body = std::move(body);
        return send(std::move(out));
    }
    FakeExchangePtr rpc_from(const std::string& origin, const std::string& path,
                             const json::object& params) {
        return ask(HttpMethod::post, path,
                   {{"Origin", origin}, {"Content-Type", "application/json"}},
                   json::serialize(json::object{{"params", params}, {"id", 7}}));
    }
    FakeExchangePtr connect_from(const std::string& origin,
                                 const std::string& token = "https://shop.example.com?token=t") {
        return rpc_from(origin, "/iot_drivers/connect_to_server", {{"token", token}});
    }
    static json::object body(const FakeExchangePtr& exchange) {
        return json::parse(exchange->response().body).as_object();
    }
    bool untouched() const {
        return link.asked.empty() && updates.asked.empty() && restarts == 0 && clock.running() == 0;
    }

    FakeLink link{ring, clock.timers()};
};

constexpr const char* k_browser = "Mozilla/5.0 (Windows NT 10.0) Chrome/142.0";
constexpr const char* k_own = "http://192.168.1.20:8069";
constexpr const char* k_get_forms[] = {"server_clear", "clear_credential", "restart_odoo_service",
                                       "load_iot_handlers"};
constexpr const char* k_posts[] = {"save_credential", "log_levels_update"};

// -- what a foreign origin must not do

struct Attack {
    const char* name;
    HttpMethod method;
    unsigned status;
    Headers headers;
};

const std::vector<Attack> k_attacks{
    {"an image over https",
     HttpMethod::get,
     403,
     {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Dest", "image"}, {"User-Agent", k_browser}}},
    {"an image over http",
     HttpMethod::get,
     403,
     {{"Referer", "http://evil.example.com/"}, {"User-Agent", k_browser}}},
    {"an image of a page without a referrer", HttpMethod::get, 403, {{"User-Agent", k_browser}}},
    {"fetch() without CORS",
     HttpMethod::get,
     403,
     {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "no-cors"}, {"User-Agent", k_browser}}},
    {"fetch() with CORS",
     HttpMethod::get,
     403,
     {{"Origin", "https://evil.example.com"}, {"User-Agent", k_browser}}},
    {"fetch() of a sandboxed frame",
     HttpMethod::get,
     403,
     {{"Origin", "null"}, {"User-Agent", k_browser}}},
    {"a link in a foreign page",
     HttpMethod::get,
     403,
     {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "navigate"}, {"User-Agent", k_browser}}},
    {"a typed address that leads here",
     HttpMethod::get,
     403,
     {{"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Mode", "navigate"}, {"User-Agent", k_browser}}},
    {"another server of this machine",
     HttpMethod::get,
     403,
     {{"Origin", "http://192.168.1.20:8080"}, {"User-Agent", k_browser}}},
    {"another machine of this network",
     HttpMethod::get,
     403,
     {{"Referer", "http://192.168.1.66/"}, {"User-Agent", k_browser}}},
    {"a name that was made to lead here",
     HttpMethod::get,
     421,
     {{"Host", "evil.example.com"},
      {"Origin", "http://evil.example.com"},
      {"Sec-Fetch-Site", "same-origin"},
      {"User-Agent", k_browser}}},
    {"the same by a program's words", HttpMethod::get, 421, {{"Host", "evil.example.com"}}},
    {"the head of it", HttpMethod::head, 405, {{"Origin", k_own}}},
    {"the head of it from elsewhere", HttpMethod::head, 405, {{"User-Agent", k_browser}}},
    {"a form",
     HttpMethod::post,
     405,
     {{"Origin", "https://evil.example.com"},
      {"Content-Type", "application/x-www-form-urlencoded"}}},
    {"an own form",
     HttpMethod::post,
     405,
     {{"Origin", k_own}, {"Content-Type", "application/x-www-form-urlencoded"}}},
    {"a put", HttpMethod::put, 405, {{"Origin", k_own}}},
    {"a preflight", HttpMethod::options, 204, {{"Origin", "https://evil.example.com"}}},
};

TEST_F(ALinkedBox, is_changed_by_no_get_form_of_a_foreign_page) {
    int combinations = 0;
    for (const char* name : k_get_forms)
        for (const auto& attack : k_attacks) {
            const auto answer =
                ask(attack.method, std::string("/iot_drivers/") + name, attack.headers);
            EXPECT_EQ(answer->response().status, attack.status) << name << ", " << attack.name;
            EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "")
                << name << ", " << attack.name;
            EXPECT_TRUE(untouched()) << name << ", " << attack.name;
            ++combinations;
        }
    EXPECT_GE(combinations, 60);
}

TEST_F(ALinkedBox, is_changed_by_no_post_of_a_foreign_page) {
    for (const char* name : k_posts) {
        const std::string path = std::string("/iot_drivers/") + name;
        const auto foreign = rpc_from("https://evil.example.com", path,
                                      {{"db_uuid", "u"},
                                       {"enterprise_code", "M"},
                                       {"name", "log-to-server"},
                                       {"value", false}});
        EXPECT_EQ(foreign->response().status, 403u) << name;
        EXPECT_EQ(foreign->header("Access-Control-Allow-Origin"), "") << name;
        const auto preflight =
            ask(HttpMethod::options, path, {{"Origin", "https://evil.example.com"}});
        EXPECT_EQ(preflight->response().status, 204u);
        EXPECT_EQ(preflight->header("Access-Control-Allow-Origin"), "") << name;
        const auto form =
            ask(HttpMethod::post, path, {{"Origin", k_own}, {"Content-Type", "text/plain"}},
                R"({"params":{}})");
        EXPECT_EQ(form->response().status, 415u) << name;
        for (const auto method : {HttpMethod::get, HttpMethod::head})
            EXPECT_EQ(ask(method, path)->response().status, 405u) << name;
    }
    EXPECT_TRUE(untouched());
}

TEST_F(ALinkedBox, keeps_its_reading_routes_open_to_every_page) {
    for (const char* name :
         {"data", "ping", "iot_logs", "version_info", "download_logs", "log_levels"}) {
        const auto answer =
            ask(HttpMethod::get, std::string("/iot_drivers/") + name,
                {{"Origin", "https://shop.example.com"}, {"User-Agent", k_browser}});
        EXPECT_EQ(answer->response().status, 200u) << name;
        EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "*") << name;
    }
}

// -- what own pages and programs may do

TEST_F(ALinkedBox, does_what_its_own_page_or_a_program_asks_by_get) {
    const std::vector<Headers> callers{
        {},
        {{"User-Agent", "curl/8.14.1"}},
        {{"Origin", k_own}, {"User-Agent", k_browser}},
        {{"Referer", std::string(k_own) + "/status/"}, {"User-Agent", k_browser}},
        {{"Sec-Fetch-Site", "same-origin"}, {"User-Agent", k_browser}},
        {{"Host", "iotbox.local"}, {"Referer", "http://iotbox.local/"}, {"User-Agent", k_browser}}};
    for (const Headers& caller : callers) {
        ask(HttpMethod::get, "/iot_drivers/server_clear", caller);
        ask(HttpMethod::get, "/iot_drivers/clear_credential", caller);
        ask(HttpMethod::get, "/iot_drivers/load_iot_handlers", caller);
        EXPECT_THAT(link.asked, ElementsAre("unpair", "credentials /"));
        EXPECT_EQ(updates.asked.size(), 1u);
        link.asked.clear();
        updates.asked.clear();
    }
}

TEST_F(ALinkedBox, says_how_a_get_form_ended) {
    const auto cleared = get("/iot_drivers/server_clear");
    EXPECT_FALSE(cleared->answered());
    link.end();
    EXPECT_EQ(body(cleared),
              (json::object{{"status", "success"},
                            {"message", "This box belongs to no database any more."}}));
    const auto failed = get("/iot_drivers/clear_credential");
    link.end(core::failure("store.full", "The disk is full."));
    EXPECT_EQ(body(failed), (json::object{{"status", "error"}, {"message", "The disk is full."}}));
}

TEST_F(ALinkedBox, restarts_once_two_seconds_after_the_answer) {
    EXPECT_EQ(body(get("/iot_drivers/restart_odoo_service")).at("status"), "success");
    EXPECT_EQ(body(get("/iot_drivers/restart_odoo_service")).at("status"), "success");
    advance(1999ms);
    EXPECT_EQ(restarts, 0);
    advance(1h);
    EXPECT_EQ(restarts, 1);
}

TEST_F(ALinkedBox, saves_credentials_from_its_own_page) {
    const auto answer = rpc_from(k_own, "/iot_drivers/save_credential",
                                 {{"db_uuid", "u-1"}, {"enterprise_code", "M123"}});
    EXPECT_THAT(link.asked, ElementsAre("credentials u-1/M123"));
    link.end();
    EXPECT_EQ(answer->result().at("status"), "success");
    EXPECT_EQ(answer->envelope().at("id"), 7);
    const auto missing = rpc_from(k_own, "/iot_drivers/save_credential", {{"db_uuid", "u-1"}});
    EXPECT_EQ(missing->result().at("status"), "failure");
    EXPECT_THAT(std::string(missing->result().at("message").as_string()),
                HasSubstr("enterprise_code"));
}

// -- connect_to_server, which Odoo's own page calls from its own origin

using Quirk18 = ALinkedBox;
TEST_F(Quirk18, any_database_may_connect_a_box_that_belongs_to_nobody) {
    const auto answer = connect_from("https://shop.example.com");
    EXPECT_THAT(link.asked, ElementsAre("pair https://shop.example.com?token=t"));
    link.end();
    EXPECT_EQ(answer->result().at("status"), "success");
    EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(ask(HttpMethod::options, "/iot_drivers/connect_to_server",
                  {{"Origin", "https://shop.example.com"}})
                  ->header("Access-Control-Allow-Origin"),
              "*");
}

TEST_F(Quirk18, only_its_own_database_and_its_own_pages_may_connect_a_box_that_is_paired) {
    link.pair_with("https://shop.example.com");
    const auto other = connect_from("https://evil.example.com");
    EXPECT_EQ(other->response().status, 403u);
    EXPECT_EQ(other->header("Access-Control-Allow-Origin"), "");
    EXPECT_EQ(connect_from("http://shop.example.com")->response().status, 403u);
    EXPECT_EQ(connect_from("https://shop.example.com:8443")->response().status, 403u);
    EXPECT_THAT(link.asked, IsEmpty());
    connect_from("https://shop.example.com");
    connect_from(k_own);
    rpc("/iot_drivers/connect_to_server", {{"token", "by a script"}});
    EXPECT_EQ(link.asked.size(), 3u);
}

TEST_F(Quirk18, nobody_without_a_name_and_no_name_of_somebody_else_connects_a_box) {
    EXPECT_EQ(connect_from("null")->response().status, 403u);
    EXPECT_EQ(ask(HttpMethod::post, "/iot_drivers/connect_to_server",
                  {{"Host", "evil.example.com"},
                   {"Origin", "http://evil.example.com"},
                   {"Content-Type", "application/json"}},
                  R"({"params":{"token":"t"}})")
                  ->response()
                  .status,
              421u);
    EXPECT_EQ(ask(HttpMethod::post, "/iot_drivers/connect_to_server",
                  {{"Origin", "https://evil.example.com"}, {"Content-Type", "text/plain"}},
                  R"({"params":{"token":"t"}})")
                  ->response()
                  .status,
              415u);
    EXPECT_EQ(ask(HttpMethod::get, "/iot_drivers/connect_to_server")->response().status, 405u);
    EXPECT_THAT(link.asked, IsEmpty());
}

using Defect38 = ALinkedBox;
TEST_F(Defect38, an_empty_token_is_an_error_that_says_so) {
    const auto answer = connect_from("https://shop.example.com", "");
    link.end(core::failure("token.empty", "The token is empty: copy it from Odoo."));
    EXPECT_EQ(answer->result(),
              (json::object{{"status", "failure"},
                            {"message", "The token is empty: copy it from Odoo."}}));
    EXPECT_EQ(restarts, 0);
    const auto none = rpc_from("https://shop.example.com", "/iot_drivers/connect_to_server", {});
    EXPECT_THAT(link.asked, ElementsAre("pair ", "pair "));
    link.end(core::failure("token.empty", "The token is empty: copy it from Odoo."));
    EXPECT_EQ(none->result().at("status"), "failure");
}

// -- what /data tells

TEST_F(ALinkedBox, tells_the_code_and_that_one_has_expired) {
    EXPECT_EQ(body(get("/iot_drivers/data")).at("pairing_code"), false);
    link.now.pairing.state = "code";
    link.now.pairing.code = "A1B2";
    EXPECT_EQ(body(get("/iot_drivers/data")).at("pairing_code"), "A1B2");
    EXPECT_EQ(body(get("/iot_drivers/data")).at("pairing_code_expired"), false);
    link.now.pairing.state = "expired";
    EXPECT_EQ(body(get("/iot_drivers/data")).at("pairing_code"), false);
    EXPECT_EQ(body(get("/iot_drivers/data")).at("pairing_code_expired"), true);
}

TEST_F(ALinkedBox, tells_of_a_new_database_for_five_minutes) {
    EXPECT_EQ(body(get("/iot_drivers/data")).at("new_database_url"), false);
    link.pair_with("https://shop.example.com");
    link.tell();
    EXPECT_EQ(body(get("/iot_drivers/data")).at("new_database_url"), "https://shop.example.com");
    link.tell();
    advance(5min - 1ms);
    EXPECT_EQ(body(get("/iot_drivers/data")).at("new_database_url"), "https://shop.example.com");
    advance(1ms);
    EXPECT_EQ(body(get("/iot_drivers/data")).at("new_database_url"), false);
}

TEST_F(ALinkedBox, takes_a_database_of_before_its_start_for_no_new_one) {
    link.pair_with("https://shop.example.com");
    begin(link.access());
    link.tell();
    EXPECT_EQ(body(get("/iot_drivers/data")).at("new_database_url"), false);
}

TEST_F(ALinkedBox, never_tells_the_credentials) {
    const auto data = body(get("/iot_drivers/data"));
    EXPECT_EQ(data.at("db_uuid"), nullptr);
    EXPECT_EQ(data.at("enterprise_code"), nullptr);
}

TEST_F(ALinkedBox, gives_the_log_in_one_text) {
    core::log_warning("test", "log.is_here", {{"number", "4711"}});
    const auto page = body(get("/iot_drivers/iot_logs"));
    EXPECT_EQ(page.at("status"), "success");
    EXPECT_THAT(std::string(page.at("logs").as_string()),
                HasSubstr("warning test: log.is_here number=4711\n"));
}

TEST_F(ALinkedBox, shows_and_changes_the_levels_of_its_log) {
    EXPECT_EQ(body(get("/iot_drivers/log_levels")).at("status"), "error");
    boost::asio::io_context loop;
    core::LogLevels::Setup setup{
        .loop = loop, .file = {}, .level = core::LogLevel::info, .components = {}};
    core::LogLevels levels{std::move(setup)};
    begin(link.access(), &levels);
    link.pair_with("https://shop.example.com");
    const auto update = [&](const char* name, json::value value) {
        return rpc_from(k_own, "/iot_drivers/log_levels_update",
                        {{"name", name}, {"value", std::move(value)}})
            ->result()
            .at("status");
    };
    const auto before = body(get("/iot_drivers/log_levels"));
    EXPECT_EQ(before.at("drivers_list"), (json::array{"acme_scale"}));
    EXPECT_EQ(before.at("server"), "https://shop.example.com");
    EXPECT_EQ(update("iot-logging-driver-acme_scale", "debug"), "success");
    EXPECT_EQ(levels.entry("acme_scale").level, core::LogLevel::debug);
    EXPECT_EQ(update("iot-logging-driver-acme_scale", "parent"), "success");
    EXPECT_EQ(levels.entry("acme_scale").level, core::LogLevel::info);
    EXPECT_EQ(update("log-to-server", false), "success");
    EXPECT_THAT(link.asked, ElementsAre("logs off"));
    EXPECT_EQ(update("something-else", "debug"), "error");
    EXPECT_EQ(rpc_from(k_own, "/iot_drivers/log_levels_update", {})->result().at("status"),
              "error");
    begin(link.access());
}

TEST_F(ALinkedBox, has_no_routes_for_what_it_has_not) {
    for (const char* name : {"wifi", "wifi_clear", "update_wifi", "enable_ngrok",
                             "is_ngrok_enabled", "six_payment_terminal_add",
                             "six_payment_terminal_clear", "generate_password", "update_git_tree"})
        EXPECT_EQ(get(std::string("/iot_drivers/") + name)->response().status, 404u) << name;
}

// -- actions addressed to the box itself

TEST_F(ALinkedBox, answers_a_test_of_the_connection_to_every_page) {
    auto ask_box =
        json_request("/iot_drivers/action",
                     json::serialize(json::object{{"params",
                                                   {{"session_id", "u1"},
                                                    {"device_identifier", box.identifier},
                                                    {"data", {{"action", "test_connection"}}}}}}));
    ask_box.headers.emplace_back("Origin", "https://shop.example.com");
    const auto answer = send(ask_box);
    EXPECT_THAT(link.asked, ElementsAre("ask test_connection for u1"));
    link.questions.at(0)({{"status", "success"}, {"result", {{"lan_quality", "fast"}}}});
    const auto result = answer->result();
    EXPECT_EQ(result.at("result").at("lan_quality"), "fast");
    EXPECT_EQ(result.at("session_id"), "u1");
    EXPECT_EQ(result.at("iot_box_identifier"), json::value(box.identifier));
    EXPECT_EQ(result.at("device_identifier"), json::value(box.identifier));
    EXPECT_EQ(answer->header("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(clock.running(), 0u);
}

TEST_F(ALinkedBox, does_no_more_than_that_for_pages_of_other_databases) {
    link.pair_with("https://shop.example.com");
    for (const char* type : {"server_clear", "server_update", "remote_debug", "reset_password",
                             "bundle_changed", "toggle_custom_handlers", "anything"}) {
        const json::object params{{"session_id", "u1"},
                                  {"device_identifier", box.identifier},
                                  {"data", json::object{{"action", type}}}};
        const auto foreign = rpc_from("https://evil.example.com", "/iot_drivers/action", params);
        EXPECT_EQ(foreign->response().status, 403u) << type;
        EXPECT_EQ(foreign->header("Access-Control-Allow-Origin"), "") << type;
        EXPECT_THAT(link.asked, IsEmpty()) << type;
        rpc_from("https://shop.example.com", "/iot_drivers/action", params);
        rpc_from(k_own, "/iot_drivers/action", params);
        EXPECT_EQ(link.asked.size(), 2u) << type;
        link.asked.clear();
    }
}

TEST_F(ALinkedBox, answers_within_five_seconds_also_what_takes_longer) {
    const auto answer = action("u1", box.identifier, json::object{{"action", "test_connection"}});
    advance(4999ms);
    EXPECT_FALSE(answer->answered());
    advance(1ms);
    EXPECT_EQ(answer->result().at("status"), "error");
    link.questions.at(0)({{"status", "success"}});
    EXPECT_EQ(answer->answers, 1);
}

TEST_F(ALinkedBox, still_answers_true_to_the_test_of_the_protocol) {
    EXPECT_EQ(action("u1", box.identifier, json::object{{"action", "test_protocol"}})->result(),
              json::value(true));
    EXPECT_EQ(action("u1", box.identifier, R"({"action":"server_clear"})")->result(),
              json::value(true));
    EXPECT_THAT(link.asked, IsEmpty());
}

// -- lifetime

TEST_F(ALinkedBox, says_so_when_the_link_has_gone) {
    link.controls.reset();
    EXPECT_EQ(body(get("/iot_drivers/server_clear")).at("status"), "error");
    EXPECT_EQ(connect_from(k_own)->result().at("status"), "failure");
    EXPECT_EQ(connect_from("https://shop.example.com")->result().at("status"), "failure");
    EXPECT_EQ(get("/iot_drivers/data")->response().status, 200u);
    EXPECT_EQ(action("u1", box.identifier, json::object{{"action", "test_connection"}})->result(),
              json::value(true));
}

TEST_F(ALinkedBox, is_not_listened_to_by_routes_that_have_gone) {
    EXPECT_EQ(link.heard_by(), 1u);
    const auto waiting = get("/iot_drivers/server_clear");
    routes.reset();
    EXPECT_EQ(link.heard_by(), 0u);
    link.end();
    EXPECT_TRUE(waiting->answered());
    EXPECT_EQ(get("/iot_drivers/server_clear")->response().status, 503u);
}

TEST_F(ALinkedBox, shares_with_the_link_who_caused_an_event) {
    devices.add("/dev/ttyUSB0", "scale", "serial");
    action("u7", "/dev/ttyUSB0", json::object{{"action", "read_once"}});
    const auto event = device_event("/dev/ttyUSB0", "scale", "weight", weight(1));
    const auto noting =
        ring.subscribe([&](const core::EventPtr& each) { link.owners.note(*each); });
    const auto published = ring.publish(event);
    EXPECT_EQ(link.owners.owner_of(*published), "u7");
}

}  // namespace
}  // namespace backplane::sync::test
