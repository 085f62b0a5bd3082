// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What is typed on the terminal: passwords without an echo, and yes or no.
#pragma once

#include <optional>
#include <string>

#include "backplane/core/result.hpp"

namespace backplane::cli {

/// Reads one line from the controlling terminal without showing it. Error "terminal.none" when there is none. A signal
/// that ends the program (Ctrl-C) does so after the echo is on again.
core::Result<std::string> ask_password(const std::string& prompt);

/// "y" or "yes" on stdin. False when stdin is no terminal and nobody can have read the question.
bool ask_yes(const std::string& question);

}  // namespace backplane::cli
