// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What an action becomes on its way to a device, whether the server or a browser asked for it (protocol page, 4.3). Pure
// functions.
#pragma once

#include <boost/json/object.hpp>

#include <string>

#include "backplane/core/devices.hpp"
#include "backplane/core/result.hpp"

namespace backplane::sync {

/// False for what listeners know but nobody can use.
bool can_act(const core::DeviceInfo& device) noexcept;

/// The request to the device as core gets it, with the time that its kind may take; what Odoo sends as base64 becomes
/// bytes for a printer. Error "action.payload": a document is no base64. Its text is only the name of that member: the
/// caller knows whom to tell, and how.
core::Result<core::ActionRequest> request_for(const core::DeviceInfo& device, std::string name,
                                              std::string unique_id, std::string session,
                                              boost::json::object data);

}  // namespace backplane::sync
