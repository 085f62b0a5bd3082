// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What each command asks the box and shows. Errors go to stderr as one line; nothing throws.
#pragma once

#include <string>

#include "box_client.hpp"
#include "exit_code.hpp"
#include "table.hpp"

namespace backplane::cli {

struct LogsOptions {
    unsigned count = 50;
    std::string level;      ///< empty: all
    std::string component;  ///< empty: all
    bool follow = false;
    unsigned lost_box_s = 60;  ///< how long --follow waits for a box that went away
};

struct Output {
    Terminal terminal;
    bool json = false;  ///< the answers of the box, as they are
};

ExitCode show_status(const BoxClient& box, const Output& output);
ExitCode show_devices(const BoxClient& box, const Output& output);
ExitCode show_logs(const BoxClient& box, const Output& output, const LogsOptions& options);

}  // namespace backplane::cli
