// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "actions/action_class.hpp"

#include <array>

namespace backplane::sync {

namespace {

struct Rule {
    std::string_view type;    ///< empty: of any type
    std::string_view action;  ///< empty: the default action; "*": any
    ActionClass is;
};

// The first that fits. Names: protocol page, 2.5 and 5.1 to 5.10.
constexpr std::array k_rules{
    // Money and law. A question to such a device is one action among others there: all of it counts once.
    Rule{"payment", "*", ActionClass::once},
    Rule{"fiscal_data_module", "status", ActionClass::harmless},
    Rule{"fiscal_data_module", "*", ActionClass::once},
    Rule{"fiscal", "status", ActionClass::harmless},
    Rule{"fiscal", "*", ActionClass::once},
    Rule{"", "cashbox", ActionClass::once},
    Rule{"", "open_cashbox", ActionClass::once},
    Rule{"", "open_drawer", ActionClass::once},
    Rule{"", "registerReceipt", ActionClass::once},
    Rule{"", "registerReceiptWeb", ActionClass::once},
    Rule{"", "registerPIN", ActionClass::once},
    // What ends up in the same state however often it is done, or only asks.
    Rule{"scale", "*", ActionClass::harmless},
    Rule{"camera", "*", ActionClass::harmless},
    Rule{"display", "*", ActionClass::harmless},
    Rule{"keyboard", "*", ActionClass::harmless},
    Rule{"scanner", "*", ActionClass::harmless},
    Rule{"device", "read_once", ActionClass::harmless},
    Rule{"device", "", ActionClass::harmless},  // a caliper's last value
    Rule{"", "get_status", ActionClass::harmless},
};

}  // namespace

std::string_view to_string(ActionClass action) noexcept {
    switch (action) {
        case ActionClass::harmless:
            return "harmless";
        case ActionClass::repeatable:
            return "repeatable";
        case ActionClass::once:
            return "once";
    }
    return "unknown";
}

ActionClass class_of(std::string_view device_type, std::string_view action) noexcept {
    for (const Rule& rule : k_rules)
        if ((rule.type.empty() || rule.type == device_type) &&
            (rule.action == "*" || rule.action == action))
            return rule.is;
    return ActionClass::repeatable;
}

}  // namespace backplane::sync
