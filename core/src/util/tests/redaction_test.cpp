// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Two tables decide: what must never be readable, and what must stay so.
#include "util/redaction.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "backplane/core/log.hpp"
#include "util/log_book.hpp"

namespace backplane::core {
namespace {

using testing::HasSubstr;
using testing::Not;

/// What must not be seen, whatever stands around it. Nothing in here is a real secret.
struct Secret {
    const char* text;
    const char* canary;
};

std::string base64_of(std::size_t length) {
    constexpr std::string_view k_alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    std::uint32_t state = 12345;
    while (out.size() < length) {
        state = state * 1664525u + 1013904223u;
        out += k_alphabet[(state >> 16) % 64];
    }
    return out;
}

const std::vector<Secret>& secrets() {
    static const std::vector<Secret> all{
        {"pairing with token=canary1 now", "canary1"},
        {"https://shop.example.com?token=canary2&db_uuid=u", "canary2"},
        {"https://shop.example.com?db_uuid=u&token=canary2b&enterprise_code=x", "canary2b"},
        {"https://shop.example.com?token=t&enterprise_code=canary3", "canary3"},
        {"https://shop.example.com|canary4|uuid|code", "canary4"},
        {"http://shop.example.com:8069|tok|uuid|canary5", "canary5"},
        {R"({"token": "canary6", "a": 1})", "canary6"},
        {R"({"params":{"token":"ab\"canary7"}})", "canary7"},
        {R"(body "{\"token\": \"canary8\"}" was sent)", "canary8"},
        {R"({"password":"canary 9"})", "canary"},
        {"Authorization: Bearer canary10", "canary10"},
        {"authorization: Basic dXNlcjpjYW5hcnk=", "dXNlcjpjYW5hcnk"},
        {"sent Bearer canary11-abcdef to it", "canary11"},
        {"Cookie: session_id=canary12; other=canary12", "canary12"},
        {"set-cookie: a=canary13", "canary13"},
        {"session_id=canary14", "canary14"},
        {"rtsp://admin:canary15@192.168.1.5/stream", "canary15"},
        {"http://canary16@host/", "canary16"},
        {"password: canary17", "canary17"},
        {"the token: canary-of-letters-only", "letters"},
        {"the api key: canary18", "canary18"},
        {"accessToken=canary19", "canary19"},
        {"X-Api-Key: canary20", "canary20"},
        {"pin=4711", "4711"},
        {R"("pin": 4712)", "4712"},
        {"client_secret='canary 21'", "canary"},
        {"a=1&pwd=canary22&b=2", "canary22"},
        {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl", "eyJzdWIi"},
        {"x=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjYW5hcnkiOjF9.abc", "eyJjYW5hcnkiOjF9"},
        {"-----BEGIN RSA PRIVATE KEY-----\ncanary23\n-----END RSA PRIVATE KEY-----", "canary23"},
        {"-----BEGIN PRIVATE KEY-----\\ncanary24 with no end", "canary24"},
        {"-----BEGIN ENCRYPTED PRIVATE KEY-----canary25", "canary25"},
        {"card 4111111111111111 was read", "411111111111"},
        {"card 4111 1111 1111 1111 12/27", "4111 1111"},
        {"card 4111-1111-1111-1111", "4111-1111"},
        {"5500005555555559", "5500005555"},
        {"2221000000000009,", "2221000000"},
        {"378282246310005", "3782822463"},
        {"pan:6011111111111117;", "6011111111"},
        {"text=4012888888881881", "4012888888"},
        {"-4012888888881881", "4012888888"},
        {"2026 4012888888881881", "4012888888"},
        {"%B4111111111111111^CANARY/JANE^2712101?", "CANARY"},
        {";4111111111111111=27121010000012300000?", "2712101"},
        {R"({"receipt": "canary26 \"quoted\" canary26"})", "canary26"},
        {R"({"receipt":["canary27",{"a":"canary27"}],"b":1})", "canary27"},
        {"payload=canary28", "canary28"},
        {R"({"data":{"x":[1,{"y":"canary29"}]}} done)", "canary29"},
        {R"(said "{\"receipt\":\"canary30, with a comma\"}")", "canary30"},
        {"\x1b@canary31 on paper", "canary31"},
        {"sent ^XA^FDcanary32^FS^XZ", "canary32"},
        {"%PDF-1.4 canary33", "canary33"},
    };
    return all;
}

TEST(Redaction, hides_what_is_secret_by_its_name_or_its_looks) {
    for (const Secret& secret : secrets()) {
        ASSERT_THAT(std::string(secret.text), HasSubstr(secret.canary));
        EXPECT_THAT(redacted(std::string_view{secret.text}), Not(HasSubstr(secret.canary)))
            << secret.text;
    }
}

TEST(Redaction, hides_them_within_other_text_too) {
    for (const Secret& secret : secrets()) {
        for (const std::string around : {"\n", " ", "\"", "(", ","}) {
            const std::string text = "before" + around + secret.text;
            EXPECT_THAT(redacted(std::string_view{text}), Not(HasSubstr(secret.canary))) << text;
        }
    }
}

TEST(Redaction, hides_long_base64_wherever_it_stands) {
    for (const std::size_t length : {65u, 66u, 88u, 400u, 5000u}) {
        const std::string secret = base64_of(length);
        for (const std::string before : {"", "x=", "image ", "\"", "a/", "("})
            for (const std::string after : {"", "==", "\"", " end"})
                EXPECT_THAT(redacted(std::string_view{before + secret + after}),
                            Not(HasSubstr(secret.substr(2, 20))))
                    << before << length << after;
    }
}

TEST(Redaction, leaves_the_last_four_digits_of_a_card) {
    EXPECT_EQ(redacted(std::string_view{"card 4111 1111 1111 1111 read"}), "card ***1111 read");
}

TEST(Redaction, keeps_what_helps_and_tells_nothing) {
    for (const char* const text : {
             "/dev/ttyUSB0",
             "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0",
             "usb-Silicon_Labs_CP2102_USB_to_UART_Bridge_Controller_0001-if00-port0-and-more",
             "/var/lib/backplane/updates/blobs/"
             "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
             "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
             "dc:a6:32:00:00:01",
             "192.168.1.20:8069",
             "fe80::dea6:32ff:fe00:1%eth0",
             "10000000abcdef01",
             "550e8400-e29b-41d4-a716-446655440000",
             "https://shop.example.com/iot/setup",
             "http://localhost:8069/?debug=1",
             "EAN 9780201379624",
             "EAN 3017620422003",
             "EAN 4006381333931",
             "UPC 036000291452",
             "12.345678901234567",
             "1763793000123",
             "1763793000123456789",
             "tokens_left=3",
             "keyboard=de layout=us",
             "cannot read the key: no such file",
             "the pin: driver is not pinned",
             "Pair by token: In Odoo, open the IoT app",
             "ERR_NO_CREDENTIAL: give the number of the contract",
             "monkey=banana",
             "public_key=RWQf6LRCGA9i",
             "metadata=none",
             "code=action.timeout",
             "error code: driver.BUSY",
             "weight 1.234 kg, tare=0.000",
             "GET /iot_drivers/event 200 in 50 ms",
             "2026-11-22 19:31:46,123",
             "usb 046d:c077 \"Mouse, M105\"",
             "the receipt: printed",
             "data: 12 records",
             "libcups.so.2 => /usr/lib/x86_64-linux-gnu/libcups.so.2",
             "3/4 * 5 = 7, 100%",
             "\xE7\xA7\xA4 name=Waage \xE2\x82\xAC",
             "",
         })
        EXPECT_EQ(redacted(std::string_view{text}), text);
}

// One EAN-13 in ten that begins with 4, 5 or 6 cannot be told from a card of an old kind.
TEST(Redaction, takes_a_barcode_with_the_check_digit_of_a_card_for_one) {
    EXPECT_EQ(redacted(std::string_view{"EAN 4000417025005"}).substr(0, 4), "EAN ");
    int hidden = 0;
    for (int i = 0; i < 1000; ++i) {
        const std::string code = "40064" + std::to_string(10'000'000 + i * 7919);
        hidden += redacted(std::string_view{code}) != code;
    }
    EXPECT_GT(hidden, 50);
    EXPECT_LT(hidden, 150);
}

TEST(Redaction, reads_names_by_their_last_word) {
    for (const char* const name : {"token", "access_token", "Password", "client_secret", "api-key",
                                   "privateKey", "key", "Authorization", "enterprise_code", "pin",
                                   "cookie", "wifi_password", "db.passwd", "session_id"})
        EXPECT_EQ(meaning_of(name), NameMeans::secret) << name;
    for (const char* const name : {"receipt", "data", "payload", "event_data", "Document"})
        EXPECT_EQ(meaning_of(name), NameMeans::contents) << name;
    for (const char* const name :
         {"", "a", "tokens_left", "keyboard", "monkey", "public_key", "code", "device", "key_id",
          "metadata", "spin", "passed", "compass"})
        EXPECT_EQ(meaning_of(name), NameMeans::nothing) << name;
}

TEST(Redaction, hides_values_by_the_name_of_their_field) {
    EXPECT_EQ(redacted_value("token", "x"), "***");
    EXPECT_EQ(redacted_value("payload", "12345"), "(5 bytes left out)");
    EXPECT_EQ(redacted_value("payload", ""), "");
    EXPECT_EQ(redacted_value("reason", "token=x"), "token=***");
}

TEST(Redaction, goes_through_json_to_the_bottom) {
    const auto shown = boost::json::serialize(redacted(boost::json::parse(
        R"({"a":[{"token":"canary"},{"pin":1234},{"text":"password=canary"}],"receipt":{"x":"canary"},
            "card":4111111111111111,"key":null,"secret":true,"password":"","count":12})")));
    EXPECT_THAT(shown, Not(HasSubstr("canary")));
    EXPECT_THAT(shown, Not(HasSubstr("1234")));
    EXPECT_THAT(shown, Not(HasSubstr("41111111")));
    EXPECT_THAT(shown, HasSubstr(R"("key":null,"secret":true,"password":"","count":12)"));
    boost::json::value deep = "canary";
    for (int i = 0; i < 100; ++i) deep = boost::json::array{deep};
    EXPECT_THAT(boost::json::serialize(redacted(deep)), HasSubstr("(too deep)"));
}

TEST(Redaction, hides_keys_of_a_configuration_with_all_that_belongs_to_them) {
    const std::string shown = redacted_yaml(R"(# the old token was canary
http:
  port: 8069   # canary
odoo:
  token: canary
  password:
    canary
  server: https://shop.example.com
drivers:
  cam:
    url: rtsp://admin:canary@10.0.0.5/
    secret: |
      canary
      canary
    tokens: 3
    api_key:
    - canary
    - canary
    name: "Till #1"
    "pin" : canary
    other: {token: canary, key: canary, port: 1}
  - secret: canary
    fine: yes
? canary
: canary
key: "canary
 canary"
last: 1
)");
    EXPECT_THAT(shown, Not(HasSubstr("canary")));
    for (const char* const kept :
         {"  port: 8069\n", "server: https://shop.example.com\n", "tokens: 3\n", "port: 1}",
          "fine: yes\n", "last: 1\n", "  token: ***\n", "name: \"Till"})
        EXPECT_THAT(shown, HasSubstr(kept));
}

TEST(Redaction, survives_any_bytes) {
    std::uint32_t state = 1;
    constexpr std::string_view k_pieces = "token=\"\\':{}[],|@/%B^?-BEGIN eyJ.4111 \x1b\xff\n";
    for (int round = 0; round < 3000; ++round) {
        std::string text;
        for (int i = 0; i < 80; ++i) {
            state = state * 1664525u + 1013904223u;
            text += k_pieces[(state >> 16) % k_pieces.size()];
        }
        const std::string once = redacted(std::string_view{text});
        EXPECT_LE(once.size(), text.size() * 8 + 64);
        (void)redacted_yaml(text);
    }
}

/// Each of these makes a careless walk look at everything again for every byte.
TEST(Redaction, takes_time_in_proportion_to_the_length) {
    for (const char* const piece :
         {"a",      "a=",      "token=", "token:",      "key: ",   "\\",    "\"",    "token\"",
          "data={", "data=\"", "-----",  "-----BEGIN ", "://",     "://a|", "4111 ", "4111-",
          "eyJ",    "%B",      "{",      "payload=\\",  "Bearer ", "a b ",  " "}) {
        std::string text;
        while (text.size() < (512u << 10)) text += piece;
        const auto begin = std::chrono::steady_clock::now();
        (void)redacted(std::string_view{text});
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{5}) << piece;
    }
}

/// The whole way: whatever somebody logs, neither the ring nor stderr shows it.
TEST(TheLog, never_shows_a_canary) {
    log_to_stderr(false);
    const std::uint64_t before = last_log_seq();
    testing::internal::CaptureStderr();
    log_to_stderr(true);
    for (const Secret& secret : secrets())
        log_error("redaction-test", "said", {{"text", secret.text}});
    log_error("redaction-test", "named",
              {{"token", "canary"},
               {"pin", "canary"},
               {"Cookie", "canary"},
               {"receipt", "canary"},
               {"data", "canary"},
               {"enterprise_code", "canary"}});
    const std::string key = base64_of(3000);
    log_error("redaction-test", "long", {{"text", std::string(20'000, 'x') + " " + key}});
    log_error("redaction-test", "cut", {{"text", std::string(4'060, 'x') + " token=canary" + key}});
    log_error("redaction-test", "edge", {{"text", std::string(16'370, ' ') + key}});
    log_to_stderr(false);
    const std::string on_stderr = testing::internal::GetCapturedStderr();
    std::string in_ring;
    for (const LogRecord& record : recent_logs(before)) in_ring += record.text() + "\n";
    EXPECT_THAT(in_ring, HasSubstr("pairing with token=*** now"));
    for (const std::string& shown : {on_stderr, in_ring}) {
        for (const Secret& secret : secrets())
            EXPECT_THAT(shown, Not(HasSubstr(secret.canary))) << secret.text;
        EXPECT_THAT(shown, Not(HasSubstr("canary\"")));
        EXPECT_THAT(shown, Not(HasSubstr("=canary")));
        EXPECT_THAT(shown, Not(HasSubstr(key.substr(0, 12))));
    }
}

TEST(TheLog, counts_its_records_and_hands_them_out_in_portions) {
    LogBook book;
    int told = 0;
    auto subscription = book.on_record([&] { ++told; });
    for (int i = 0; i < 10; ++i) book.write(LogLevel::info, "c", "e", {{"i", std::to_string(i)}});
    EXPECT_EQ(told, 10);
    EXPECT_EQ(book.last_seq(), 10u);
    const auto portion = book.next(3, 4);
    ASSERT_EQ(portion.size(), 4u);
    EXPECT_EQ(portion.front().seq, 4u);
    EXPECT_EQ(portion.back().seq, 7u);
    EXPECT_TRUE(book.next(10, 4).empty());
    subscription.reset();
    book.write(LogLevel::info, "c", "last", {});
    EXPECT_EQ(told, 10);
}

TEST(TheLog, forgets_the_level_of_a_component) {
    LogBook book;
    book.set_level("http", LogLevel::debug);
    EXPECT_TRUE(book.enabled(LogLevel::debug, "http"));
    book.clear_level("http");
    book.clear_level("never-set");
    EXPECT_FALSE(book.enabled(LogLevel::debug, "http"));
    EXPECT_EQ(book.level("http"), LogLevel::info);
}

}  // namespace
}  // namespace backplane::core
