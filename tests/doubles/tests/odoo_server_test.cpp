// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the double answers over HTTP, and how it fails when it is told to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <boost/json/parse.hpp>

#include "doubles/odoo_server.hpp"
#include "doubles/tests/raw_client.hpp"

namespace backplane::tests {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class TheDouble : public testing::Test {
protected:
    std::optional<RawAnswer> rpc(const std::string& path, const std::string& params,
                                 const std::string& headers = {}) {
        return RawClient(server.port()).ask_rpc(path, params, headers);
    }
    json::object result_of(const std::string& path, const std::string& params) {
        const auto answer = rpc(path, params);
        if (!answer || answer->status != 200) return {{"status", answer ? answer->status : -1}};
        return json::parse(answer->body).as_object();
    }

    OdooServer server;
};

// ---- faults -------------------------------------------------------------------------------------

TEST_F(TheDouble, refuses_until_it_is_healed) {
    server.fault(Fault::refuse());
    EXPECT_THROW(RawClient{server.port()}, std::runtime_error);
    server.heal();
    EXPECT_EQ(rpc("/iot/box/send_websocket", "{}").value().status, 200);
}

TEST_F(TheDouble, resets_before_it_has_processed_anything) {
    server.fault("/iot/box/send_websocket", Fault::reset());
    RawClient client(server.port());
    EXPECT_EQ(client.ask_rpc("/iot/box/send_websocket", "{}"), std::nullopt);
    EXPECT_TRUE(client.was_reset());
    EXPECT_EQ(server.reply_count(), 0u);
    EXPECT_EQ(rpc("/iot/setup", "{}").value().status, 200) << "the other routes work";
}

TEST_F(TheDouble, loses_an_answer_behind_what_it_has_processed) {
    server.fault("/iot/box/send_websocket", Fault::lost_answer());
    RawClient client(server.port());
    EXPECT_EQ(client.ask_rpc("/iot/box/send_websocket", R"({"n": 7})"), std::nullopt);
    EXPECT_TRUE(client.was_reset());
    ASSERT_THAT(server.replies(), SizeIs(1));
    EXPECT_EQ(server.replies()[0].at("n").as_int64(), 7);
}

TEST_F(TheDouble, gives_half_answers_wrong_json_and_the_pages_of_proxies) {
    server.fault("/iot/setup", Fault::half());
    RawClient client(server.port());
    client.send(
        "POST /iot/setup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 44\r\n\r\n{\"params\":{\"iot_box\":{\"identifier\":\"box1\"}}}");
    const std::string half = client.receive();
    EXPECT_THAT(half, HasSubstr("200 OK"));
    EXPECT_THAT(half.substr(half.find("\r\n\r\n")), Not(HasSubstr("}")));

    server.fault("/iot/setup", Fault::wrong_json());
    boost::system::error_code error;
    json::parse(rpc("/iot/setup", "{}").value().body, error);
    EXPECT_TRUE(error);

    for (const int status : {404, 500, 502, 503}) {
        server.fault("/iot/setup", Fault::page(status));
        const auto page = rpc("/iot/setup", "{}").value();
        EXPECT_EQ(page.status, status);
        EXPECT_THAT(page.body, HasSubstr("<title>"));
    }
}

TEST_F(TheDouble, answers_later_when_it_is_slow) {
    server.fault(Fault::slow(200ms));
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(rpc("/iot/box/send_websocket", "{}").value().status, 200);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 200ms);
}

TEST_F(TheDouble, has_the_wrong_time) {
    const auto year_of_date = [&] {
        const auto head = RawClient(server.port()).ask("GET", "/websocket/health").value().head;
        const auto at = head.find("date: ");
        return std::stoi(head.substr(at + 18, 4));
    };
    const int now = year_of_date();
    server.clock_offset(-std::chrono::hours(24 * 3653));
    EXPECT_EQ(year_of_date(), now - 10);
}

TEST(AnEncryptedDouble, shows_another_certificate_to_the_next_connection) {
    const auto subject = [](std::uint16_t port) {
        std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  &SSL_CTX_free);
        std::unique_ptr<BIO, decltype(&BIO_free_all)> connection(BIO_new_ssl_connect(context.get()),
                                                                 &BIO_free_all);
        BIO_set_conn_hostname(connection.get(), ("127.0.0.1:" + std::to_string(port)).c_str());
        EXPECT_EQ(BIO_do_connect(connection.get()), 1);
        SSL* tls = nullptr;
        BIO_get_ssl(connection.get(), &tls);
        std::unique_ptr<X509, FreeX509> shown(SSL_get1_peer_certificate(tls));
        std::array<char, 100> text{};
        X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, text.data(),
                                  static_cast<int>(text.size()));
        return std::string(text.data());
    };
    CertificateWish one, other;
    one.names = {"one.example.com"};
    other.names = {"other.example.com"};
    const Certificate first = self_signed(one);
    OdooServer server(first);
    EXPECT_EQ(subject(server.port()), "one.example.com");
    server.use_certificate(self_signed(other));
    EXPECT_EQ(subject(server.port()), "other.example.com");
}

TEST_F(TheDouble, lets_nobody_else_have_its_port_while_it_is_stopped) {
    const auto port = server.port();
    server.stop();
    OdooServerOptions same;
    same.port = port;
    EXPECT_THROW(OdooServer{same}, std::runtime_error);
    server.start();
    EXPECT_THROW(OdooServer{same}, std::runtime_error);
}

// ---- several databases --------------------------------------------------------------------------

TEST(ADoubleWithTwoDatabases, wants_to_know_which) {
    OdooServerOptions options;
    options.database.databases = {"shop", "test"};
    OdooServer server(options);
    EXPECT_THAT(server.connection_token(), HasSubstr("&db_name=shop"));
    const auto status = [&](const std::string& headers) {
        return RawClient(server.port())
            .ask_rpc("/iot/setup", R"({"iot_box": {"identifier": "box1"}})", headers)
            .value()
            .status;
    };
    EXPECT_EQ(status(""), 404);
    EXPECT_EQ(status("X-Odoo-Database: nowhere\r\n"), 404);
    EXPECT_EQ(status("Cookie: session_id=made-up\r\n"), 404);
    EXPECT_EQ(status("X-Odoo-Database: shop\r\n"), 200);
    EXPECT_EQ(RawClient(server.port()).upgrade(k_upgrade_headers).value().status, 404);

    EXPECT_EQ(RawClient(server.port()).ask("GET", "/web/login?db=nowhere").value().status, 303);
    const auto login = RawClient(server.port()).ask("GET", "/web/login?db=test").value();
    EXPECT_EQ(login.status, 200);
    const auto at = login.head.find("session_id=");
    ASSERT_NE(at, std::string::npos);
    const std::string cookie = login.head.substr(at, login.head.find(';', at) - at);
    EXPECT_EQ(status("Cookie: " + cookie + "\r\n"), 200);
    EXPECT_EQ(RawClient(server.port())
                  .upgrade(k_upgrade_headers + ("Cookie: a=b; " + cookie + "\r\n"))
                  .value()
                  .status,
              101);
    server.expire_sessions();
    EXPECT_EQ(status("Cookie: " + cookie + "\r\n"), 404);
}

// ---- polling ------------------------------------------------------------------------------------

TEST_F(TheDouble, is_polled_only_by_who_has_begun_to_and_has_kept_the_cookie) {
    const std::string path = "/websocket/peek_notifications";
    const std::string params =
        R"({"channels": [")" + server.channel_of("box1") + R"("], "last": 0, "is_first_poll": )";
    EXPECT_THAT(rpc(path, params + "false}").value().body, HasSubstr("Session Expired"));
    const auto id = server.notify("a");
    const auto first = rpc(path, params + "true}").value();
    const json::value list = json::parse(first.body).at("result").at("notifications");
    ASSERT_EQ(list.as_array().size(), 1u);
    EXPECT_EQ(list.at(0).at("id").as_int64(), id);
    const auto at = first.head.find("session_id=");
    ASSERT_NE(at, std::string::npos);
    const std::string cookie =
        "Cookie: " + first.head.substr(at, first.head.find(';', at) - at) + "\r\n";
    EXPECT_THAT(rpc(path, params + "false}", cookie).value().body, HasSubstr("notifications"));
}

// ---- what the box sends -------------------------------------------------------------------------

TEST_F(TheDouble, reads_the_logs_of_boxes_also_in_chunks) {
    const std::string body =
        "identifier box1<log/>\n20,first\nof two lines<log/>\n40,worse, much worse<log/>\n";
    std::string chunks;
    for (std::size_t i = 0; i < body.size(); i += 10) {
        const std::string part = body.substr(i, 10);
        chunks += (part.size() == 10 ? "a" : std::to_string(part.size())) + "\r\n" + part + "\r\n";
    }
    RawClient client(server.port());
    client.send("POST /iot/log HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
                "0\r\n\r\n");
    EXPECT_EQ(client.answer().value().status, 200);
    ASSERT_THAT(server.logs(), SizeIs(2));
    EXPECT_EQ(server.logs()[0].identifier, "box1");
    EXPECT_EQ(server.logs()[0].level, 20);
    EXPECT_EQ(server.logs()[0].line, "first\nof two lines");
    EXPECT_TRUE(server.logs()[0].chunked);
    EXPECT_EQ(server.logs()[1].line, "worse, much worse");
}

TEST_F(TheDouble, keeps_registrations_replies_layouts_and_the_state_of_certificates) {
    result_of("/iot/setup", R"({"iot_box": {"identifier": "box1"}, "devices": {"a": {}}})");
    result_of("/iot/box/send_websocket", R"({"iot_box_identifier": "box1", "n": 1})");
    result_of("/iot/box/send_websocket", R"({"iot_box_identifier": "box1", "n": 2})");
    result_of("/iot/box/update_certificate_status",
              R"({"identifier": "box1", "ssl_certificate_end_date": "2030-01-01 00:00:00"})");
    RawClient(server.port())
        .ask("POST", "/iot/keyboard_layouts", "Content-Type: application/x-www-form-urlencoded\r\n",
             "available_layouts=%5B%7B%22layout%22%3A+%22be%22%7D%5D");
    EXPECT_THAT(server.boxes(), ElementsAre("box1"));
    const auto registration = server.wait_for_registration(
        [](const json::object& one) { return one.at("devices").as_object().contains("a"); });
    ASSERT_TRUE(registration);
    const auto reply =
        server.wait_for_reply([](const json::object& one) { return one.at("n").as_int64() == 2; });
    EXPECT_TRUE(reply);
    EXPECT_EQ(server.wait_for_reply([](const json::object&) { return false; }, 10ms), std::nullopt);
    EXPECT_THAT(server.certificate_statuses(), SizeIs(1));
    ASSERT_THAT(server.keyboard_layouts(), SizeIs(1));
    EXPECT_EQ(server.keyboard_layouts()[0].at(0).at("layout").as_string(), "be");
}

TEST_F(TheDouble, tells_its_version_and_the_address_of_a_display) {
    EXPECT_EQ(
        result_of("/web/webclient/version_info", "{}").at("result").at("server_serie").as_string(),
        "19.0");
    server.display_answer("https://shop.example.com/screen");
    EXPECT_EQ(RawClient(server.port()).ask("GET", "/iot/box/box1/display_url").value().body,
              "https://shop.example.com/screen");
}

TEST_F(TheDouble, refuses_what_a_json_route_refuses) {
    RawClient client(server.port());
    EXPECT_EQ(client.ask("POST", "/iot/setup", "Content-Type: text/plain\r\n", "{}")->status, 415);
    EXPECT_EQ(client.ask("POST", "/iot/setup", "Content-Type: application/json\r\n", "{")->status,
              400);
    EXPECT_EQ(client.ask("GET", "/iot/setup")->status, 405);
    EXPECT_TRUE(result_of("/iot/setup", "{}").contains("error")) << "no box is named";
    EXPECT_THAT(server.boxes(), IsEmpty());
}

// ---- pairing and certificates -------------------------------------------------------------------

TEST_F(TheDouble, pairs_a_box_whose_code_was_entered) {
    const std::string path = "/odoo-enterprise/iot/connect-box";
    const auto given =
        result_of(path, R"({"pairing_code": false, "pairing_uuid": false, "serial_number": "s"})");
    const std::string code(given.at("result").at("pairing_code").as_string());
    const std::string uuid(given.at("result").at("pairing_uuid").as_string());
    EXPECT_THAT(server.pairing().codes(), ElementsAre(code));
    const std::string params =
        R"({"pairing_code": ")" + code + R"(", "pairing_uuid": ")" + uuid + R"("})";
    EXPECT_FALSE(result_of(path, params).at("result").as_object().contains("token"));
    EXPECT_FALSE(server.pairing().enter_code("WRONG"));
    EXPECT_TRUE(server.pairing().enter_code(code));
    const auto paired = result_of(path, params).at("result").as_object();
    EXPECT_EQ(paired.at("url").as_string(), server.url());
    EXPECT_EQ(paired.at("token").as_string(), server.settings().token);
    EXPECT_EQ(result_of(path, params).at("result"), paired) << "an answer may get lost";
}

TEST_F(TheDouble, lets_codes_expire) {
    const std::string path = "/odoo-enterprise/iot/connect-box";
    const auto given = result_of(path, R"({"pairing_code": false, "pairing_uuid": false})");
    const std::string code(given.at("result").at("pairing_code").as_string());
    server.pairing().expire();
    EXPECT_FALSE(server.pairing().enter_code(code));
    const auto expired = result_of(
        path, R"({"pairing_code": ")" + code + R"(", "pairing_uuid": ")" +
                  std::string(given.at("result").at("pairing_uuid").as_string()) + R"("})");
    EXPECT_EQ(expired.at("error").as_string(), "expired");
    const auto next = result_of(path, R"({"pairing_code": false, "pairing_uuid": false})");
    EXPECT_NE(next.at("result").at("pairing_code").as_string(), code);
}

TEST_F(TheDouble, gives_certificates_whose_key_fits_and_which_its_authority_has_signed) {
    const std::string path = "/odoo-enterprise/iot/x509";
    const auto result =
        result_of(path, R"({"db_uuid": "u", "enterprise_code": "M1"})").at("result").as_object();
    EXPECT_EQ(result.at("subject_cn").as_string(), "*.abc.odoo-iot.com");
    const auto read = [](std::string_view pem, auto reader) {
        std::unique_ptr<BIO, decltype(&BIO_free)> memory(
            BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
        return reader(memory.get(), nullptr, nullptr, nullptr);
    };
    const std::unique_ptr<X509, FreeX509> leaf(
        read(result.at("x509_pem").as_string(), &PEM_read_bio_X509));
    const std::unique_ptr<EVP_PKEY, FreeKey> key(
        read(result.at("private_key_pem").as_string(), &PEM_read_bio_PrivateKey));
    const std::unique_ptr<X509, FreeX509> authority(
        read(server.certificates().authority(), &PEM_read_bio_X509));
    ASSERT_TRUE(leaf && key && authority);
    EXPECT_EQ(X509_check_private_key(leaf.get(), key.get()), 1);
    EXPECT_EQ(X509_verify(leaf.get(), X509_get0_pubkey(authority.get())), 1);

    EXPECT_TRUE(result_of(path, R"({"db_uuid": "", "enterprise_code": ""})")
                    .at("result")
                    .as_object()
                    .contains("error"));
    server.certificates().fail("no subscription", CertificateService::Where::answer);
    EXPECT_EQ(
        result_of(path, R"({"db_uuid": "u", "enterprise_code": "M1"})").at("error").as_string(),
        "no subscription");
}

}  // namespace
}  // namespace backplane::tests
