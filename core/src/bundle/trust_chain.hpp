// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Step 3 of the verification: from the root that this box knows to the newest one that the archive proves.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"
#include "bundle/document_names.hpp"
#include "bundle/metadata.hpp"
#include "bundle/verify.hpp"

namespace backplane::core::bundle {

inline constexpr unsigned k_root_hops = 32;  ///< new roots in one run; the next run takes the rest

struct TrustChain {
    std::optional<Root> root;  ///< the newest that was accepted, also when `error` is set
    Bytes bytes;
    bool advanced = false;                   ///< it is not the one that was known before
    bool resets_version = false;             ///< on the way the release keys have changed
    std::map<std::string, Bytes> documents;  ///< accepted roots and their signatures
    std::optional<Error> error;              ///< E_ROOT, E_THRESHOLD, E_ROOTVER, E_EXPIRED, E_TYPE
};

/// `known` is null when this box knows no root of the bundle.
TrustChain walk_trust_chain(const FileSource& files, const std::string& bundle,
                            const DocumentNames& documents, const Bytes* known,
                            const Policy& policy);

/// "2026-11-22 10:00 UTC", for sentences.
std::string time_text(Time time);

}  // namespace backplane::core::bundle
