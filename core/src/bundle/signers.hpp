// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Who of a role has signed a document. The only place where signatures of a bundle are looked at.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "bundle/archive.hpp"
#include "bundle/metadata.hpp"

namespace backplane::core::bundle {

inline constexpr std::size_t k_signature_bytes = std::size_t{16} << 10;

struct Signers {
    std::vector<PublicKey> keys;  ///< each once: it is asked for by key, not by signature
    std::map<std::string, std::vector<std::byte>> files;  ///< their signatures, by name
    std::string trouble;  ///< signatures that are there and do not count, in words

    bool meet(const Role& role) const { return keys.size() >= role.threshold; }
    /// "RWQ… 1A2B…, 3C4D…" for people.
    std::string text() const;
};

/// For each key of the role, the one file that may hold its signature of `document`, whose content is `bytes`.
Signers signers_of(const FileSource& files, const std::string& document,
                   std::span<const std::byte> bytes, const Role& role,
                   const std::map<std::string, PublicKey>& keys);

/// "needs the signatures of 2 of 3 root keys, but only 1 fits (…)".
std::string shortage(const Signers& signers, const Role& role, std::string_view role_name);

}  // namespace backplane::core::bundle
