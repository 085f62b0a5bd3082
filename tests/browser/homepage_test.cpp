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
