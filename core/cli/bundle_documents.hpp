// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The documents of a publisher's bundles and who has signed them. For the side that makes them: what a box believes is
// decided by bundle/verify.hpp alone.
//
// Thread: any. Blocking: CPU only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/metadata.hpp"
#include "bundle/publish.hpp"

namespace backplane::cli {

/// One bundle id in a folder or a zip.
struct BundleDocuments {
    std::string bundle;
    std::map<std::uint64_t, core::bundle::Root> roots;  ///< by version
    std::optional<core::bundle::Release> release;
    std::map<std::string, core::bundle::Release> vendors;

    const core::bundle::Root* newest_root() const {
        return roots.empty() ? nullptr : &roots.rbegin()->second;
    }
};

/// By bundle id. An error is of the first document that cannot be read.
core::Result<std::map<std::string, BundleDocuments>> read_documents(
    const core::bundle::Files& files);

/// One signature file beside a document.
struct FoundSignature {
    std::string name;  ///< of the file
    std::string hint;  ///< 16 hex digits as minisign shows them; empty when the file cannot be read
    std::string key_id;  ///< of the key of `root` that made it; empty: of none
    std::string trusted_comment;
    std::string problem;  ///< empty: it fits
};
/// `keys`: those of all roots that could have signed it.
std::vector<FoundSignature> signatures_of(
    const core::bundle::Files& files, const std::string& document,
    const std::map<std::string, core::bundle::PublicKey>& keys);

/// What a document needs before a box believes it: so many signatures of this role.
struct Requirement {
    std::string document;  ///< name in the bundle
    std::string role;      ///< in words: "release keys of root 2"
    std::set<std::string> key_ids;
    unsigned threshold = 0;
    std::set<std::string> have;

    bool met() const { return have.size() >= threshold; }
};
/// All that must be met. A root after the first needs those of the root before it, too.
std::vector<Requirement> requirements(const core::bundle::Files& files,
                                      const BundleDocuments& documents);

/// All keys that any of its roots names, by id.
std::map<std::string, core::bundle::PublicKey> keys_of(const BundleDocuments& documents);

/// "RWQ… (0123456789ABCDEF)".
std::string name_of(const core::bundle::PublicKey& key);

/// Files of a bundle, without those of others in the same folder.
core::bundle::Files files_of(const core::bundle::Files& files, const BundleDocuments& documents);

/// Seconds since the epoch as "2028-01-01" or "2028-01-01 12:30:00 UTC".
std::string date_text(core::bundle::Time time);
/// "2028-01-01" or "2028-01-01T12:30:00Z".
std::optional<core::bundle::Time> parse_date(std::string_view text);

}  // namespace backplane::cli
