// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// /api/v1/update… and what the owner may do with one plug-in: POST /api/v1/plugins/NAME/rollback, pin, unpin, release.
#pragma once

#include <memory>

#include "api/api.hpp"
#include "backplane/core/http.hpp"

namespace backplane::core {

void install_update_routes(HttpRouter& router, std::shared_ptr<const ApiContext> context);

}  // namespace backplane::core
