// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The homepage in a real browser: what a person sees when the scale says something.
#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>

#include <cstdlib>

#include "browser.hpp"
#include "support/box_test.hpp"

namespace backplane::tests {
namespace {

using testing::HasSubstr;

class AHomepage : public BoxTest {
protected:
    std::string url() { return "http://127.0.0.1:" + std::to_string(box().port()) + "/"; }
};

TEST_F(AHomepage, says_that_the_box_is_gone_when_it_is) {
    start_demo();
    Browser browser;
    browser.open(url());
    ASSERT_THAT(browser.wait_for_text("Everything works"), HasSubstr("Everything works"));
    EXPECT_EQ(box().stop(), 0);
    EXPECT_THAT(browser.wait_for_text("Not connected"), HasSubstr("Not connected"));
}

TEST_F(AHomepage, shows_the_reason_and_no_number_while_the_scale_is_in_motion) {
    BoxProcess& box = start_demo();
    Browser browser;
    box.simulate("scale", {{"weight_kg", 3.21}});
    browser.open(url());
    ASSERT_THAT(browser.wait_for_text("3.210"), HasSubstr("3.210"));
    box.simulate("scale", {{"motion", true}});
    const std::string seen = browser.wait_for_text("in motion");
    EXPECT_THAT(seen, HasSubstr("in motion"));
    EXPECT_EQ(browser.run("return document.querySelector('.value').innerText.includes('3.210')"),
              json::value(false));
}

TEST_F(AHomepage, shows_each_weight_as_the_scale_gives_it) {
    BoxProcess& box = start_demo();
    Browser browser;
    browser.open(url());
    for (const char* weight : {"0.125", "7.500", "1.234"}) {
        box.simulate("scale", {{"weight_kg", std::atof(weight)}});
        EXPECT_THAT(browser.wait_for_text(weight), HasSubstr(weight));
    }
}

TEST_F(AHomepage, says_which_box_it_is_and_lists_what_it_has) {
    start_demo();
    const json::object status = box().get("/api/v1/status").json().as_object();
    const auto of_the_box = [&](const char* member) {
        return std::string(status.at(member).as_string());
    };
    Browser browser;
    browser.open(url());
    for (const std::string& text :
         {"box " + of_the_box("identifier"), "Backplane " + of_the_box("version"),
          "127.0.0.1:" + std::to_string(box().port()), std::string("running for")})
        EXPECT_THAT(browser.wait_for_text(text), HasSubstr(text));
    const json::array devices = box().get("/api/v1/devices").json().at("devices").as_array();
    ASSERT_FALSE(devices.empty());
    for (const json::value& device : devices) {
        const std::string name(device.at("name").as_string());
        EXPECT_THAT(browser.wait_for_text(name), HasSubstr(name));
    }
}

TEST_F(AHomepage, restarts_its_box_and_comes_back_by_itself) {
    // A port that stays the same: one that was free a moment ago.
    start_demo();
    BoxProcess::Options options;
    options.demo = true;
    options.http_port = box().port();
    ASSERT_EQ(box().stop(), 0);
    start(std::move(options)).wait_for_state("scale", "ready");
    const auto started = [this] {
        const HttpAnswer answer = box().get("/api/v1/status");
        return answer.status == 200 ? answer.json().at("started_at").to_number<double>() : 0;
    };
    const double before = started();
    Browser browser;
    browser.open(url());
    ASSERT_THAT(browser.wait_for_text("Everything works"), HasSubstr("Everything works"));
    browser.run("window.is_the_old_page = true; document.getElementById('odoo-restart').click()");
    ASSERT_TRUE(browser.wait_until("document.getElementById('restart-dialog').open"));
    browser.run("document.querySelector('#restart-dialog [type=submit]').click()");
    EXPECT_TRUE(browser.wait_until("window.is_the_old_page === undefined"));
    EXPECT_THAT(browser.wait_for_text("Everything works"), HasSubstr("Everything works"));
    EXPECT_GT(started(), before);
}

TEST_F(AHomepage, takes_nothing_from_elsewhere_and_runs_nothing_inline) {
    start_demo();
    Browser browser;
    browser.open(url());
    ASSERT_THAT(browser.wait_for_text("Everything works"), HasSubstr("Everything works"));
    const json::value others = browser.run(
        "return performance.getEntriesByType('resource').map(e => e.name).filter(n => "
        "!n.startsWith(location.origin))");
    EXPECT_EQ(json::serialize(others), "[]");
    EXPECT_EQ(
        browser.run("return document.querySelectorAll('script:not([src]), [style], style').length"),
        json::value(0));
}

}  // namespace
}  // namespace backplane::tests
