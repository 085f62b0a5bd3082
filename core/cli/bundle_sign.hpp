// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane bundle sign`: whatever documents of a folder the key has a role in.
#pragma once

#include <string>
#include <vector>

#include "exit_code.hpp"

namespace backplane::cli {

struct SignOptions {
    std::string folder;
    std::string bundle;             ///< empty: all of the folder
    std::vector<std::string> keys;  ///< secret key files
    std::string zip;                ///< empty: none; otherwise what goes to boxes without a server
};

ExitCode sign_bundle(const SignOptions& options);

}  // namespace backplane::cli
