// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a box tells its server about itself, and what the server says to that. Pure functions.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/devices.hpp"
#include "backplane/core/result.hpp"
#include "backplane/sync/browser.hpp"
#include "server/requests.hpp"

namespace backplane::sync {

/// The parameters of /iot/setup (protocol page, 3.3).
boost::json::object registration_params(const BoxInfo& box, std::string_view token,
                                        const std::vector<core::DeviceInfo>& devices);

/// The channel of the bus, or "" of a server that names none (newer ones know it themselves). Error
/// "setup.status", "setup.page", "setup.answer", "setup.refused": with the reason for people.
core::Result<std::string> registration_answer(const std::string& origin,
                                              const ServerAnswer& answer);

}  // namespace backplane::sync
