// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What an "iot_action" notification asks for (protocol page, 4.3). Pure functions.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/devices.hpp"
#include "backplane/core/result.hpp"
#include "websocket/notification.hpp"

namespace backplane::sync {

struct ServerAction {
    std::vector<std::string> devices;  ///< identifiers, each once, at most 256 bytes each
    std::string name;
    std::string unique_id;      ///< empty: it has none
    std::string session = "0";  ///< of the page that is to get the answer
    boost::json::object data;   ///< the whole payload but the names of boxes
};

/// Error: why nobody can tell what it asks for.
core::Result<ServerAction> read_server_action(boost::json::value payload);

/// True for what makes sense only while the action before it is running: the cancellation of a payment.
bool goes_beside(std::string_view device_type, std::string_view name,
                 const boost::json::object& data) noexcept;

/// Whether an action with this outcome may have had its effect all the same.
bool is_unsure(const core::ActionOutcome& outcome) noexcept;

}  // namespace backplane::sync
