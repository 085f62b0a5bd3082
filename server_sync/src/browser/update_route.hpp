// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// GET /iot_drivers/load_iot_handlers: "Force Drivers Update" in Odoo's own dialog.
//
// Odoo's box downloads, restarts, and answers after that; its page then asks for /iot_drivers/ping
// until the box is back. This box says as soon as the update has begun that it has, and need not
// restart: the page finds it there at once. How the update ends is on the box's own homepage.
#pragma once

#include "backplane/core/http.hpp"
#include "backplane/core/update.hpp"

namespace backplane::sync {

/// Nothing waits here: the answer is sent when the update has begun or was refused. `updates` null:
/// this box updates nothing, and says so. Whether the caller may ask is decided before.
void load_handlers(core::Updates* updates, const core::HttpExchangePtr& exchange);

}  // namespace backplane::sync
