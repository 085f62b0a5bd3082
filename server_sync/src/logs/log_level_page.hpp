// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Log levels as Odoo's own page for a box knows them: the answer of GET /iot_drivers/log_levels and what
// POST /iot_drivers/log_levels_update asks for (protocol page, 2.3).
//
// That page has a level for everything ("root"), one for Odoo's own code, and one for each file of a driver or an
// interface; here a file is a plug-in by its name, and Odoo's code is the component "odoo". A change ends by itself
// after 7 days, as every change of a level does. Thread: the main loop's. Errors are answers for the page.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/log_levels.hpp"

namespace backplane::sync {

struct LogLevelPage {
    std::string server;  ///< address of the database; empty while not paired
    bool to_server = false;
    std::vector<std::string> drivers, interfaces;  ///< names of plug-ins
};

boost::json::object log_levels_answer(const core::LogLevels& levels, const LogLevelPage& page);

/// `name` is "log-to-server" (then `value` is a bool), "iot-logging-root", "iot-logging-odoo",
/// "iot-logging-driver-NAME" or "iot-logging-interface-NAME"; `value` a level, or "parent" for a plug-in that shall
/// follow the root again. Only plug-ins of `page` can be set.
/// {"status": "success"}, or {"status": "error", "message"}.
boost::json::object update_log_level(core::LogLevels& levels, const LogLevelPage& page,
                                     std::string_view name, const boost::json::value& value,
                                     const std::function<void(bool)>& send_to_server);

}  // namespace backplane::sync
