// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Verifies what a zip brings, step by step; the first step that fails ends it with that step's code.
//
// Order (docs/reference/bundle-format.md, "Verification"): archive and names → root chain → release signatures → what
// the release is → its version → its expiry → delegated manifests → choice per plug-in → content and hash → ELF and
// note. Nothing is parsed before its signatures fit, nothing is handed out that was not hashed against a signed
// manifest. Pure: no file, no clock, no network. Thread: any. Blocking: CPU only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"
#include "backplane/inspect/inspect.hpp"
#include "bundle/archive.hpp"
#include "bundle/metadata.hpp"

namespace backplane::core::bundle {

using Bytes = std::vector<std::byte>;

/// What the box remembers of one bundle id.
struct TrustState {
    std::shared_ptr<const Bytes> root;  ///< the newest root that was accepted, or the one that came with the box
    std::uint64_t highest_version = 0;  ///< of its releases
    std::string highest_digest;         ///< SHA-256 of that release's document
    struct Vendor {
        std::uint64_t version = 0;
        std::string digest;
    };
    std::map<std::string, Vendor, std::less<>> vendors;
};

struct Policy {
    sdk::HostFacts host;
    std::string host_version;  ///< of the box
    Time now{};                ///< trusted time
    /// Keys that the owner of this box has enrolled: a bundle without a known root is trusted when one of them has signed
    /// the root and belongs to its root role.
    std::vector<PublicKey> enrolled;
    bool development = false;       ///< trust any bundle on first sight. Visible everywhere.
    bool accept_expired = false;    ///< the owner's override
    std::chrono::days grace{90};    ///< after its expiry a release may still be installed for so long
    std::set<std::string> quarantined;  ///< SHA-256 of builds that are not to be selected
    bool ignore_quarantine = false;     ///< Force grants them one more trial
    /// Lowest version of a plug-in that may run, whatever a manifest says.
    std::map<std::string, std::string, std::less<>> floors;
    /// Plug-in names that belong to somebody: bundle id, or "" for the box itself. Another bundle may not deliver them;
    /// what belongs to the box may be replaced by a plug-in of the same id.
    struct Owner {
        std::string bundle, plugin_id;
    };
    std::map<std::string, Owner, std::less<>> owners;
};

struct Refusal {
    std::string subject;  ///< "acme_scale 1.1.0", or the bundle
    Error error;          ///< code E_…; one sentence: expected, found, what to do
};

struct VerifiedPlugin {
    std::string bundle, vendor;       ///< vendor empty: of the release itself
    std::uint64_t release_version = 0;
    ManifestPlugin manifest;
    PluginFile file;                  ///< for this machine
    std::string signer;               ///< hints of the keys that signed, for people: "RWQ… (release of acme)"
    std::shared_ptr<const Bytes> bytes;  ///< hashed and inspected
    sdk::PluginNote note;
    boost::json::object raw_note;
};

/// One bundle that passed steps 3 to 8.
struct VerifiedBundle {
    std::string bundle;
    Release release;
    std::vector<Release> vendors;
    std::string digest;   ///< SHA-256 of the release document
    std::map<std::string, std::string> vendor_digests;
    std::string signer;
    bool unchanged = false;  ///< the very release that was accepted last (same version, same digest, same vendors)
    bool in_grace = false;   ///< expired, still installable; shown
    Root root;
    Bytes root_bytes;        ///< to be remembered
    bool resets_version = false;  ///< the new root changes the release keys: forget the highest version before
    std::map<std::string, Bytes> documents;  ///< all metadata and signatures, by name in the bundle: to be stored
    std::vector<VerifiedPlugin> plugins;  ///< chosen for this machine, one of each name
    std::vector<Refusal> refused;         ///< plug-ins that were left out, and why
};

struct RejectedBundle {
    std::string bundle;
    Error error;
    /// Roots were accepted before the step that failed: the newest, to be remembered all the same.
    std::optional<Bytes> root_bytes;
    bool resets_version = false;
};

struct Verification {
    std::vector<VerifiedBundle> bundles;
    std::vector<RejectedBundle> rejected;
    std::size_t foreign_files = 0;
    bool nothing_for_us() const { return bundles.empty() && rejected.empty(); }
};

using TrustStates = std::map<std::string, TrustState, std::less<>>;

/// A zip as it was received. The error is of steps 1 and 2 and ends everything; later ones end one bundle.
Result<Verification> verify_archive(std::span<const std::byte> zip, const TrustStates& trust,
                                    const Policy& policy);

/// The same for files that are there already (steps 3 to 11).
Verification verify_files(const FileSource& files, const TrustStates& trust, const Policy& policy);

/// What was accepted before, at each load: signatures of the stored documents against the stored root (steps 3 to 5, 8),
/// without versions and expiry. Plug-ins are not touched.
struct StoredBundle {
    Root root;
    Release release;
    std::vector<Release> vendors;
    std::string digest, signer;
};
Result<StoredBundle> verify_stored(const FileSource& documents, std::string_view bundle,
                                   std::span<const std::byte> root);

/// Step 10 and 11 for one build that a verified manifest names: hash, ELF, note against manifest. E_LEN, E_HASH, E_ELF,
/// E_NOTE, E_ABI.
Result<VerifiedPlugin> check_plugin(const ManifestPlugin& manifest, const PluginFile& file,
                                    std::shared_ptr<const Bytes> bytes, const Policy& policy);

/// Capabilities: known words, and whether `ceiling` covers `cap`. "serial", "usb:04b8:*", "hid:usage", "net:tcp/9100", …
bool is_known_cap(std::string_view cap) noexcept;
bool cap_covered(std::string_view cap, const std::vector<std::string>& ceiling) noexcept;
/// What a plug-in needs according to its note.
std::vector<std::string> caps_of(const sdk::PluginNote& note);

}  // namespace backplane::core::bundle
