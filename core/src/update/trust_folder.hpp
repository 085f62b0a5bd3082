// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Whom this box trusts to deliver plug-ins: roots and keys that came with it or that its owner has put there.
//
// "*.root.json" are roots, one for each bundle id; "*.pub" are public keys as minisign writes them. Thread: any.
// Blocking: on the disk. Failure: what cannot be read is told and left out; the box starts without it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "bundle/minisig.hpp"
#include "bundle/verify.hpp"

namespace backplane::core {

struct TrustFolder {
    std::map<std::string, bundle::Bytes> roots;  ///< by the bundle id inside
    std::vector<bundle::PublicKey> keys;
    std::vector<std::string> problems;
};

/// A folder that is not there is an empty one.
TrustFolder read_trust_folder(const std::string& folder);

/// A key of the configuration: 56 characters as minisign writes it, or the 44 of the bare 32 bytes. E_KEY.
Result<bundle::PublicKey> parse_trusted_key(const std::string& text);

}  // namespace backplane::core
