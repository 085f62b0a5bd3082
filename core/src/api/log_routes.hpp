// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// GET /api/v1/logs, and GET and POST /api/v1/logs/levels.
#pragma once

#include <memory>

#include "api/api.hpp"
#include "backplane/core/http.hpp"

namespace backplane::core {

void install_log_routes(HttpRouter& router, std::shared_ptr<const ApiContext> context);

}  // namespace backplane::core
