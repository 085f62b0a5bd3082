// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A person pairs a whole box with a database by its homepage, and parts them again.
#include <gmock/gmock.h>

#include "browser.hpp"
#include "doubles/odoo_server.hpp"
#include "support/box_test.hpp"

namespace backplane::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

class AHomepageAndADatabase : public BoxTest {
protected:
    void open(const std::string& proxy) {
        BoxProcess::Options options;
        options.config = "odoo:\n  certificate_service: \"\"\n  pairing_proxy: \"" + proxy + "\"\n";
        options.state_dir = folder_ / "state";
        start(std::move(options));
        browser.open("http://127.0.0.1:" + std::to_string(box().port()) + "/");
        see("Not paired with a database");
    }
    void see(const std::string& text) { EXPECT_THAT(browser.wait_for_text(text), HasSubstr(text)); }
    void click(const std::string& selector) {
        browser.run("document.querySelector('" + selector + "').click()");
    }
    void send_token(const std::string& token) {
        click("#odoo-connect");
        ASSERT_TRUE(browser.wait_until("document.getElementById('connect-dialog').open"));
        browser.run("document.getElementById('connect-token').value = '" + token + "'");
        click("#connect-dialog [type=submit]");
    }

    OdooServer odoo;
    Browser browser;
};

TEST_F(AHomepageAndADatabase, are_paired_by_token_and_parted_again) {
    open("");
    send_token(odoo.connection_token());
    see("Paired with 127.0.0.1:" + std::to_string(odoo.port()));
    EXPECT_TRUE(odoo.wait_for_box_connected());
    see("Connected");
    click("#odoo-disconnect");
    click("#disconnect-dialog [type=submit]");
    see("This box belongs to no database any more.");
    see("Not paired with a database");
    EXPECT_TRUE(odoo.wait_for_box_disconnected());
}

TEST_F(AHomepageAndADatabase, say_what_is_wrong_with_a_token) {
    open("");
    send_token("nonsense");
    EXPECT_TRUE(browser.wait_until(
        "document.querySelector('#connect-dialog [role=alert]').textContent.length > 20"));
    EXPECT_THAT(browser.text(), Not(HasSubstr("Paired with")));
}

}  // namespace
}  // namespace backplane::tests
