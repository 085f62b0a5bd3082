// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How Odoo's certificate is asked for again, what its service answers, and what wrong clocks must not do.
#include "keeper_box.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

class APairedKeeper : public AKeeper {
protected:
    APairedKeeper() { pair(); }
    /// With a certificate of Odoo that ends in so many days.
    void start_with(int days) {
        start();
        give(odoo_certificate(days));
        ASSERT_EQ(status().source, "odoo");
    }
};

// ---- answers ----

TEST_F(APairedKeeper, says_that_the_service_cannot_be_reached) {
    start();
    lanes.answer(FakeLanes::error("net.lookup", "the name www.odoo.com cannot be looked up"),
                 k_x509);
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_LOAD_REQUEST_EXCEPTION");
    EXPECT_THAT(status().text, StartsWith("Odoo's certificate service could not be asked."));
    EXPECT_THAT(status().text, HasSubstr("firewall"));
    EXPECT_THAT(status().text,
                ::testing::EndsWith("\n\nthe name www.odoo.com cannot be looked up"));
    EXPECT_EQ(status().source, "self_signed") << "https works meanwhile";
}

TEST_F(APairedKeeper, says_the_status_of_an_answer_that_is_none) {
    start();
    lanes.answer(FakeLanes::status(503), k_x509);
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_LOAD_REQUEST_STATUS 503");
    EXPECT_THAT(status().text, HasSubstr("a problem of its own (status 503)"));
    clock.advance(minutes{2});
    lanes.answer(FakeLanes::status(403), k_x509);
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_LOAD_REQUEST_STATUS 403");
    EXPECT_THAT(status().text, HasSubstr("proxy or firewall"));
}

TEST_F(APairedKeeper, passes_on_why_odoo_gives_none) {
    const auto text_after = [this](const std::string& body) {
        lanes.succeed(body, k_x509);
        EXPECT_EQ(status().code, "ERR_IOT_HTTPS_LOAD_REQUEST_NO_RESULT") << body;
        const std::string text = status().text;
        clock.advance(hours{8});
        return text;
    };
    start();
    EXPECT_THAT(text_after(R"({"error": "no subscription"})"), HasSubstr("\n\nno subscription"));
    EXPECT_THAT(text_after(R"({"result": {"error": "unknown database"}})"),
                HasSubstr("\n\nunknown database"));
    EXPECT_THAT(
        text_after(R"({"error": {"message": "Odoo Server Error", "data": {"message": "boom"}}})"),
        HasSubstr("\n\nboom"));
    EXPECT_THAT(text_after(R"({"error": 7})"), HasSubstr("an error without a text"));
    EXPECT_THAT(text_after(R"({"result": null})"), HasSubstr("has no result"));
    EXPECT_THAT(text_after(R"({"result": {"subject_cn": "*.a.odoo-iot.com"}})"),
                HasSubstr("The certificate or its key is missing"));
    EXPECT_THAT(text_after("<html>login</html>"), HasSubstr("not a JSON object"));
    EXPECT_THAT(text_after("[1, 2]"), HasSubstr("not a JSON object"));
    EXPECT_THAT(text_after(x509_answer(odoo_certificate(60), "a\nb")),
                HasSubstr("does not say whom it is for"));
    EXPECT_THAT(text_after(R"({"error": ")" + std::string(5000, 'e') + "\"}"),
                ::testing::SizeIs(::testing::Lt(900u)));
}

TEST_F(APairedKeeper, refuses_a_pair_that_does_not_belong_together) {
    start();
    auto mixed = odoo_certificate(60);
    mixed.key_pem = odoo_certificate(60).key_pem;
    lanes.succeed(x509_answer(mixed), k_x509);
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_LOAD_REQUEST_NO_RESULT");
    EXPECT_THAT(status().text, HasSubstr("its key belongs to another certificate"));
    EXPECT_EQ(status().source, "self_signed");
    EXPECT_THAT(used, SizeIs(1));
    EXPECT_FALSE(std::filesystem::exists(in_folder("odoo.pem")));
}

TEST_F(APairedKeeper, does_not_fetch_a_key_in_clear) {
    service = "http://www.odoo.com";
    start();
    EXPECT_EQ(asked(), 0u);
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_LOAD_REQUEST_EXCEPTION");
    EXPECT_THAT(status().text, HasSubstr("must begin with https://"));
    for (const auto* elsewhere : {"http://localhost.example.com", "http://127.0.0.1.example.com:80",
                                  "ftp://127.0.0.1", "http://[::2]:80", "http://"}) {
        service = elsewhere;
        restart();
        EXPECT_EQ(asked(), 0u) << elsewhere;
    }
    service = "http://127.0.0.1:8069/";
    restart();
    EXPECT_EQ(lanes.last().request.url, "http://127.0.0.1:8069/odoo-enterprise/iot/x509")
        << "on this machine nobody listens";
}

// ---- again ----

TEST_F(APairedKeeper, waits_longer_and_longer_while_the_service_does_not_answer) {
    start();
    lanes.fail("net.connect", k_x509);
    clock.advance(std::chrono::seconds{47});
    EXPECT_EQ(asked(), 1u) << "never at once";
    clock.advance(std::chrono::seconds{26});
    EXPECT_EQ(asked(), 2u);
    lanes.when(k_x509, FakeLanes::error("net.connect"));
    for (int i = 0; i < 24 * 60; ++i) {
        lanes.run();
        clock.advance(minutes{1});
    }
    EXPECT_GE(asked(), 10u);
    EXPECT_LE(asked(), 15u) << "1, 2, 4 … minutes, then 6 hours";
    const std::size_t before = asked();
    for (int i = 0; i < 24 * 60; ++i) {
        lanes.run();
        clock.advance(minutes{1});
    }
    EXPECT_GE(asked() - before, 3u);
    EXPECT_LE(asked() - before, 6u);
}

TEST_F(APairedKeeper, asks_at_once_when_something_has_changed) {
    start();
    lanes.fail("net.connect", k_x509);
    pair("uuid-1", "M9999");
    EXPECT_EQ(asked(), 2u);
    EXPECT_THAT(lanes.last().request.body, HasSubstr("M9999"));
    lanes.fail("net.connect", k_x509);
    skew += 86'400;  // it was a day behind, and a handshake with the service failed because of that
    clock.advance(minutes{10});
    EXPECT_GE(asked(), 3u);
}

TEST_F(APairedKeeper, gives_up_asking_when_the_box_is_unpaired) {
    start();
    unpair();
    EXPECT_EQ(lanes.waiting_for(k_x509), 0u);
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_CHECK_NO_SERVER");
    clock.advance(k_a_day * 2);
    EXPECT_EQ(asked(), 1u);
}

TEST_F(APairedKeeper, asks_for_a_newer_one_from_the_fourteenth_day_before_the_end) {
    start_with(30);
    clock.advance(k_a_day * 15);
    EXPECT_EQ(asked(), 1u);
    clock.advance(k_a_day * 2);
    EXPECT_EQ(asked(), 2u);
    EXPECT_FALSE(status().expires_soon) << "a newer one may come";
    const auto next = odoo_certificate(90);
    give(next);
    ASSERT_THAT(used, SizeIs(3)) << "self-signed, Odoo's, its next: once each";
    EXPECT_EQ(used.at(2).certificates_pem, next.certificates_pem);
    EXPECT_FALSE(status().expires_soon);
    clock.advance(k_a_day * 5);
    EXPECT_EQ(asked(), 2u);
}

TEST_F(APairedKeeper, gives_the_alarm_when_no_newer_one_can_be_had) {
    start_with(20);
    lanes.when(k_x509, FakeLanes::status(500));
    clock.advance(k_a_day * 7);
    lanes.run();
    EXPECT_TRUE(status().expires_soon);
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_LOAD_REQUEST_STATUS 500");
    EXPECT_EQ(status().source, "odoo") << "what there is stays in use";
    clock.advance(hours{23});
    lanes.run();
    EXPECT_LE(asked(), 3u) << "once a day is enough for now";
    lanes.forget(k_x509);
    clock.advance(k_a_day);
    give(odoo_certificate(90));
    EXPECT_FALSE(status().expires_soon);
    EXPECT_EQ(status().code, "");
}

TEST_F(APairedKeeper, insists_when_less_than_ten_days_are_left) {
    start_with(9);
    clock.advance(k_a_day);
    ASSERT_EQ(asked(), 2u);
    lanes.fail("net.connect", k_x509);
    clock.advance(minutes{2});
    EXPECT_EQ(asked(), 3u);
    lanes.fail("net.connect", k_x509);
    clock.advance(minutes{3});
    EXPECT_EQ(asked(), 4u);
}

TEST_F(APairedKeeper, is_not_content_with_the_same_certificate) {
    const auto same = odoo_certificate(12);
    start();
    give(same);
    clock.advance(k_a_day);
    give(same);
    EXPECT_EQ(status().code, "") << "there is still time";
    EXPECT_TRUE(status().expires_soon);
    clock.advance(k_a_day * 2);
    give(same);
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_LOAD_REQUEST_NO_RESULT");
    EXPECT_THAT(status().text, HasSubstr("It is still the one that ends on "));
    EXPECT_THAT(used, SizeIs(2));
}

TEST_F(APairedKeeper, asks_for_another_one_when_it_belongs_to_another_database) {
    start_with(60);
    pair("uuid-2");
    EXPECT_EQ(asked(), 2u);
    EXPECT_EQ(status().source, "odoo") << "until the new one is there";
    const auto other = odoo_certificate(30, "*.xyz.odoo-iot.com");
    lanes.succeed(x509_answer(other, "*.xyz.odoo-iot.com"), k_x509);
    settle();
    EXPECT_EQ(status().subject, "*.xyz.odoo-iot.com") << "although the old one was good for longer";
    restart();
    EXPECT_EQ(status().subject, "*.xyz.odoo-iot.com");
    EXPECT_EQ(asked(), 2u);
}

TEST_F(APairedKeeper, keeps_odoos_certificate_after_it_was_unpaired) {
    start_with(60);
    unpair();
    EXPECT_EQ(status().source, "odoo");
    EXPECT_EQ(status().code, "");
    restart();
    EXPECT_EQ(status().source, "odoo");
}

TEST_F(APairedKeeper, fetches_a_new_one_when_the_file_is_damaged) {
    start_with(60);
    write_file(in_folder("odoo.pem"), "-----BEGIN CERTIFICATE-----\nAAAA");
    unpair();
    restart();
    EXPECT_EQ(status().source, "self_signed");
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_CHECK_CERT_READ_EXCEPTION");
    EXPECT_THAT(status().text, HasSubstr("\n\n" + in_folder("odoo.pem")));
    pair();
    EXPECT_EQ(asked(), 2u);
    give(odoo_certificate(60));
    EXPECT_EQ(status().source, "odoo");
    EXPECT_EQ(status().code, "");
    restart();
    EXPECT_EQ(status().source, "odoo");
}

TEST_F(APairedKeeper, uses_what_it_cannot_write_and_says_so) {
    write_file(folder.file("a-file"), "");
    certificates = folder.file("a-file") + "/certificates";
    start();
    give(odoo_certificate(60));
    EXPECT_EQ(status().source, "odoo");
    EXPECT_THAT(status().text, HasSubstr("cannot write"));
    EXPECT_THAT(status().text, HasSubstr("asks Odoo again after each start"));
    clock.advance(k_a_day);
    EXPECT_EQ(asked(), 1u);
}

// ---- clocks ----

TEST_F(APairedKeeper, keeps_a_good_certificate_when_the_clock_was_never_set) {
    start_with(60);
    skew = -begun + 1000;
    restart();
    EXPECT_EQ(status().source, "odoo");
    EXPECT_EQ(asked(), 1u);
    EXPECT_THAT(status().text, HasSubstr("The clock of this box says 1970-"));
    EXPECT_THAT(status().text, HasSubstr("set the clock"));
    skew = 0;
    clock.advance(minutes{10});
    EXPECT_EQ(status().text, "") << "the jump is noticed";
    EXPECT_THAT(used, SizeIs(3)) << "self-signed, Odoo's, and again after the restart";
}

TEST_F(APairedKeeper, keeps_a_good_certificate_when_the_clock_is_ten_years_ahead) {
    start_with(60);
    skew = 3650 * 86'400.0;
    restart();
    EXPECT_EQ(status().source, "odoo");
    EXPECT_THAT(status().text, HasSubstr("long after this certificate has ended"));
    // A service that can still be asked is not asked all the time.
    lanes.when(k_x509, [&](const ServerRequest&) {
        return FakeLanes::ok(x509_answer(odoo_certificate(90)));
    });
    for (int i = 0; i < 24 * 6; ++i) {
        lanes.run();
        clock.advance(minutes{10});
    }
    EXPECT_LE(asked(), 16u);
    skew = 0;
    clock.advance(minutes{10});
    EXPECT_EQ(status().source, "odoo");
    EXPECT_EQ(status().text, "");
}

TEST_F(AKeeper, returns_to_the_self_signed_one_that_people_have_accepted) {
    start();
    skew = 3650 * 86'400.0;
    clock.advance(minutes{10});
    ASSERT_THAT(used, SizeIs(2)) << "the first has ended, as far as this box knows";
    skew = 0;
    clock.advance(minutes{10});
    ASSERT_THAT(used, SizeIs(3));
    EXPECT_EQ(used.at(2).key_pem, used.at(0).key_pem);
    skew = -begun + 1000;
    restart();
    EXPECT_EQ(used.at(3).key_pem, used.at(0).key_pem) << "a clock that was never set";
}

// ---- what the server is told ----

TEST_F(APairedKeeper, tells_the_server_until_when_it_is_good_and_only_once) {
    start();
    EXPECT_THAT(dates_told(), SizeIs(0)) << "not of the self-signed one";
    give(odoo_certificate(60));
    ASSERT_THAT(dates_told(), ElementsAre(status().not_after));
    const auto sent = lanes.sent_to(k_date_route).at(0);
    EXPECT_EQ(sent.request.url, "https://shop.example.com/iot/box/update_certificate_status");
    EXPECT_EQ(json::parse(sent.request.body).at("params").at("identifier"), "box1");
    EXPECT_EQ(sent.request.total, std::chrono::seconds{5});
    lanes.succeed(R"({"result": true})", k_date_route);
    clock.advance(k_a_day * 2);
    settle();
    restart();
    EXPECT_THAT(dates_told(), SizeIs(1));
}

TEST_F(APairedKeeper, tells_it_again_until_the_server_has_heard_it) {
    start();
    give(odoo_certificate(60));
    lanes.fail("net.timeout", k_date_route);
    clock.advance(std::chrono::seconds{47});
    EXPECT_THAT(dates_told(), SizeIs(1));
    clock.advance(std::chrono::seconds{26});
    EXPECT_THAT(dates_told(), SizeIs(2));
    lanes.answer(FakeLanes::page(), k_date_route);
    clock.advance(minutes{3});
    EXPECT_THAT(dates_told(), SizeIs(3));
    lanes.succeed(R"({"error": {"message": "no"}})", k_date_route);
    clock.advance(minutes{5});
    EXPECT_THAT(dates_told(), SizeIs(4));
    lanes.succeed(R"({"result": true})", k_date_route);
    clock.advance(k_a_day);
    EXPECT_THAT(dates_told(), SizeIs(4));
}

TEST_F(APairedKeeper, does_not_tell_it_again_to_a_server_that_does_not_know_the_route) {
    start();
    give(odoo_certificate(60));
    lanes.answer(FakeLanes::status(404), k_date_route);
    clock.advance(k_a_day * 3);
    EXPECT_THAT(dates_told(), SizeIs(1));
}

TEST_F(APairedKeeper, tells_each_server_and_each_date) {
    start();
    give(odoo_certificate(13));
    lanes.succeed(R"({"result": true})", k_date_route);
    unpair();
    pair();
    EXPECT_THAT(dates_told(), SizeIs(2)) << "another pairing, another server";
    lanes.succeed(R"({"result": true})", k_date_route);
    clock.advance(k_a_day);
    give(odoo_certificate(90));
    EXPECT_THAT(dates_told(), SizeIs(3));
    EXPECT_EQ(dates_told().at(2), status().not_after);
}

// ---- asked for by somebody ----

TEST_F(APairedKeeper, looks_when_it_is_asked_and_says_when_it_has_looked) {
    start();
    lanes.fail("net.connect", k_x509);
    int done = 0;
    keeper->check_now([&] { ++done; });
    keeper->check_now([&] { ++done; });
    EXPECT_EQ(done, 0) << "never from inside the call";
    clock.advance(std::chrono::milliseconds{1});
    EXPECT_EQ(asked(), 2u) << "without waiting for the pause, and once";
    EXPECT_EQ(done, 0) << "the answer is still out";
    give(odoo_certificate(60));
    EXPECT_EQ(done, 2);
    keeper->check_now([&] { ++done; });
    clock.advance(std::chrono::milliseconds{1});
    EXPECT_EQ(done, 3);
    EXPECT_EQ(asked(), 2u) << "it is good for long";
}

TEST_F(APairedKeeper, says_nothing_any_more_after_its_end) {
    start();
    int told = 0;
    const auto subscription = keeper->on_change([&] { ++told; });
    keeper->check_now([&] { ++told; });
    keeper.reset();
    EXPECT_EQ(lanes.waiting(), 0u);
    clock.advance(k_a_day);
    settle();
    EXPECT_EQ(told, 0);
    EXPECT_THAT(used, SizeIs(1));
}

TEST_F(APairedKeeper, tells_its_listeners_of_changes_only) {
    start();
    std::vector<std::string> codes;
    const auto subscription = keeper->on_change([&] { codes.push_back(status().code); });
    lanes.answer(FakeLanes::status(500), k_x509);
    clock.advance(minutes{2});
    lanes.answer(FakeLanes::status(500), k_x509);
    clock.advance(minutes{5});
    give(odoo_certificate(60));
    clock.advance(k_a_day);
    EXPECT_THAT(codes, ElementsAre("ERR_IOT_HTTPS_LOAD_REQUEST_STATUS 500", ""));
}

}  // namespace
}  // namespace backplane::sync::test
