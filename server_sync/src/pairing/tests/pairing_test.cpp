// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>

#include <optional>

#include "backplane/core/log.hpp"
#include "browser/tests/fakes.hpp"
#include "pairing/pairing.hpp"
#include "server/tests/fake_requests.hpp"
#include "store/tests/store_box.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* k_path = "/odoo-enterprise/iot/connect-box";
constexpr const char* k_code = R"({"result": {"pairing_code": "AB12CD", "pairing_uuid": "u-1"}})";
constexpr const char* k_nothing = R"({"result": {}})";
constexpr const char* k_server =
    R"({"result": {"url": "https://shop.example.com/odoo", "token": "CANARY-T",
        "db_uuid": "CANARY-D", "enterprise_code": "CANARY-E"}})";

/// A box in a network, with a store of its own, that nobody has paired.
class AnUnpairedBox : public AStoreBox {
protected:
    void SetUp() override {
        start();
        account.emplace(*store, "");
        box.identifier = "10000000abcdef01";
        box.ip = "192.168.1.20";
    }
    void begin() {
        pairing.emplace(Pairing::Setup{.account = *account,
                                       .timer = clock.timers(),
                                       .box = [this] { return box; },
                                       .lanes = lanes.maker(),
                                       .proxy = proxy,
                                       .now = [this] { return now(); },
                                       .random = [] { return 0.5; }});
        clock.advance(0ms);
    }
    /// Shows a code and has polled once.
    void begin_with_code() {
        begin();
        lanes.succeed(k_code);
        lanes.succeed(k_nothing);
        ASSERT_EQ(status().state, "code");
    }
    double now() const {
        return 1'763'793'000 +
               std::chrono::duration<double>(clock.now().time_since_epoch()).count();
    }
    PairingStatus status() const { return pairing->status(); }
    json::object params() const {
        return json::parse(lanes.last().request.body).at("params").as_object();
    }
    /// The answer of the box to this token.
    core::Result<void> pair(const std::string& token) {
        std::optional<core::Result<void>> result;
        pairing->pair_with_token(token, [&](core::Result<void> done) { result = std::move(done); });
        EXPECT_FALSE(result) << "called from inside";
        EXPECT_TRUE(until([&] {
            clock.advance(0ms);
            return result.has_value();
        }));
        return *result;
    }
    core::Result<void> new_code() {
        std::optional<core::Result<void>> result;
        pairing->new_code([&](core::Result<void> done) { result = std::move(done); });
        EXPECT_FALSE(result) << "called from inside";
        clock.advance(0ms);
        EXPECT_TRUE(result.has_value());
        return *result;
    }
    bool until_state(const std::string& state) {
        return until([&] { return status().state == state; });
    }

    FakeClock clock;
    FakeLanes lanes;
    BoxInfo box;
    std::string proxy = "https://pairing.example.net/";
    std::optional<Account> account;
    std::optional<Pairing> pairing;
};

TEST_F(AnUnpairedBox, asks_the_service_for_a_code_and_polls_it_at_once) {
    begin();
    EXPECT_EQ(status().state, "asking");
    EXPECT_EQ(lanes.last().request.url,
              "https://pairing.example.net/odoo-enterprise/iot/connect-box");
    EXPECT_EQ(lanes.last().header("User-Agent"), "OdooIoTBox/1.0");
    EXPECT_EQ(lanes.last().request.total, 5s);
    EXPECT_EQ(params(), (json::object{{"pairing_code", false},
                                      {"pairing_uuid", false},
                                      {"serial_number", "10000000abcdef01"}}));
    lanes.succeed(k_code);
    EXPECT_EQ(status().state, "code");
    EXPECT_EQ(status().code, "AB12CD");
    EXPECT_NEAR(status().code_until, now() + 7200, 0.01);
    EXPECT_THAT(status().reason, HasSubstr("open the IoT app, choose Connect and type it there"));
    EXPECT_EQ(params(), (json::object{{"pairing_code", "AB12CD"},
                                      {"pairing_uuid", "u-1"},
                                      {"serial_number", "10000000abcdef01"}}));
}

TEST_F(AnUnpairedBox, polls_with_pauses_that_grow_a_little) {
    begin_with_code();
    for (const auto pause : {15'000ms, 15'010ms, 15'020ms}) {
        const auto before = lanes.sent().size();
        clock.advance(pause - 1ms);
        EXPECT_EQ(lanes.sent().size(), before);
        clock.advance(1ms);
        ASSERT_EQ(lanes.sent().size(), before + 1);
        lanes.succeed(k_nothing);
    }
}

TEST_F(AnUnpairedBox, belongs_to_the_database_into_which_its_code_was_typed) {
    begin_with_code();
    clock.advance(15s);
    lanes.succeed(k_server);
    ASSERT_TRUE(until_state("paired"));
    EXPECT_EQ(account->current(),
              (ServerAccount{"https://shop.example.com", "CANARY-T", "CANARY-D", "CANARY-E", ""}));
    EXPECT_TRUE(written());
    EXPECT_EQ(status().code, "");
    EXPECT_EQ(status().reason, "");
    const auto asked = lanes.sent().size();
    clock.advance(24h);
    EXPECT_EQ(lanes.sent().size(), asked);
}

TEST_F(AnUnpairedBox, has_a_new_code_without_a_restart_when_the_service_lets_the_old_one_expire) {
    begin_with_code();
    clock.advance(15s);
    lanes.succeed(R"({"error": "expired"})");
    EXPECT_EQ(status().state, "expired");
    EXPECT_EQ(status().code, "");
    EXPECT_THAT(status().reason, HasSubstr("asks for a new one in a moment"));
    clock.advance(5s);
    EXPECT_EQ(params().at("pairing_code"), false);
    lanes.succeed(R"({"result": {"pairing_code": "ZZ99", "pairing_uuid": "u-2"}})");
    EXPECT_EQ(status().code, "ZZ99");
}

TEST_F(AnUnpairedBox, throws_a_code_away_after_two_hours_by_its_own_clock) {
    begin();
    lanes.succeed(k_code);
    lanes.when(k_path, FakeLanes::ok(k_nothing));
    unsigned polls = 0;
    for (int second = 0; second < 7199; ++second) {
        polls += static_cast<unsigned>(lanes.run());
        clock.advance(1s);
        ASSERT_EQ(status().state, "code") << second;
    }
    EXPECT_NEAR(polls, 330, 10);
    clock.advance(1s);
    lanes.run();
    EXPECT_EQ(status().state, "expired");
    lanes.forget(k_path);
    clock.advance(5s);
    EXPECT_EQ(status().state, "asking");
    EXPECT_EQ(params().at("pairing_uuid"), false);
}

TEST_F(AnUnpairedBox, is_paired_by_an_answer_that_was_under_way_when_the_code_expired) {
    begin();
    lanes.succeed(k_code);
    clock.advance(2h);
    EXPECT_EQ(status().state, "code");
    lanes.succeed(k_server);
    EXPECT_TRUE(until_state("paired"));
}

TEST_F(AnUnpairedBox, does_not_hurry_a_service_whose_codes_expire_at_once) {
    begin();
    lanes.when(k_path, [](const ServerRequest& request) {
        return FakeLanes::ok(
            request.body.find("AB12CD") == std::string::npos ? k_code : R"({"error": "expired"})");
    });
    for (int second = 0; second < 3600; ++second) {
        lanes.run();
        clock.advance(1s);
    }
    EXPECT_LT(lanes.sent().size(), 50u);
    EXPECT_GT(lanes.sent().size(), 20u);
}

TEST_F(AnUnpairedBox, says_that_it_has_no_network_and_goes_on_when_it_comes) {
    box.ip.clear();
    begin();
    EXPECT_EQ(status().state, "no_network");
    EXPECT_THAT(status().reason, HasSubstr("Plug in a network cable"));
    clock.advance(1h);
    EXPECT_TRUE(lanes.sent().empty());
    box.ip = "10.11.12.1";  // its own hotspot leads nowhere
    clock.advance(5s);
    EXPECT_EQ(status().state, "no_network");
    box.ip = "192.168.1.20";
    clock.advance(5s);
    EXPECT_EQ(status().state, "asking");
    EXPECT_EQ(lanes.waiting(), 1u);
}

TEST_F(AnUnpairedBox, keeps_its_code_while_the_network_is_away) {
    begin_with_code();
    const double until = status().code_until;
    box.ip.clear();
    clock.advance(15s);
    EXPECT_EQ(status().state, "no_network");
    EXPECT_EQ(status().code, "");
    box.ip = "192.168.1.21";
    clock.advance(5s);
    EXPECT_EQ(status().state, "code");
    EXPECT_EQ(status().code, "AB12CD");
    EXPECT_EQ(status().code_until, until);
    EXPECT_EQ(params().at("pairing_code"), "AB12CD");
}

TEST_F(AnUnpairedBox, asks_a_service_that_is_away_less_and_less_often) {
    begin();
    for (const auto pause : {5s, 10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
        lanes.fail("net.connect");
        EXPECT_EQ(status().state, "no_service");
        EXPECT_THAT(status().reason,
                    HasSubstr("pairing.example.net does not answer: nobody is there."));
        EXPECT_THAT(status().reason, HasSubstr("pair by token, which needs no internet"));
        clock.advance(pause - 1ms);
        EXPECT_EQ(lanes.waiting(), 0u);
        clock.advance(1ms);
        ASSERT_EQ(lanes.waiting(), 1u);
        EXPECT_EQ(status().state, "no_service") << "no flicker while it is asked again";
    }
    lanes.succeed(k_code);
    EXPECT_EQ(status().state, "code");
}

TEST_F(AnUnpairedBox, goes_on_showing_a_code_while_the_service_is_away) {
    begin_with_code();
    clock.advance(15s);
    lanes.fail("net.timeout");
    EXPECT_EQ(status().state, "code");
    EXPECT_EQ(status().code, "AB12CD");
    EXPECT_THAT(status().reason, HasSubstr("cannot be asked whether somebody did"));
    clock.advance(16s);
    lanes.succeed(k_nothing);
    EXPECT_THAT(status().reason, Not(HasSubstr("cannot be asked")));
}

TEST_F(AnUnpairedBox, makes_nothing_of_odd_answers_and_does_not_repeat_them) {
    struct Odd {
        FakeLanes::Answer answer;
        std::string says;
    };
    const std::vector<Odd> k_odd{
        {FakeLanes::page("<html>CANARY</html>"), "not JSON, perhaps a web page"},
        {FakeLanes::ok(""), "not JSON"},
        {FakeLanes::status(502, "CANARY"), "HTTP status 502"},
        {FakeLanes::status(302), "HTTP status 302"},
        {FakeLanes::ok("[\"CANARY\"]"), "no object"},
        {FakeLanes::ok("17"), "no object"},
        {FakeLanes::ok(R"({"error": "CANARY"})"), "an error of its own"},
        {FakeLanes::ok(R"({"error": {"code": 200, "message": "CANARY"}})"), "an error of its own"},
        {FakeLanes::ok(R"({"error": "expired"})"), "a code has expired, but gave none"},
        {FakeLanes::ok("{}"), "without a code"},
        {FakeLanes::ok(R"({"result": null})"), "without a code"},
        {FakeLanes::ok(R"({"result": false})"), "without a code"},
        {FakeLanes::ok(R"({"result": "CANARY"})"), "neither a code nor"},
        {FakeLanes::ok(R"({"result": {"token": "CANARY"}})"), "neither a code nor"},
        {FakeLanes::ok(R"({"result": {"pairing_code": "CANARY"}})"), "neither a code nor"},
        {FakeLanes::ok(R"({"result": {"pairing_code": ["CANARY"], "pairing_uuid": 1}})"),
         "neither"},
        {FakeLanes::ok(R"({"result": {"pairing_code": "CANARY\n", "pairing_uuid": "u"}})"),
         "neither"},
        {FakeLanes::ok(R"({"result": {"pairing_code": ")" + std::string(40, 'X') +
                       R"(", "pairing_uuid": "u"}})"),
         "neither"},
        {FakeLanes::ok(R"({"result": {"url": "https://shop.example.com"}})"), "without the token"},
        {FakeLanes::ok(R"({"result": {"url": "CANARY", "token": "CANARY"}})"), "cannot use"},
        {FakeLanes::ok(R"({"result": {"url": "http://localhost", "token": "CANARY"}})"),
         "cannot use"},
        {FakeLanes::ok(std::string(100, '[')), "not JSON"},
    };
    begin();
    for (const auto& [answer, says] : k_odd) {
        lanes.answer(answer);
        EXPECT_EQ(status().state, "no_service");
        EXPECT_THAT(status().reason, HasSubstr("The pairing service pairing.example.net "));
        EXPECT_THAT(status().reason, HasSubstr(says));
        EXPECT_THAT(status().reason, Not(HasSubstr("CANARY")));
        EXPECT_FALSE(account->current().paired());
        clock.advance(5min);
        ASSERT_EQ(lanes.waiting(), 1u);
    }
}

TEST_F(AnUnpairedBox, takes_a_code_that_is_a_number_and_sends_it_back_as_one) {
    begin();
    lanes.succeed(R"({"result": {"pairing_code": 123456, "pairing_uuid": 7}})");
    EXPECT_EQ(status().code, "123456");
    EXPECT_EQ(params().at("pairing_code"), 123456);
    EXPECT_EQ(params().at("pairing_uuid"), 7);
}

TEST_F(AnUnpairedBox, shows_the_new_code_of_a_service_that_has_changed_its_mind) {
    begin_with_code();
    int changes = 0;
    const auto listener = pairing->on_change([&] { ++changes; });
    clock.advance(15s);
    lanes.succeed(R"({"result": {"pairing_code": "NEW", "pairing_uuid": "u-2"}})");
    EXPECT_EQ(status().code, "NEW");
    EXPECT_EQ(changes, 1);
    EXPECT_NEAR(status().code_until, now() + 7200, 0.01);
    EXPECT_EQ(lanes.waiting(), 0u) << "it is not asked at once, lest it change its mind for ever";
    clock.advance(15s);
    EXPECT_EQ(params().at("pairing_uuid"), "u-2");
    lanes.succeed(R"({"result": {"pairing_code": "NEW", "pairing_uuid": "u-2"}})");
    EXPECT_EQ(changes, 1) << "the same code again is no change";
}

TEST_F(AnUnpairedBox, is_paired_by_a_token_while_a_code_is_polled) {
    begin_with_code();
    clock.advance(15s);
    ASSERT_EQ(lanes.waiting(), 1u);
    EXPECT_TRUE(pair("https://a.example.com?token=CANARY-A&db_uuid=1&enterprise_code=2"));
    EXPECT_EQ(account->current().url, "https://a.example.com");
    EXPECT_EQ(status().state, "paired");
    EXPECT_EQ(lanes.waiting(), 0u) << "what the service says about the code is of no use any more";
    clock.advance(24h);
    EXPECT_EQ(account->current().token, "CANARY-A");
    EXPECT_EQ(lanes.waiting(), 0u);
}

TEST_F(AnUnpairedBox, needs_no_network_and_no_service_to_be_paired_by_a_token) {
    box.ip.clear();
    proxy.clear();
    begin();
    EXPECT_EQ(status().state, "off");
    EXPECT_THAT(status().reason, HasSubstr("odoo.pairing_proxy is empty"));
    EXPECT_THAT(status().reason, HasSubstr("Pair by token"));
    EXPECT_TRUE(pair("http://192.168.1.5:8069|abc||"));
    EXPECT_EQ(status().state, "paired");
    EXPECT_TRUE(lanes.sent().empty());
}

TEST_F(AnUnpairedBox, keeps_its_code_and_tells_the_mistake_when_a_token_is_wrong) {
    begin_with_code();
    const auto wrong = pair("http://localhost:8069?token=CANARY");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, "token.localhost");
    EXPECT_EQ(status().last_error, wrong.error().text);
    EXPECT_EQ(status().state, "code");
    EXPECT_EQ(status().code, "AB12CD");
    EXPECT_TRUE(pair("https://shop.example.com?token=abc"));
    EXPECT_EQ(status().last_error, "");
}

TEST_F(AnUnpairedBox, can_be_paired_with_another_database_when_it_has_one) {
    begin();
    EXPECT_TRUE(pair("https://a.example.com?token=abc"));
    EXPECT_TRUE(pair("https://b.example.com?token=def"));
    EXPECT_EQ(account->current().url, "https://b.example.com");
    EXPECT_EQ(status().state, "paired");
}

TEST_F(AnUnpairedBox, asks_for_a_code_when_its_pairing_ends_by_whichever_way) {
    begin();
    ASSERT_TRUE(pair("https://a.example.com?token=abc"));
    bool done = false;
    pairing->unpair([&](const core::Result<void>& result) { done = result.has_value(); });
    ASSERT_TRUE(until([&] { return done; }));
    EXPECT_EQ(status().state, "asking");
    EXPECT_EQ(lanes.waiting(), 1u);

    ASSERT_TRUE(pair("https://a.example.com?token=abc"));
    account->unpair([](const core::Result<void>&) {});
    EXPECT_TRUE(until_state("asking"));
}

TEST_F(AnUnpairedBox, gets_a_new_code_when_somebody_wants_one) {
    begin_with_code();
    clock.advance(15s);
    EXPECT_TRUE(new_code());
    EXPECT_EQ(status().state, "asking");
    EXPECT_EQ(status().code, "");
    EXPECT_EQ(params().at("pairing_code"), false);
    EXPECT_EQ(lanes.waiting(), 1u);
    const auto asked = lanes.sent().size();
    EXPECT_TRUE(new_code());
    EXPECT_EQ(lanes.sent().size(), asked) << "it is being asked for already";
}

TEST_F(AnUnpairedBox, says_why_it_can_get_no_new_code) {
    box.ip.clear();
    begin();
    auto refused = new_code();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "pairing.no_network");
    EXPECT_THAT(refused.error().text, HasSubstr("plug in a network cable"));

    ASSERT_TRUE(pair("https://a.example.com?token=abc"));
    refused = new_code();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "pairing.paired");
    EXPECT_THAT(refused.error().text, HasSubstr("paired with https://a.example.com"));
    EXPECT_THAT(refused.error().text, HasSubstr("disconnect it first"));
}

TEST_F(AnUnpairedBox, has_no_codes_without_a_service) {
    proxy.clear();
    begin();
    const auto refused = new_code();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "pairing.off");
}

TEST_F(AnUnpairedBox, never_logs_a_secret) {
    const auto logs = core::recent_logs();
    const auto before = logs.empty() ? 0 : logs.back().seq;
    begin_with_code();
    clock.advance(15s);
    lanes.succeed(k_server);
    ASSERT_TRUE(until_state("paired"));
    ASSERT_FALSE(pair("ftp://x.example.com?token=CANARY-T"));
    ASSERT_TRUE(pair("https://x.example.com?token=CANARY-T&db_uuid=CANARY-D"));
    const auto lines = core::recent_logs(before);
    EXPECT_FALSE(lines.empty());
    for (const auto& record : lines) {
        EXPECT_THAT(record.text(), Not(HasSubstr("CANARY")));
        EXPECT_THAT(record.text(), Not(HasSubstr("AB12CD")))
            << "whoever reads it could pair the box";
    }
    EXPECT_THAT(status().last_error + status().reason, Not(HasSubstr("CANARY")));
}

TEST_F(AnUnpairedBox, calls_nobody_after_its_end) {
    begin_with_code();
    bool called = false;
    pairing->pair_with_token("nonsense", [&](const core::Result<void>&) { called = true; });
    pairing->pair_with_token("https://a.example.com?token=abc",
                             [&](const core::Result<void>&) { called = true; });
    pairing.reset();
    EXPECT_TRUE(written());
    clock.advance(24h);
    EXPECT_FALSE(called);
    EXPECT_EQ(lanes.waiting(), 0u);
}

TEST_F(AnUnpairedBox, may_be_destroyed_by_who_listens_to_it) {
    begin();
    const auto listener = pairing->on_change([&] { pairing.reset(); });
    lanes.succeed(k_code);
    EXPECT_FALSE(pairing);
    clock.advance(24h);
}

TEST_F(AnUnpairedBox, that_has_a_configured_server_needs_no_code) {
    account.emplace(*store, "https://shop.example.com");
    begin();
    EXPECT_EQ(status().state, "paired");
    EXPECT_TRUE(lanes.sent().empty());
}

}  // namespace
}  // namespace backplane::sync::test
