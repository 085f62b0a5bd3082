// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane pair`, `unpair` and `confirm`: whom the box belongs to, and what its owner has to allow.
#pragma once

#include <string>

#include "box_client.hpp"
#include "commands.hpp"
#include "exit_code.hpp"

namespace backplane::cli {

struct PairOptions {
    std::string token;       ///< visible to others of the machine; a file is better
    std::string token_file;  ///< "-": standard input
    bool has_token = false;  ///< also an empty one: then the box says what is wrong with it
    bool code = false;       ///< show the code, wait for one when there is none yet
    bool new_code = false;
    bool wait = false;           ///< until the box is paired and known to its server
    unsigned most_wait_s = 600;  ///< for --wait
    unsigned code_wait_s = 30;   ///< for a code from the pairing service
};

struct UnpairOptions {
    bool yes = false;  ///< do not ask
};

struct ConfirmOptions {
    std::string id;  ///< empty: list what waits
    bool allow = false, deny = false;
};

ExitCode pair(const BoxClient& box, const Output& output, const PairOptions& options);
ExitCode unpair(const BoxClient& box, const Output& output, const UnpairOptions& options);
ExitCode confirm(const BoxClient& box, const Output& output, const ConfirmOptions& options);

/// The line "Odoo" of `backplane status`; nothing when the box does not tell.
void show_server_line(const BoxClient& box, const Terminal& terminal);

}  // namespace backplane::cli
