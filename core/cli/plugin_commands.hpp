// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane plugins`: the list, one of them, and what its owner may ask for.
#pragma once

#include <string>

#include "box_client.hpp"
#include "commands.hpp"
#include "exit_code.hpp"

namespace backplane::cli {

struct PluginsOptions {
    std::string verb;  ///< "show", "rollback", "pin", "unpin", "release"; empty: the list
    std::string name;  ///< of the plug-in
};

ExitCode plugins(const BoxClient& box, const Output& output, const PluginsOptions& options);

}  // namespace backplane::cli
