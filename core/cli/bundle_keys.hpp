// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Key files of publishers, in the format of minisign.
#pragma once

#include <string>

#include "bundle/minisig.hpp"
#include "exit_code.hpp"

namespace backplane::cli {

/// The variable that holds the password of key files where nobody can type it.
inline constexpr const char* k_password_variable = "BACKPLANE_KEY_PASSWORD";

/// `backplane bundle keygen OUT`: OUT.pub and OUT.key. Neither is ever overwritten.
ExitCode generate_key(const std::string& out, bool without_password);

core::Result<core::bundle::PublicKey> load_public_key(const std::string& path);
/// Asks for the password if the key has one.
core::Result<core::bundle::SecretKey> load_secret_key(const std::string& path);

}  // namespace backplane::cli
