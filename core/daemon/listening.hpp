// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Where the box listens: HTTP and HTTPS on its addresses, sockets of the service manager, and the Unix socket of the
// backplane command.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backplane/core/config.hpp"
#include "backplane/core/http.hpp"
#include "backplane/core/result.hpp"

namespace backplane::daemon {

struct Listening {
    std::vector<std::uint16_t> http,
        https;                          ///< ports, each once; inherited ones are not among them
    std::vector<std::string> problems;  ///< what its owner should know
};

/// Error: not a single address could be had for HTTP, without which nobody finds the box. All else is a problem, and the
/// box works on.
core::Result<Listening> listen(core::HttpServer& server, const core::Config& config,
                               const std::string& control_socket);

}  // namespace backplane::daemon
