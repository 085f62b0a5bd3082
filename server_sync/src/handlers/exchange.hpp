// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One request for bundles, from the name of the server to the last byte: the blocking half of a
// download. The only file here that knows the HTTP client is its source.
#pragma once

#include <stop_token>

#include "backplane/sync/handlers.hpp"
#include "server/line.hpp"

namespace backplane::sync {

/// Thread: a worker's; blocks, until `line` is cut at the latest (and `stop` requested). What has
/// come is counted in `line`. Errors: E_NET, E_SERVER, E_SIZE, E_SLOW.
core::Result<core::BundleAnswer> ask_for_handlers(const HandlerServer& server,
                                                  const HandlerDownloadOptions& options,
                                                  const core::BundleRequest& wanted, Line& line,
                                                  std::stop_token stop);

}  // namespace backplane::sync
