// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/verify.hpp"

#include <algorithm>

#include "bundle/document_names.hpp"
#include "bundle/release_check.hpp"
#include "bundle/selection.hpp"
#include "bundle/trust_chain.hpp"

namespace backplane::core::bundle {
namespace {

/// More than any database has modules with plug-ins. Those that this box knows come first.
constexpr std::size_t k_bundles = 16;

const TrustState* find_state(const TrustStates& trust, const std::string& bundle) {
    const auto found = trust.find(bundle);
    return found == trust.end() ? nullptr : &found->second;
}

/// Steps 3 to 11 for one bundle.
class BundleVerification {
public:
    BundleVerification(const FileSource& files, const std::string& bundle,
                       const DocumentNames& names, const TrustStates& trust, const Policy& policy)
        : files_(files), names_(names), policy_(policy) {
        if (const auto* state = find_state(trust, bundle)) state_ = *state;
        out_.bundle = bundle;
    }

    /// The error of the step that failed.
    Result<void> run() {
        if (!names_.ambiguous.empty()) {
            return failure("E_DUP", "the archive has more than one file " +
                                        *names_.ambiguous.begin() +
                                        ", and which one counts is anybody's guess: find out "
                                        "which two modules deliver it");
        }
        if (auto done = take_root(); !done) return done;
        if (auto done = take_release(); !done) return done;
        take_vendors();
        return take_plugins();
    }

    VerifiedBundle result() && { return std::move(out_); }

    RejectedBundle rejection(const Error& error) && {
        RejectedBundle rejected;
        rejected.bundle = out_.bundle;
        rejected.error = error;
        if (root_advanced_) rejected.root_bytes = std::move(out_.root_bytes);
        rejected.resets_version = out_.resets_version;
        return rejected;
    }

private:
    Result<void> take_root() {
        auto chain = walk_trust_chain(files_, out_.bundle, names_, state_.root.get(), policy_);
        root_advanced_ = chain.advanced;
        out_.resets_version = chain.resets_version;
        out_.root_bytes = std::move(chain.bytes);
        out_.documents = std::move(chain.documents);
        if (chain.error) return Unexpected<Error>{*std::move(chain.error)};
        out_.root = *std::move(chain.root);
        return {};
    }

    Result<void> take_release() {
        auto release = read_release(files_, out_.root);
        if (!release) return Unexpected<Error>{release.error()};
        if (auto fits = check_host(release->manifest, policy_); !fits) return fits;
        const std::uint64_t highest = out_.resets_version ? 0 : state_.highest_version;
        if (auto newer =
                check_version(*release, highest, state_.highest_digest, out_.root.version_floor);
            !newer)
            return newer;
        const auto in_grace = check_expiry(release->manifest, policy_);
        if (!in_grace) return Unexpected<Error>{in_grace.error()};
        out_.in_grace = *in_grace;
        out_.digest = std::move(release->digest);
        out_.signer = std::move(release->signer);
        out_.documents.merge(release->documents);
        out_.release = std::move(release->manifest);
        return {};
    }

    /// Step 8. A vendor that fails takes its own plug-ins with it and nothing else.
    void take_vendors() {
        for (const auto& id : names_.vendors) {
            auto found = check_vendor(id);
            if (!found) {
                refuse_vendor(id, found.error());
                continue;
            }
            vendors_.push_back(*std::move(found));
        }
    }

    Result<SignedManifest> check_vendor(const std::string& id) {
        const auto& delegations = out_.root.delegations;
        const auto delegation = std::find_if(delegations.begin(), delegations.end(),
                                             [&](const auto& each) { return each.id == id; });
        if (delegation == delegations.end()) {
            return failure("E_DELEG", "the bundle \"" + out_.bundle +
                                          "\" brings plug-ins of the vendor \"" + id +
                                          "\", but its root does not name that vendor (any more): "
                                          "ask the publisher of the bundle");
        }
        auto vendor = read_vendor(files_, out_.root, *delegation);
        if (!vendor) return vendor;
        const auto known = state_.vendors.find(id);
        if (known != state_.vendors.end()) {
            if (auto newer = check_version(*vendor, known->second.version, known->second.digest, 0);
                !newer)
                return Unexpected<Error>{newer.error()};
        }
        const auto in_grace = check_expiry(vendor->manifest, policy_);
        if (!in_grace) return Unexpected<Error>{in_grace.error()};
        out_.in_grace = out_.in_grace || *in_grace;
        for (auto& refusal : keep_to_delegation(vendor->manifest, *delegation, out_.release))
            out_.refused.push_back(std::move(refusal));
        return vendor;
    }

    void refuse_vendor(const std::string& id, const Error& error) {
        out_.refused.push_back({"vendor " + id, error});
    }

    /// Steps 9 to 11. What the release promises and the archive does not hold ends the bundle: it was damaged on its
    /// way, and must not count as seen. The same of a vendor ends that vendor.
    Result<void> take_plugins() {
        if (auto done = take_content({&out_.release, nullptr}, "", out_.signer); !done) return done;
        for (auto& vendor : vendors_) {
            const auto plugins = out_.plugins.size();
            const auto budget = extracted_;
            const auto& id = vendor.manifest.vendor;
            const SelectionSource source{&vendor.manifest, &out_.release.withdrawn};
            if (auto done = take_content(source, id, vendor.signer); !done) {
                out_.plugins.resize(plugins);
                extracted_ = budget;
                refuse_vendor(id, done.error());
                continue;
            }
            out_.vendor_digests[id] = std::move(vendor.digest);
            out_.documents.merge(vendor.documents);
            out_.vendors.push_back(std::move(vendor.manifest));
        }
        out_.unchanged = is_unchanged();
        return {};
    }

    Result<void> take_content(const SelectionSource& source, const std::string& vendor,
                              const std::string& signer) {
        if (auto complete = check_complete(source); !complete) return complete;
        for (const auto& name : plugin_names(*source.manifest)) {
            for (const auto* entry : select(source, name, policy_, out_.refused)) {
                auto bytes = extract(entry->files.at(policy_.host.arch));
                if (!bytes) return Unexpected<Error>{bytes.error()};
                auto plugin = check_plugin(*entry, entry->files.at(policy_.host.arch),
                                           *std::move(bytes), policy_);
                if (plugin) {
                    plugin->bundle = out_.bundle;
                    plugin->vendor = vendor;
                    plugin->release_version = source.manifest->version;
                    plugin->signer = signer;
                    out_.plugins.push_back(*std::move(plugin));
                    break;
                }
                const auto& code = plugin.error().code;
                if (code == "E_LEN" || code == "E_HASH") return Unexpected<Error>{plugin.error()};
                // As it was signed, so fetching it again would not help: this build is left out, an older one may do.
                out_.refused.push_back({subject_of(*entry), plugin.error()});
            }
        }
        return {};
    }

    /// Every build for this machine must be there, also those that are not chosen. Other machines' may be left out, so
    /// that a server can deliver to one kind of box only; and withdrawn ones, so that they need not be spread.
    Result<void> check_complete(const SelectionSource& source) const {
        const auto& names = files_.names();
        for (const auto& plugin : source.manifest->plugins) {
            const auto file = plugin.files.find(policy_.host.arch);
            if (file == plugin.files.end()) continue;
            const auto& path = file->second.path;
            if (files_.is_ambiguous(path)) {
                return failure("E_DUP", "the archive has more than one file " + path +
                                            ", and which one counts is anybody's guess: find out "
                                            "which two modules deliver it");
            }
            if (std::binary_search(names.begin(), names.end(), path) ||
                find_withdrawal(source, file->second.sha256) != nullptr)
                continue;
            return failure("E_NAME", "the manifest promises " + path +
                                         ", but the archive does not have it: download it again, "
                                         "or ask the publisher for a complete bundle");
        }
        return {};
    }

    Result<std::shared_ptr<const Bytes>> extract(const PluginFile& file) {
        if (file.length > k_extracted_bytes - extracted_) {
            return failure("E_LEN", "the plug-ins of the bundle \"" + out_.bundle +
                                        "\" for this box have more than " +
                                        std::to_string(k_extracted_bytes >> 20) +
                                        " MiB together: ask its publisher for smaller ones");
        }
        auto bytes = files_.read(file.path, static_cast<std::size_t>(file.length));
        if (!bytes) return Unexpected<Error>{bytes.error()};
        extracted_ += bytes->size();
        return std::make_shared<const Bytes>(*std::move(bytes));
    }

    bool is_unchanged() const {
        if (out_.release.version != state_.highest_version || out_.digest != state_.highest_digest)
            return false;
        return std::equal(
            out_.vendor_digests.begin(), out_.vendor_digests.end(), state_.vendors.begin(),
            state_.vendors.end(), [](const auto& found, const auto& known) {
                return found.first == known.first && found.second == known.second.digest;
            });
    }

    const FileSource& files_;
    const DocumentNames& names_;
    const Policy& policy_;
    TrustState state_;
    VerifiedBundle out_;
    std::vector<SignedManifest> vendors_;
    std::uint64_t extracted_ = 0;
    bool root_advanced_ = false;
};

}  // namespace

Verification verify_files(const FileSource& files, const TrustStates& trust, const Policy& policy) {
    Verification out;
    out.foreign_files = files.foreign_files();
    const auto found = documents_by_bundle(files);
    std::vector<const std::string*> order;
    for (const auto& [bundle, names] : found) order.push_back(&bundle);
    std::stable_partition(order.begin(), order.end(),
                          [&](const auto* bundle) { return trust.contains(*bundle); });
    // Two bundles of one archive must not deliver one name either: the first of them gets it.
    Policy owned = policy;
    for (std::size_t i = 0; i < order.size(); ++i) {
        const auto& bundle = *order[i];
        if (i == k_bundles) {
            out.rejected.push_back(
                {bundle,
                 Error{"E_ZIP", "the archive has " + std::to_string(order.size()) +
                                    " bundles, and this box looks at " + std::to_string(k_bundles) +
                                    ": remove modules with plug-ins from the server"},
                 std::nullopt, false});
            break;
        }
        BundleVerification verification{files, bundle, found.at(bundle), trust, owned};
        if (const auto done = verification.run(); !done) {
            out.rejected.push_back(std::move(verification).rejection(done.error()));
            continue;
        }
        out.bundles.push_back(std::move(verification).result());
        for (const auto& plugin : out.bundles.back().plugins)
            owned.owners[plugin.manifest.name] = {bundle, plugin.manifest.id};
    }
    return out;
}

Result<Verification> verify_archive(std::span<const std::byte> zip, const TrustStates& trust,
                                    const Policy& policy) {
    const auto archive = Archive::open(zip);
    if (!archive) return Unexpected<Error>{archive.error()};
    return verify_files(*archive, trust, policy);
}

Result<StoredBundle> verify_stored(const FileSource& documents, std::string_view bundle,
                                   std::span<const std::byte> root) {
    auto trusted = parse_root(root);
    if (!trusted) return Unexpected<Error>{trusted.error()};
    if (trusted->bundle != bundle) {
        return failure("E_ROOT", "the root that is stored for the bundle \"" + std::string{bundle} +
                                     "\" is that of \"" + trusted->bundle +
                                     "\": update the bundle again");
    }
    auto release = read_release(documents, *trusted);
    if (!release) return Unexpected<Error>{release.error()};
    StoredBundle out;
    out.release = std::move(release->manifest);
    out.digest = std::move(release->digest);
    out.signer = std::move(release->signer);
    const auto& names = documents.names();
    for (const auto& delegation : trusted->delegations) {
        if (!std::binary_search(names.begin(), names.end(),
                                vendor_name(trusted->bundle, delegation.id)))
            continue;
        auto vendor = read_vendor(documents, *trusted, delegation);
        if (!vendor) continue;  // what is not signed (any more) is not there
        (void)keep_to_delegation(vendor->manifest, delegation, out.release);
        out.vendors.push_back(std::move(vendor->manifest));
    }
    out.root = *std::move(trusted);
    return out;
}

}  // namespace backplane::core::bundle
