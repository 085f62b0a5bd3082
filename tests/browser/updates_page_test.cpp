// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Updates on the homepage in a real browser, served by the real API; the test plays what the box does.
#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>

#include "api/tests/served_api.hpp"
#include "browser.hpp"
#include "homepage/homepage.hpp"

namespace backplane::tests {
namespace {

using core::DeliveredPlugin;
using core::UpdateReport;
using core::UpdateStep;
using core::test::FakeUpdates;
using core::test::ServedApi;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Phase = UpdateReport::Phase;

constexpr const char* k_enter = "\uE007";
constexpr const char* k_escape = "\uE00C";

/// Visible texts with less contrast than 4.5:1 (WCAG 2.2, 1.4.3).
constexpr const char* k_hard_to_read = R"js(
    const rgb = (text) => text.match(/[\d.]+/g).map(Number);
    const light = (text) => rgb(text).slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (node) => {
        for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor;
            if (rgb(colour)[3] !== 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const bad = [];
    for (const node of document.querySelectorAll("#updates *, #plugins *, #development")) {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        if (!own || !node.checkVisibility()) continue;
        const a = light(getComputedStyle(node).color), b = light(ground(node));
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) bad.push(`${node.textContent}: ${contrast.toFixed(1)}`);
    }
    return bad;)js";

void serve_homepage(core::HttpRouter& router) {
    for (const core::StaticFile& file : core::homepage_files())
        router.add(std::string(file.path), [&file](const core::HttpExchangePtr& exchange) {
            core::HttpResponse response;
            response.headers = {{"Content-Security-Policy", std::string(core::k_homepage_csp)},
                                {"X-Content-Type-Options", "nosniff"}};
            response.content_type = file.content_type;
            response.body = file.content;
            exchange->respond(std::move(response));
        });
}

ServedApi::Setup setup(bool has_updates) {
    ServedApi::Setup out;
    out.plugins = {{"acme_scale", "1.1.0"}, {"toledo8217", "1.0.0"}};
    out.has_updates = has_updates;
    out.more_routes = serve_homepage;
    return out;
}

class AnUpdatePage : public testing::Test {
protected:
    AnUpdatePage() {
        box.change([](FakeUpdates& updates) {
            DeliveredPlugin scale = core::test::delivered_plugin("acme_scale", "1.1.0", "trial");
            scale.reason = "It is watched for 10 minutes.";
            scale.last_good = "1.0.0";
            scale.quarantined = "1.2.0";
            scale.quarantined_reason = "crashed at open";
            scale.can_roll_back = scale.can_release = true;
            updates.list = {scale};
        });
        // What a real box does when it is asked.
        box.on_loop([this] {
            box.updates().on_question = [this](const std::string& question) {
                if (!question.starts_with("check")) return;
                box.updates().now.phase = Phase::downloading;
                box.updates().now.started += 1;
                box.updates().tell();
            };
        });
    }
    void open() {
        browser.open("http://127.0.0.1:" + std::to_string(box.port()) + "/");
        ASSERT_THAT(browser.wait_for_text("Force Drivers Update"),
                    HasSubstr("Force Drivers Update"));
        ASSERT_TRUE(browser.wait_until(
            "document.getElementById('updates-force').getAttribute('aria-disabled') === 'false'"));
    }
    void see(const std::string& text) { EXPECT_THAT(browser.wait_for_text(text), HasSubstr(text)); }
    void change(const std::function<void(UpdateReport&)>& work) {
        box.change([&](FakeUpdates& updates) { work(updates.now); });
    }
    bool asked_is(const std::vector<std::string>& wanted) {
        return eventually([&] { return box.asked() == wanted; });
    }
    void click(const std::string& selector) {
        browser.run("document.querySelector('" + selector + "').click()");
    }
    std::string focused() {
        const json::value text = browser.run("return document.activeElement.textContent.trim()");
        return text.is_string() ? std::string(text.get_string()) : std::string();
    }
    void focus(const std::string& selector) {
        browser.run("document.querySelector('" + selector + "').focus()");
    }

    ServedApi box{setup(true)};
    Browser browser;
};

TEST_F(AnUpdatePage, begins_an_update_and_shows_it_go_on_until_its_end) {
    open();
    click("#updates-force");
    EXPECT_TRUE(asked_is({"check force"}));
    see("Downloading…");
    change([](UpdateReport& now) {
        now.received = 3'100'000;
        now.expected = 4'000'000;
    });
    see("3.1 of 4.0 MB");
    EXPECT_EQ(browser.run("return document.querySelector('#updates-bar').value"),
              json::value(3'100'000));
    change([](UpdateReport& now) { now.phase = Phase::verifying; });
    see("Checking the signatures…");
    change([](UpdateReport& now) {
        now.phase = Phase::swapping;
        now.steps = {{"acme_scale", "1.0.0", "1.1.0", UpdateStep::State::swapping, "", ""},
                     {"acme_printer", "", "2.0.0", UpdateStep::State::waiting, "", ""}};
    });
    see("Swapping acme_scale from 1.0.0 to 1.1.0…");
    see("Being swapped");
    change([](UpdateReport& now) {
        now.phase = Phase::idle;
        now.result = "partly";
        now.text = "One of two drivers was updated.";
        now.steps[0].state = UpdateStep::State::done;
        now.steps[0].text = "acme_scale 1.1.0 runs and is watched for 10 minutes.";
        now.steps[1].state = UpdateStep::State::failed;
        now.steps[1].text = "acme_printer 2.0.0 did not start.";
    });
    see("Partly updated");
    see("One of two drivers was updated.");
    see("acme_scale 1.1.0 runs and is watched for 10 minutes.");
    see("acme_printer 2.0.0, new");
    see("acme_printer 2.0.0 did not start.");
}

TEST_F(AnUpdatePage, does_not_begin_a_second_update_while_one_runs) {
    open();
    focus("#updates-force");
    browser.press(k_enter);
    see("Downloading…");
    browser.press(k_enter);
    click("#updates-force");
    // The answer to a further question comes after those of the presses before it.
    change([](UpdateReport& now) { now.phase = Phase::verifying; });
    see("Checking the signatures…");
    EXPECT_THAT(box.asked(), ElementsAre("check force"));
    EXPECT_EQ(focused(), "Force Drivers Update") << "the focus stays where it was";
}

TEST_F(AnUpdatePage, says_why_an_update_did_not_begin) {
    box.on_loop([&] {
        box.updates().on_question = {};
        box.updates().errors["check"] = {"update.running", "An update is running already."};
    });
    open();
    click("#updates-force");
    see("An update is running already.");
}

TEST_F(AnUpdatePage, shows_where_each_plug_in_comes_from_and_how_it_stands) {
    open();
    const std::string seen = browser.wait_for_text("It is watched for 10 minutes.");
    for (const char* text :
         {"bundle acme 12", "Acme Ltd", "On trial", "It is watched for 10 minutes.", "1.0.0",
          "1.2.0: crashed at open", "the box"}) {
        EXPECT_THAT(seen, HasSubstr(text));
    }
}

TEST_F(AnUpdatePage, asks_back_before_it_rolls_back_and_takes_no_for_an_answer) {
    open();
    focus("[data-wish=rollback]");
    browser.press(k_enter);
    see("Return to version 1.0.0? Version 1.1.0 is put away and not tried again.");
    EXPECT_EQ(focused(), "Cancel") << "a key that is pressed twice must change nothing";
    browser.press(k_enter);
    EXPECT_TRUE(browser.wait_until("!document.querySelector('.confirm:not([hidden])')"));
    EXPECT_EQ(focused(), "Roll back");
    browser.press(k_enter);
    browser.press(k_escape);
    EXPECT_TRUE(browser.wait_until("!document.querySelector('.confirm:not([hidden])')"));
    EXPECT_EQ(focused(), "Roll back");
    EXPECT_THAT(box.asked(), IsEmpty());

    browser.press(k_enter);
    focus(".confirm:not([hidden]) .strong");
    EXPECT_EQ(focused(), "Roll back");
    box.on_loop([&] {
        box.updates().on_question = [&](const std::string&) {
            box.updates().list[0].version = "1.0.0";
            box.updates().list[0].can_roll_back = false;
            box.updates().tell();
        };
    });
    browser.press(k_enter);
    EXPECT_TRUE(asked_is({"rollback acme_scale"}));
    see("Version 1.0.0 runs again.");
    EXPECT_TRUE(browser.wait_until("document.querySelector('[data-wish=rollback]').hidden"));
}

TEST_F(AnUpdatePage, pins_and_unpins_and_releases) {
    open();
    const auto wish = [&](const std::string& name) {
        click("[data-wish=" + name + "]");
        click(".confirm:not([hidden]) .strong");
    };
    wish("pin");
    see("Pinned.");
    box.change([](FakeUpdates& updates) { updates.list[0].pinned = true; });
    ASSERT_TRUE(browser.wait_until("!document.querySelector('[data-wish=unpin]').hidden"));
    EXPECT_EQ(browser.run("return document.querySelector('[data-wish=pin]').hidden"),
              json::value(true));
    wish("unpin");
    see("Updates may change it again.");
    click("[data-wish=release]");
    see("Forget its crashes and try version 1.2.0 again?");
    click(".confirm:not([hidden]) .strong");
    see("Released.");
    EXPECT_TRUE(asked_is({"pin acme_scale", "unpin acme_scale", "release acme_scale"}));
}

TEST_F(AnUpdatePage, shows_in_the_card_why_a_wish_was_refused) {
    box.on_loop([&] {
        box.updates().errors["rollback"] = {"update.below_floor",
                                            "Version 1.0.0 must not run any more."};
    });
    open();
    click("[data-wish=rollback]");
    click(".confirm:not([hidden]) .strong");
    see("Version 1.0.0 must not run any more.");
    EXPECT_TRUE(browser.wait_until(
        "document.querySelector('#plugins [role=alert]').textContent.includes('must not run')"));
}

TEST_F(AnUpdatePage,
       keeps_a_question_open_while_the_box_goes_on_and_no_longer_than_it_makes_sense) {
    open();
    click("[data-wish=rollback]");
    box.change([](FakeUpdates& updates) { updates.list[0].reason = "It has run for an hour."; });
    see("It has run for an hour.");
    EXPECT_THAT(browser.text(), HasSubstr("Return to version 1.0.0?"));
    box.change([](FakeUpdates& updates) { updates.list[0].can_roll_back = false; });
    EXPECT_TRUE(browser.wait_until("!document.querySelector('.confirm:not([hidden])')"));
    EXPECT_THAT(box.asked(), IsEmpty());
}

TEST_F(AnUpdatePage, offers_nothing_for_a_plug_in_that_no_update_has_touched) {
    open();
    EXPECT_EQ(browser.run("return [...document.querySelectorAll('[data-wish]')]"
                          ".filter(e => e.checkVisibility()).map(e => e.ariaLabel).join()"),
              json::value("Roll back acme_scale,Pin acme_scale,Release acme_scale"));
}

TEST_F(AnUpdatePage, says_development_mode_for_as_long_as_it_lasts) {
    change([](UpdateReport& now) {
        now.warnings = {"The release acme 12 has expired.",
                        "Development mode: builds that anybody has signed are accepted."};
    });
    open();
    EXPECT_TRUE(
        browser.wait_until("document.getElementById('development').innerText === "
                           "'Development mode: builds that anybody has signed are accepted.'"));
    EXPECT_TRUE(browser.wait_until(
        "document.getElementById('problems').innerText.includes('acme 12 has expired')"));
    change([](UpdateReport& now) { now.warnings.clear(); });
    EXPECT_TRUE(browser.wait_until("!document.getElementById('development').checkVisibility()"));
}

TEST_F(AnUpdatePage, says_the_phase_aloud_but_not_each_byte) {
    open();
    change([](UpdateReport& now) {
        now.phase = Phase::downloading;
        now.received = 1'000'000;
        now.expected = 4'000'000;
    });
    see("1.0 of 4.0 MB");
    EXPECT_EQ(browser.run("return document.querySelector('#updates-now').innerText"
                          ".replace(/\\s+/g, ' ').trim()"),
              json::value("Update runs Downloading…"));
    EXPECT_EQ(browser.run("const now = document.querySelector('#updates-now');"
                          "return now.role + ' ' + now.ariaLive"),
              json::value("status polite"));
    EXPECT_EQ(browser.run("return document.querySelector('#updates-bar').ariaValueText"),
              json::value("1.0 of 4.0 MB"));
    EXPECT_EQ(browser.run("return document.querySelectorAll('[role=status] progress').length"),
              json::value(0));
}

TEST_F(AnUpdatePage, shows_what_the_box_says_as_text_and_never_as_markup) {
    box.change([](FakeUpdates& updates) {
        updates.now.result = "failed";
        updates.now.text = "<img src=x> <b id=evil>failed</b>";
        updates.now.warnings = {"<i id=evil>development</i>"};
        updates.list[0].reason = "<u id=evil>reason</u>";
    });
    open();
    see("<b id=evil>failed</b>");
    see("<u id=evil>reason</u>");
    EXPECT_EQ(browser.run("return document.querySelectorAll('#evil, main img').length"),
              json::value(0));
}

TEST_F(AnUpdatePage, can_be_read_in_both_schemes_of_colours) {
    change([](UpdateReport& now) {
        now.result = "partly";
        now.text = "One of two drivers was updated.";
        now.warnings = {"The box is in development mode."};
        now.steps = {{"acme_scale", "1.0.0", "1.1.0", UpdateStep::State::done, "", "It runs."},
                     {"acme_printer", "1", "2", UpdateStep::State::failed, "", "It crashed."},
                     {"acme_old", "1", "2", UpdateStep::State::left_out, "", "It is too old."}};
    });
    open();
    see("It crashed.");
    click("[data-wish=rollback]");
    for (const bool dark : {false, true}) {
        browser.prefer_dark(dark);
        ASSERT_TRUE(browser.wait_until("matchMedia('(prefers-color-scheme: " +
                                       std::string(dark ? "dark" : "light") + ")').matches"));
        // Transitions of colours end first: what is measured is what stays.
        browser.run("for (const each of document.getAnimations()) each.finish()");
        const json::value bad = browser.run(k_hard_to_read);
        EXPECT_EQ(json::serialize(bad), "[]") << (dark ? "dark" : "light");
    }
}

TEST_F(AnUpdatePage, runs_nothing_inline) {
    open();
    EXPECT_EQ(
        browser.run("return document.querySelectorAll('script:not([src]), [style], style').length"),
        json::value(0));
}

TEST(APageWithoutUpdates, has_no_place_for_them) {
    ServedApi box{setup(false)};
    Browser browser;
    browser.open("http://127.0.0.1:" + std::to_string(box.port()) + "/");
    ASSERT_THAT(browser.wait_for_text("toledo8217"), HasSubstr("toledo8217"));
    EXPECT_THAT(browser.text(), Not(HasSubstr("Force Drivers Update")));
}

}  // namespace
}  // namespace backplane::tests
