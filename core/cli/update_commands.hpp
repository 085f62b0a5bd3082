// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane update`: asks the box to update its plug-ins, and shows how that goes.
#pragma once

#include <string>

#include "box_client.hpp"
#include "commands.hpp"
#include "exit_code.hpp"

namespace backplane::cli {

struct UpdateOptions {
    bool force = false;
    bool wait = true;
    bool status = false;         ///< begin nothing, only tell
    std::string file;            ///< a bundle to install instead of asking the server; "-": stdin
    unsigned most_wait_s = 900;  ///< for the end of the update
    unsigned lost_box_s = 60;    ///< for a box that went away meanwhile
};

ExitCode update(const BoxClient& box, const Output& output, const UpdateOptions& options);

}  // namespace backplane::cli
