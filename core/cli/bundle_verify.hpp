// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane bundle verify`: what a box would say, with the very code of the box.
#pragma once

#include <string>
#include <vector>

#include "exit_code.hpp"

namespace backplane::cli {

struct VerifyOptions {
    std::string path;                ///< folder or zip
    std::vector<std::string> roots;  ///< root documents that the box trusts
    std::vector<std::string> keys;   ///< public key files that its owner has enrolled
    bool development = false;
    std::string trust_folder;                ///< that of the box, when none of these was given
    std::vector<std::string> architectures;  ///< empty: all that the bundle has builds for
    std::string glibc;  ///< of the box; empty: of this machine, for its own architecture
    std::string host_version;
    std::string now;
    bool json = false;
};

ExitCode verify_bundle(const VerifyOptions& options);

}  // namespace backplane::cli
