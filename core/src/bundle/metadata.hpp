// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The signed documents of a handler bundle as typed values: root, release manifest, delegated vendor manifest. Members,
// limits and meaning: docs/reference/bundle-format.md.
//
// Parse only what a signature covers. Strict JSON: no duplicate keys, integers only, depth at most 16, at most 256 KiB,
// valid UTF-8; unknown members are ignored. Error codes: E_TYPE (what the document is), E_ROOT (a root that contradicts
// itself). Thread: any. Blocking: no.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"
#include "bundle/minisig.hpp"

namespace backplane::core::bundle {

using Time = std::chrono::sys_seconds;

struct Role {
    std::set<std::string> key_ids;
    unsigned threshold = 1;
};

struct Delegation {
    std::string id;                 ///< "acme"
    Role role;
    std::string prefix;             ///< names of its plug-ins begin with it: "acme_"
    std::vector<std::string> caps;  ///< ceiling: patterns such as "serial", "usb:04b8:*"
};

/// `_type` "root", spec 1.
struct Root {
    std::string bundle;
    std::uint64_t version = 0;
    std::uint64_t version_floor = 0;  ///< releases below it are refused; a new root that changes release keys may lower the highest version to it
    Time issued{}, expires{};
    std::map<std::string, PublicKey> keys;  ///< by PublicKey::id()
    Role root, release;
    std::vector<Delegation> delegations;
};

struct PluginFile {
    std::string path;  ///< "drivers/acme_scale.x86_64-linux-gnu.so.1.1.0"
    std::uint64_t length = 0;
    std::string sha256;
    std::string glibc;                ///< "2.28": lowest that has all its symbols
    std::vector<std::string> needed;  ///< libraries
};

struct Health {
    std::chrono::milliseconds ready{5'000}, open{5'000};
    std::chrono::seconds probation{600};
    unsigned actions = 1;  ///< so many must have succeeded, or 24 h have passed
};

struct ManifestPlugin {
    std::string name, id, kind, version;  ///< kind: "driver" or "interface"
    std::string floor;                    ///< lowest version that may still run; empty: any
    unsigned abi_major = 1, abi_minor = 0;
    std::vector<std::string> caps;
    std::uint32_t state_version = 0;
    std::vector<std::uint32_t> accepts_state;
    Health health;
    std::map<std::string, PluginFile> files;  ///< by architecture, "aarch64-linux-gnu"
    std::map<std::string, std::string> notes;  ///< what changed, by language
};

struct Withdrawal {
    std::string sha256, reason;
};

/// `_type` "release", spec 1; or `_type` "vendor": then `vendor` names the delegation, and min_host and withdrawn of
/// others mean nothing.
struct Release {
    std::string bundle;
    std::string vendor;  ///< empty: the release itself
    std::uint64_t version = 0;
    std::uint64_t root_version = 0;
    Time issued{}, expires{};
    std::string min_host;  ///< "0.1.0"; empty: any
    std::vector<ManifestPlugin> plugins;
    std::vector<Withdrawal> withdrawn;
};

Result<Root> parse_root(std::span<const std::byte> bytes);
Result<Release> parse_release(std::span<const std::byte> bytes);
Result<Release> parse_vendor(std::span<const std::byte> bytes);

/// Names of the files in a bundle: "drivers/backplane.<bundle>.root.<n>.json" and so on.
std::string root_name(std::string_view bundle, std::uint64_t version);
std::string release_name(std::string_view bundle);
std::string vendor_name(std::string_view bundle, std::string_view vendor);
/// "<document>.<hint>.minisig" with the key's hint in lower case.
std::string signature_name(std::string_view document, const PublicKey& key);
std::string plugin_file_name(std::string_view kind, std::string_view name, std::string_view arch,
                             std::string_view version);
/// Bundle ids, vendor ids, plug-in names: [a-z][a-z0-9_-]{0,31}.
bool is_plain_id(std::string_view text) noexcept;

/// "1.2.3" against "1.10.0": negative, zero or positive. Of semantic versioning the three numbers and a pre-release
/// tail (which is less than none); nullopt when either is no version.
std::optional<int> compare_versions(std::string_view a, std::string_view b) noexcept;

}  // namespace backplane::core::bundle
