// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The Odoo side and the log on the homepage in a real browser, served by the real routes; the test plays the database.
#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>

#include <chrono>

#include "api/tests/served_api.hpp"
#include "browser.hpp"
#include "homepage/homepage.hpp"
#include "link/link_announcer.hpp"
#include "link/odoo_routes.hpp"
#include "link/tests/fake_link.hpp"

namespace backplane::tests {
namespace {

using core::test::ServedApi;
using sync::test::FakeLink;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* k_enter = "\uE007";
constexpr const char* k_escape = "\uE00C";

double unix_time() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// A box whose Odoo side is played; its homepage is open in a browser.
class AnOdooPage : public testing::Test {
protected:
    AnOdooPage() {
        box.on_loop([this] {
            link = std::make_unique<FakeLink>(box.events(), sync::asio_timers(box.loop()));
            link->now.pairing.state = "code";
            link->now.pairing.code = "A1B2";
            link->now.pairing.code_until = unix_time() + 7'000;
            link->now.pairing.reason = "Nobody has typed the code yet.";
            link->now.bus.state = "off";
            link->now.certificate.source = "self_signed";
            announcer = std::make_unique<sync::LinkAnnouncer>(link->controls);
            sync::install_odoo_routes(router, std::weak_ptr(link->controls));
        });
    }
    ~AnOdooPage() override {
        box.on_loop([this] {
            announcer.reset();
            link.reset();
        });
    }
    void open() {
        browser.open("http://127.0.0.1:" + std::to_string(box.port()) + "/");
        see("Odoo");
        ASSERT_TRUE(browser.wait_until("document.getElementById('odoo').checkVisibility()"));
    }
    void see(const std::string& text) { EXPECT_THAT(browser.wait_for_text(text), HasSubstr(text)); }
    void change(const std::function<void(FakeLink&)>& work) {
        box.on_loop([&] {
            work(*link);
            link->tell();
        });
    }
    void pair_with(const std::string& url) {
        change([&](FakeLink& side) {
            side.pair_with(url);
            side.now.registration.state = "registered";
            side.now.bus.state = "connected";
        });
    }
    void end(core::Result<void> result = {}) {
        box.on_loop([&] { link->end(std::move(result)); });
    }
    bool asked_is(const std::vector<std::string>& wanted) {
        return eventually([&] { return box.on_loop([&] { return link->asked == wanted; }); });
    }
    void click(const std::string& selector) {
        browser.run("document.querySelector('" + selector + "').click()");
    }
    std::string focused() {
        const json::value text = browser.run("return document.activeElement.textContent.trim()");
        return text.is_string() ? std::string(text.get_string()) : std::string();
    }
    bool open_dialog(const std::string& id) {
        return browser.wait_until("document.getElementById('" + id + "').open");
    }
    bool closed_dialog(const std::string& id) {
        return browser.wait_until("!document.getElementById('" + id + "').open");
    }
    static ServedApi::Setup setup(core::HttpRouter& router) {
        ServedApi::Setup out;
        out.plugins = {{"toledo8217", "1.0.0"}};
        out.more_routes = [&router](core::HttpRouter& all) {
            router = all;  // a copy leads to the same routes
            for (const core::StaticFile& file : core::homepage_files())
                all.add(std::string(file.path), [&file](const core::HttpExchangePtr& exchange) {
                    core::HttpResponse response;
                    response.headers = {
                        {"Content-Security-Policy", std::string(core::k_homepage_csp)}};
                    response.content_type = file.content_type;
                    response.body = file.content;
                    exchange->respond(std::move(response));
                });
        };
        return out;
    }

    core::HttpRouter router;
    ServedApi box{setup(router)};
    std::unique_ptr<FakeLink> link;
    std::unique_ptr<sync::LinkAnnouncer> announcer;
    Browser browser;
};

TEST_F(AnOdooPage, shows_the_code_what_to_do_with_it_and_how_long_it_is_good) {
    open();
    see("In Odoo: IoT → Connect → type this code");
    see("A1B2");
    see("Good for another 1 h 56 min");
    see("Not paired with a database");
    see("Nobody has typed the code yet.");
    see("Waits to be connected");
    change([](FakeLink& side) { side.now.pairing.code = "C3D4"; });
    see("C3D4");
}

TEST_F(AnOdooPage, says_why_there_is_no_code) {
    change([](FakeLink& side) {
        side.now.pairing = {};
        side.now.pairing.state = "no_service";
        side.now.pairing.reason = "iot-proxy.example.com does not answer: connect by token.";
    });
    open();
    see("No code can be had");
    see("iot-proxy.example.com does not answer: connect by token.");
    EXPECT_THAT(browser.text(), Not(HasSubstr("type this code")));
}

TEST_F(AnOdooPage, asks_for_a_new_code_and_tells_why_there_is_none) {
    open();
    click("#odoo-new-code");
    EXPECT_TRUE(asked_is({"new_code"}));
    end(core::failure("pairing.no_service", "The pairing service does not answer."));
    see("The pairing service does not answer.");
}

TEST_F(AnOdooPage, shows_what_is_wrong_with_a_token_where_it_was_pasted) {
    open();
    click("#odoo-connect");
    ASSERT_TRUE(open_dialog("connect-dialog"));
    EXPECT_TRUE(browser.wait_until("document.activeElement.id === 'connect-token'"));
    browser.run("document.getElementById('connect-token').value = 'nonsense'");
    browser.press(k_enter);
    EXPECT_TRUE(asked_is({"pair nonsense"}));
    end(core::failure("token.no_url", "This is no token of Odoo: copy all of it."));
    see("This is no token of Odoo: copy all of it.");
    EXPECT_TRUE(open_dialog("connect-dialog"));
    EXPECT_EQ(browser.run("return document.getElementById('connect-token').value"),
              json::value("nonsense"))
        << "it can be mended";
}

TEST_F(AnOdooPage, pairs_by_token_and_keeps_the_token_nowhere) {
    open();
    click("#odoo-connect");
    ASSERT_TRUE(open_dialog("connect-dialog"));
    browser.run(
        "document.getElementById('connect-token').value = "
        "'https://shop.example.com?token=s3cret'");
    click("#connect-dialog [type=submit]");
    EXPECT_TRUE(asked_is({"pair https://shop.example.com?token=s3cret"}));
    pair_with("https://shop.example.com");
    end();
    EXPECT_TRUE(closed_dialog("connect-dialog"));
    see("Paired with shop.example.com");
    see("This box is connected to your database now.");
    EXPECT_EQ(browser.run("return document.getElementById('connect-token').value"),
              json::value(""));
    EXPECT_THAT(browser.text(), Not(HasSubstr("A1B2")));
}

TEST_F(AnOdooPage, forgets_a_token_that_was_pasted_and_not_sent) {
    open();
    click("#odoo-connect");
    ASSERT_TRUE(open_dialog("connect-dialog"));
    browser.run("document.getElementById('connect-token').value = 's3cret'");
    browser.press(k_escape);
    ASSERT_TRUE(closed_dialog("connect-dialog"));
    EXPECT_TRUE(browser.wait_until("document.getElementById('connect-token').value === ''"));
}

TEST_F(AnOdooPage, asks_back_before_it_disconnects) {
    pair_with("https://shop.example.com");
    open();
    see("Paired with shop.example.com");
    browser.run("document.getElementById('odoo-disconnect').focus()");
    browser.press(k_enter);
    ASSERT_TRUE(open_dialog("disconnect-dialog"));
    see("https://shop.example.com can no longer use the devices of this box");
    EXPECT_EQ(focused(), "Cancel") << "a key that is pressed twice must change nothing";
    browser.press(k_enter);
    ASSERT_TRUE(closed_dialog("disconnect-dialog"));
    EXPECT_EQ(focused(), "Disconnect…");
    EXPECT_TRUE(asked_is({}));

    browser.press(k_enter);
    ASSERT_TRUE(open_dialog("disconnect-dialog"));
    click("#disconnect-dialog [type=submit]");
    EXPECT_TRUE(asked_is({"unpair"}));
    change([](FakeLink& side) { side.now.server = {}; });
    end();
    EXPECT_TRUE(closed_dialog("disconnect-dialog"));
    see("This box belongs to no database any more.");
}

TEST_F(AnOdooPage, shows_how_the_connection_stands_and_what_waits) {
    pair_with("https://shop.example.com");
    open();
    see("Connected");
    change([](FakeLink& side) {
        side.now.bus.state = "waiting";
        side.now.bus.reason = "shop.example.com refuses connections.";
        side.now.bus.next_try = std::chrono::milliseconds{7'400};
        side.now.uplink.waiting = 12;
        side.now.uplink.waiting_bytes = 5'000;
    });
    see("Server does not answer");
    see("shop.example.com refuses connections.");
    see("Waits for the next try in 8 s");
    see("12 (5 KiB)");
    change([](FakeLink& side) {
        side.now.bus.state = "polling";
        side.now.bus.reason.clear();
    });
    see("By polling: WebSockets do not pass");
}

TEST_F(AnOdooPage, shows_the_certificate_with_its_code_checks_it_and_takes_credentials) {
    pair_with("https://shop.example.com");
    change([](FakeLink& side) {
        side.now.certificate.source = "odoo";
        side.now.certificate.subject = "*.abc.odoo-iot.com";
        side.now.certificate.not_after = "2026-01-31 12:00:00";
        side.now.certificate.days_left = 9;
        side.now.certificate.code = "ERR_IOT_HTTPS_LOAD_NO_CREDENTIAL";
        side.now.certificate.text = "The number of the contract is missing.";
    });
    open();
    click("#odoo-certificate");
    ASSERT_TRUE(open_dialog("certificate-dialog"));
    see("ERR_IOT_HTTPS_LOAD_NO_CREDENTIAL");
    see("The number of the contract is missing.");
    see("2026-01-31 12:00:00 UTC (9 days)");
    see("*.abc.odoo-iot.com");
    click("#certificate-check");
    EXPECT_TRUE(asked_is({"check"}));
    end();
    see("Checked.");
    browser.run("document.getElementById('certificate-uuid').value = 'u-1'");
    click("#certificate-dialog [type=submit]");
    see("The number of the contract is missing: it is on the invoice");
    browser.run("document.getElementById('certificate-contract').value = 'M123'");
    click("#certificate-dialog [type=submit]");
    EXPECT_TRUE(asked_is({"check", "credentials u-1/M123"}));
    end();
    see("Saved.");
    EXPECT_EQ(browser.run("return document.getElementById('certificate-contract').value"),
              json::value(""));
}

TEST_F(AnOdooPage, asks_the_owner_what_the_server_may_not_decide) {
    open();
    change([](FakeLink& side) {
        side.now.confirmations = {
            {"00c0ffee00c0ffee", "remote_debug", "Odoo's support wants to see this box.", 1, 2},
            {"00c0ffee00c0ff00", "server_update", "<b id=evil>Move</b> to elsewhere?", 1, 2}};
    });
    see("Odoo's support wants to see this box.");
    see("<b id=evil>Move</b> to elsewhere?");
    EXPECT_EQ(browser.run("return document.querySelectorAll('#evil').length"), json::value(0));
    browser.run(
        "[...document.querySelectorAll('#confirmations section')].find(e => "
        "e.textContent.includes('support')).querySelector('[data-allow=false]').click()");
    EXPECT_TRUE(asked_is({"deny 00c0ffee00c0ffee"}));
    EXPECT_TRUE(
        browser.wait_until("document.querySelectorAll('#confirmations section').length === 1"));
    // Meanwhile it was answered elsewhere.
    box.on_loop([this] { link->now.confirmations[0].id = "another"; });
    click("#confirmations [data-allow=true]");
    see("There is no such request any more");
}

TEST_F(AnOdooPage, changes_a_level_of_the_log_and_says_until_when) {
    open();
    ASSERT_TRUE(browser.wait_until("!document.getElementById('log-levels').hidden"));
    click("#log-levels summary");
    see("toledo8217");
    const auto choose = [&](const std::string& level) {
        browser.run(
            "const select = document.querySelector('[data-component=toledo8217]');"
            "select.value = '" +
            level + "'; select.dispatchEvent(new Event('change'))");
    };
    choose("debug");
    see("until ");
    EXPECT_EQ(core::log_level("toledo8217"), core::LogLevel::debug);
    choose("");
    EXPECT_TRUE(browser.wait_until(
        "!document.getElementById('log-level-list').innerText.includes('until ')"));
    EXPECT_EQ(core::log_level("toledo8217"), core::LogLevel::info);
}

TEST_F(AnOdooPage, switches_the_sending_of_the_log_off) {
    pair_with("https://shop.example.com");
    open();
    ASSERT_TRUE(browser.wait_until("document.getElementById('log-send').checked"));
    box.on_loop([this] { link->now.logs.on = false; });
    click("#log-send");
    EXPECT_TRUE(asked_is({"logs off"}));
    EXPECT_TRUE(browser.wait_until("!document.getElementById('log-send').checked"));
}

TEST_F(AnOdooPage, shows_new_lines_of_the_log_as_they_come_and_finds_words_in_them) {
    core::log_info("test", "first.line", {{"number", "4711"}});
    open();
    click("#log-view summary");
    see("first.line number=4711");
    core::log_warning("test", "second.line", {{"markup", "<b id=evil>"}});
    see("second.line");
    EXPECT_EQ(browser.run("return document.querySelectorAll('#evil').length"), json::value(0));
    browser.run(
        "const words = document.getElementById('log-words'); words.value = 'SECOND test';"
        "words.dispatchEvent(new Event('input'))");
    EXPECT_TRUE(browser.wait_until("document.getElementById('log-lines').children.length === 1"));
    EXPECT_THAT(browser.text(), Not(HasSubstr("first.line")));
}

TEST_F(AnOdooPage, waits_for_a_box_that_restarts) {
    open();
    click("#odoo-restart");
    ASSERT_TRUE(open_dialog("restart-dialog"));
    EXPECT_EQ(focused(), "Cancel");
    click("#restart-dialog [type=submit]");
    see("The box restarts…");
    EXPECT_TRUE(asked_is({"restart"}));
    browser.press(k_escape);
    EXPECT_TRUE(open_dialog("restart-dialog")) << "there is nothing to go back to";
}

TEST_F(AnOdooPage, fits_a_narrow_screen) {
    pair_with("https://a-very-long-name-of-a-database-that-nobody-can-read.example.com");
    open();
    see("Paired with");
    browser.run("document.documentElement.style.inlineSize = '320px'");
    for (const char* dialog : {"#odoo-connect", "#odoo-certificate"}) {
        click(dialog);
        EXPECT_EQ(
            browser.run("const wide = [...document.querySelectorAll('#odoo *, dialog[open] *')]"
                        ".filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 "
                        "&& getComputedStyle(e).display !== 'inline').map(e => e.id || e.tagName);"
                        "return wide.join() + (document.body.scrollWidth > 320 ? ' body' : '')"),
            json::value(""))
            << dialog;
        click("dialog[open] [data-close]");
    }
}

TEST(APageWithoutAnOdooSide, has_no_place_for_it) {
    ServedApi::Setup setup;
    setup.more_routes = [](core::HttpRouter& router) {
        for (const core::StaticFile& file : core::homepage_files())
            router.add(std::string(file.path), [&file](const core::HttpExchangePtr& exchange) {
                core::HttpResponse response;
                response.content_type = file.content_type;
                response.body = file.content;
                exchange->respond(std::move(response));
            });
    };
    ServedApi box{std::move(setup)};
    Browser browser;
    browser.open("http://127.0.0.1:" + std::to_string(box.port()) + "/");
    ASSERT_THAT(browser.wait_for_text("No plug-in is installed"), HasSubstr("No plug-in"));
    EXPECT_THAT(browser.text(), Not(HasSubstr("Not paired")));
}

}  // namespace
}  // namespace backplane::tests
