// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The button on the homepage of a real box, in a real browser, with a bundle that a server delivers.
#include "../browser/browser.hpp"

#include <gmock/gmock.h>

#include "update_fixture.hpp"

namespace backplane::tests {
namespace {

using testing::HasSubstr;

class ThePageOfABox : public AnUpdate {
protected:
    ThePageOfABox() {
        own("box", "swap_bus");
        own("box", "swap_scale");
        server_.script({Answer::empty()});
        start_box();
        box_->wait_for_state("swap1", "ready");
        wait_for_end_of_update();
        browser_.open("http://127.0.0.1:" + std::to_string(box_->port()) + "/");
        browser_.wait_for_text("swap_scale");
    }
    void press_the_button() { browser_.run("document.querySelector('#updates-force').click()"); }
    Browser browser_;
};

TEST_F(ThePageOfABox, shows_what_became_of_each_driver_and_which_version_runs_now) {
    maker_.add(build("good", "swap_scale"));
    deliver();
    press_the_button();
    browser_.wait_for_text("swap_scale 1.1.0 runs and is watched for 10 minutes");
    browser_.wait_for_text("bundle acme 1");
    EXPECT_EQ(plugin("swap_scale").at("version").as_string(), "1.1.0");
}

TEST_F(ThePageOfABox, says_in_plain_words_that_a_bad_driver_was_not_taken) {
    maker_.add(build("crash_at_open", "swap_scale"));
    deliver();
    press_the_button();
    EXPECT_THAT(browser_.wait_for_text("1.0.0 goes on"), HasSubstr("1.3.0"));
}

TEST_F(ThePageOfABox, says_why_a_download_was_of_no_use) {
    server_.script({Answer::html()});
    press_the_button();
    browser_.wait_for_text("web page");
}

}  // namespace
}  // namespace backplane::tests
