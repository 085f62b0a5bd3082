// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/release_check.hpp"

#include <algorithm>

#include "bundle/signers.hpp"
#include "bundle/trust_chain.hpp"
#include "util/sha256.hpp"

namespace backplane::core::bundle {
namespace {

std::string what_is(const Release& release) {
    return release.vendor.empty()
               ? "release " + std::to_string(release.version) + " of the bundle \"" +
                     release.bundle + "\""
               : "manifest " + std::to_string(release.version) + " of the vendor \"" +
                     release.vendor + "\" in the bundle \"" + release.bundle + "\"";
}

Result<void> check_root_version(const Release& release, const Root& root) {
    if (release.root_version <= root.version) return {};
    return failure("E_ROOTVER", what_is(release) + " was made under root " +
                                    std::to_string(release.root_version) +
                                    ", and this box has got no further than root " +
                                    std::to_string(root.version) +
                                    ": ask the publisher for a bundle with all its roots");
}

SignedManifest keep(Release manifest, const std::string& name, Bytes bytes, const Signers& signers,
                    const std::string& whose) {
    SignedManifest out;
    out.digest = sha256_hex(bytes);
    out.signer = signers.text() + " (" + whose + ")";
    out.documents = signers.files;
    out.documents[name] = std::move(bytes);
    out.manifest = std::move(manifest);
    return out;
}

}  // namespace

std::string subject_of(const ManifestPlugin& plugin) {
    return plugin.name + " " + plugin.version;
}

Result<SignedManifest> read_release(const FileSource& files, const Root& root) {
    const auto name = release_name(root.bundle);
    const auto& names = files.names();
    if (!std::binary_search(names.begin(), names.end(), name)) {
        return failure("E_SIG", "the bundle \"" + root.bundle + "\" has no release manifest (" +
                                    name +
                                    "), so nothing in it is signed: ask its publisher for a "
                                    "complete bundle");
    }
    auto bytes = files.read(name, k_metadata_bytes);
    if (!bytes) return Unexpected<Error>{bytes.error()};
    const auto signers = signers_of(files, name, *bytes, root.release, root.keys);
    if (!signers.meet(root.release)) {
        return failure("E_SIG", "the release of the bundle \"" + root.bundle + "\" " +
                                    shortage(signers, root.release, "release") +
                                    ": download it again, or ask its publisher to sign it");
    }
    auto release = parse_release(*bytes);
    if (!release) return Unexpected<Error>{release.error()};
    if (release->bundle != root.bundle) {
        return failure("E_TYPE", "the release of the bundle \"" + root.bundle +
                                     "\" says that it is one of \"" + release->bundle +
                                     "\": ask its publisher for a correct bundle");
    }
    if (auto made = check_root_version(*release, root); !made)
        return Unexpected<Error>{made.error()};
    return keep(*std::move(release), name, *std::move(bytes), signers, "release of " + root.bundle);
}

Result<void> check_host(const Release& release, const Policy& policy) {
    if (release.min_host.empty()) return {};
    const auto order = compare_versions(policy.host_version, release.min_host);
    if (order && *order >= 0) return {};
    return failure("E_HOST",
                   what_is(release) + " needs version " + release.min_host +
                       " of the box, and this is " +
                       (policy.host_version.empty() ? "an unknown one" : policy.host_version) +
                       ": update the box");
}

Result<void> check_version(const SignedManifest& found, std::uint64_t highest,
                           std::string_view highest_digest, std::uint64_t floor) {
    const Release& release = found.manifest;
    if (release.version < floor) {
        return failure("E_ROLLBACK", what_is(release) + " is older than release " +
                                         std::to_string(floor) +
                                         ", the oldest that its root still allows: install a "
                                         "newer one");
    }
    if (release.version < highest) {
        return failure("E_ROLLBACK", what_is(release) + " is older than release " +
                                         std::to_string(highest) +
                                         ", which this box has accepted before: have the "
                                         "publisher release the older plug-ins under a higher "
                                         "number");
    }
    if (release.version == highest && found.digest != highest_digest) {
        return failure("E_EQUIV", what_is(release) +
                                      " is not the one of that number which this box has accepted "
                                      "before: two different releases have one number, so ask "
                                      "the publisher which one is genuine");
    }
    return {};
}

Result<bool> check_expiry(const Release& release, const Policy& policy) {
    if (policy.now <= release.expires) return false;
    // Counted from the later end, so that a time far in the future cannot overflow.
    if (policy.accept_expired || policy.now - release.expires <= policy.grace) return true;
    return failure("E_EXPIRED", what_is(release) + " was valid until " +
                                    time_text(release.expires) + ", which is more than " +
                                    std::to_string(policy.grace.count()) +
                                    " days ago: check the clock of this box, get a newer release, "
                                    "or accept expired releases in the settings");
}

Result<SignedManifest> read_vendor(const FileSource& files, const Root& root,
                                   const Delegation& delegation) {
    const auto name = vendor_name(root.bundle, delegation.id);
    auto bytes = files.read(name, k_metadata_bytes);
    if (!bytes) return failure("E_DELEG", bytes.error().text);
    const auto signers = signers_of(files, name, *bytes, delegation.role, root.keys);
    if (!signers.meet(delegation.role)) {
        return failure("E_DELEG", "the manifest of the vendor \"" + delegation.id +
                                      "\" in the bundle \"" + root.bundle + "\" " +
                                      shortage(signers, delegation.role, "of that vendor's") +
                                      ": ask the vendor to sign it");
    }
    auto vendor = parse_vendor(*bytes);
    if (!vendor) return Unexpected<Error>{vendor.error()};
    if (vendor->bundle != root.bundle || vendor->vendor != delegation.id) {
        return failure("E_DELEG",
                       "the manifest of the vendor \"" + delegation.id + "\" in the bundle \"" +
                           root.bundle + "\" says that it is that of \"" + vendor->vendor +
                           "\" in \"" + vendor->bundle + "\": ask the vendor for a correct one");
    }
    if (auto made = check_root_version(*vendor, root); !made)
        return Unexpected<Error>{made.error()};
    return keep(*std::move(vendor), name, *std::move(bytes), signers,
                "vendor " + delegation.id + " of " + root.bundle);
}

std::vector<Refusal> keep_to_delegation(Release& vendor, const Delegation& delegation,
                                        const Release& release) {
    std::vector<Refusal> refused;
    const auto reason = [&](const ManifestPlugin& plugin) -> std::string {
        if (!plugin.name.starts_with(delegation.prefix)) {
            return "the vendor \"" + delegation.id +
                   "\" may deliver plug-ins whose names begin "
                   "with \"" +
                   delegation.prefix + "\", but this one is \"" + plugin.name +
                   "\": ask the vendor to rename it";
        }
        for (const auto& cap : plugin.caps) {
            if (cap_covered(cap, delegation.caps)) continue;
            return "the vendor \"" + delegation.id +
                   "\" may not deliver plug-ins with the "
                   "permission \"" +
                   cap +
                   "\", which this one asks for: ask the publisher of the "
                   "bundle to allow it";
        }
        const bool listed = std::any_of(release.plugins.begin(), release.plugins.end(),
                                        [&](const auto& each) { return each.name == plugin.name; });
        if (listed) {
            return "the release of the bundle has a plug-in \"" + plugin.name +
                   "\" itself, and that one counts: one of the two must be renamed";
        }
        return {};
    };
    std::erase_if(vendor.plugins, [&](const ManifestPlugin& plugin) {
        auto text = reason(plugin);
        if (text.empty()) return false;
        refused.push_back({subject_of(plugin), Error{"E_DELEG", std::move(text)}});
        return true;
    });
    return refused;
}

}  // namespace backplane::core::bundle
