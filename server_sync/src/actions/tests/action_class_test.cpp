// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "actions/action_class.hpp"

#include <gtest/gtest.h>

namespace backplane::sync {
namespace {

TEST(AnActionOfADevice, counts_once_where_money_or_law_is_at_stake_and_may_repeat_where_paper_is) {
    struct Case {
        const char* type;
        const char* action;
        ActionClass is;
    };
    constexpr auto once = ActionClass::once;
    constexpr auto repeatable = ActionClass::repeatable;
    constexpr auto harmless = ActionClass::harmless;
    for (const auto& [type, action, is] : {
             Case{"printer", "cashbox", once},
             {"printer", "open_cashbox", once},
             {"", "cashbox", once},  // of a device that is not known yet
             {"payment", "", once},
             {"payment", "anything", once},
             {"fiscal_data_module", "registerReceipt", once},
             {"fiscal_data_module", "", once},
             {"fiscal_data_module", "status", harmless},
             {"device", "registerReceiptWeb", once},
             {"printer", "print_receipt", repeatable},
             {"printer", "", repeatable},
             {"printer", "status", repeatable},  // prints a ticket
             {"printer", "new_action_of_next_year", repeatable},
             {"", "", repeatable},
             {"unheard_of", "unheard_of", repeatable},
             {"scale", "read_once", harmless},
             {"scale", "start_reading", harmless},
             {"scale", "stop_reading", harmless},
             {"camera", "", harmless},
             {"display", "update_url", harmless},
             {"display", "open", harmless},
             {"keyboard", "update_layout", harmless},
             {"scanner", "update_is_scanner", harmless},
             {"device", "read_once", harmless},
         })
        EXPECT_EQ(class_of(type, action), is)
            << type << ' ' << action << ": " << to_string(class_of(type, action));
}

}  // namespace
}  // namespace backplane::sync
