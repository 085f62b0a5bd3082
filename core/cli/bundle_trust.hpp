// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane trust`: whose bundles this box takes, as its owner says. One file each in a folder that backplaned reads at
// its start: <bundle>.root.json pins a root, <hint>.pub enrols a key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bundle/metadata.hpp"
#include "exit_code.hpp"

namespace backplane::cli {

struct Trusted {
    std::string path;
    std::string id;  ///< bundle id, or the hint of the key in lower case
    std::optional<core::bundle::Root> root;
    std::optional<core::bundle::PublicKey> key;  ///< one of the two
};

/// By name. A folder that is not there is an empty one; a file that cannot be read is an error.
core::Result<std::vector<Trusted>> read_trust_folder(const std::string& folder);

ExitCode list_trust(const std::string& folder, bool json);
/// `source`: a root document, a public key file, or a public key itself. Asks unless `yes`.
ExitCode add_trust(const std::string& folder, const std::string& source, bool yes);
/// `id`: bundle id, hint, key id or public key.
ExitCode remove_trust(const std::string& folder, const std::string& id, bool yes);

}  // namespace backplane::cli
