// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box that starts in a bad moment: no network, no names, a wrong clock.
#include <cmath>
#include <cstdlib>
#include <ctime>

#include "odoo_fixture.hpp"

namespace backplane::tests {

using testing::HasSubstr;

class ABoxInABadMoment : public ABoxAndOdoo {
protected:
    /// Paired, and then off.
    void pair_and_stop() {
        start_box();
        pair();
        ASSERT_EQ(box_->stop(), 0);
    }
    void expect_devices_to_work() {
        box_->wait_for_state("ledger_camera", "ready");
        const std::size_t before = ledger().size();
        box_->action("ledger_camera", {{"n", "local"}, {"action", "take_picture"}});
        EXPECT_TRUE(wait_for_ledger(before + 1, 2s));
    }
};

TEST_F(ABoxInABadMoment, works_without_its_server_and_is_back_when_that_is_there) {
    pair_and_stop();
    odoo_.stop();
    restart();
    expect_devices_to_work();
    const json::object status = wait_for_status([](const json::object& all) {
        return text_at(all, {"bus", "state"}) == "waiting";
    });
    EXPECT_EQ(text_at(status, {"pairing", "state"}), "paired");
    EXPECT_THAT(std::string(text_at(status, {"bus", "reason"})), HasSubstr("127.0.0.1"));
    odoo_.start();
    EXPECT_TRUE(odoo_.wait_for_box_connected(5s * k_patience));
}

TEST_F(ABoxInABadMoment, works_without_names) {
    start_box();
    // A name that nobody has (RFC 6761), as when the name server is away.
    ASSERT_EQ(
        post("/api/v1/odoo/pair", {{"token", "https://shop.invalid?token=abc&db_uuid=d"}}).status,
        200);
    restart();
    expect_devices_to_work();
    const json::object status = wait_for_status([](const json::object& all) {
        return text_at(all, {"registration", "state"}) == "failing";
    });
    EXPECT_THAT(std::string(text_at(status, {"registration", "reason"})),
                HasSubstr("shop.invalid"));
}

/// Ten years ahead and behind; CLOCK_REALTIME only, as a box without a battery has it.
class AWrongClock : public ABoxInABadMoment, public testing::WithParamInterface<int> {
protected:
    static constexpr long k_year_s = 365L * 86400;
};

TEST_P(AWrongClock, keeps_nobody_from_working) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP()
        << "a sanitizer's runtime and the library that changes the clock both want to be the first";
#endif
    pair_and_stop();
    ASSERT_EQ(::setenv("LD_PRELOAD", BP_SHIFTED_CLOCK, 1), 0);
    ::setenv("BP_CLOCK_SHIFT_S", std::to_string(GetParam() * k_year_s).c_str(), 1);
    restart();
    for (const char* name : {"LD_PRELOAD", "BP_CLOCK_SHIFT_S"}) ::unsetenv(name);
    const double stamped = number_in(odoo_status().at("pairing").as_object(), "since").value_or(0);
    ASSERT_GT(std::abs(stamped - static_cast<double>(std::time(nullptr))), 9.0 * k_year_s)
        << "the box has the right time, so this test shows nothing";
    expect_devices_to_work();
    EXPECT_TRUE(odoo_.wait_for_box_connected());
    odoo_.notify_action("ledger_printer", "print_receipt", {{"n", "far"}});
    ASSERT_TRUE(wait_for_ledger(2));
}

INSTANTIATE_TEST_SUITE_P(ByYears, AWrongClock, testing::Values(10, -10));

}  // namespace backplane::tests
