// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Steps 4 to 8 of the verification: the release manifest and the manifests of delegated vendors under a trusted root.
#pragma once

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

/// A manifest whose signatures fit, and which is what its name says.
struct SignedManifest {
    Release manifest;
    std::string digest, signer;
    std::map<std::string, Bytes> documents;  ///< itself and its signatures
};

/// Steps 4 and 5, without min_host: E_SIG, E_TYPE, E_ROOTVER.
Result<SignedManifest> read_release(const FileSource& files, const Root& root);

/// Step 5: E_HOST.
Result<void> check_host(const Release& release, const Policy& policy);

/// Step 6: E_ROLLBACK, E_EQUIV. `highest` 0: none yet.
Result<void> check_version(const SignedManifest& found, std::uint64_t highest,
                           std::string_view highest_digest, std::uint64_t floor);

/// Step 7: E_EXPIRED, or whether it is in its grace.
Result<bool> check_expiry(const Release& release, const Policy& policy);

/// Step 8 for one delegation: E_DELEG, E_TYPE, E_ROOTVER.
Result<SignedManifest> read_vendor(const FileSource& files, const Root& root,
                                   const Delegation& delegation);

/// Takes out of a vendor's manifest what the delegation does not allow, or the release has itself.
std::vector<Refusal> keep_to_delegation(Release& vendor, const Delegation& delegation,
                                        const Release& release);

/// "acme_scale 1.1.0".
std::string subject_of(const ManifestPlugin& plugin);

}  // namespace backplane::core::bundle
