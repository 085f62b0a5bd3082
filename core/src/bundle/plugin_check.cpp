// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Steps 10 and 11 of the verification: one build against the manifest that promises it.
#include "bundle/release_check.hpp"
#include "bundle/verify.hpp"
#include "util/sha256.hpp"

namespace backplane::core::bundle {
namespace {

/// In the words of manifests: what the inspector found decides which step has failed.
const char* code_of(const sdk::Inspection& inspection) {
    const std::string_view first = inspection.findings.front().code;
    if (first == "elf.machine" || first == "note.arch") return "E_ARCH";
    if (first.starts_with("abi.") || first == "link.symbol_version") return "E_ABI";
    if (first.starts_with("note.")) return "E_NOTE";
    return "E_ELF";
}

/// What the note says otherwise than the manifest; empty: nothing.
std::string difference(const sdk::PluginNote& note, const ManifestPlugin& manifest) {
    const auto differs = [](const char* what, const std::string& in_manifest,
                            const std::string& in_note) {
        return std::string{"the "} + what + " \"" + in_manifest +
               "\", but the build itself says \"" + in_note + "\"";
    };
    const auto abi = [](unsigned major, unsigned minor) {
        return std::to_string(major) + "." + std::to_string(minor);
    };
    if (note.name != manifest.name) return differs("name", manifest.name, note.name);
    if (note.id != manifest.id) return differs("id", manifest.id, note.id);
    const std::string kind{sdk::to_string(note.kind)};
    if (kind != manifest.kind) return differs("kind", manifest.kind, kind);
    if (note.version != manifest.version) return differs("version", manifest.version, note.version);
    if (note.abi_major != manifest.abi_major || note.abi_minor != manifest.abi_minor) {
        return differs("ABI", abi(manifest.abi_major, manifest.abi_minor),
                       abi(note.abi_major, note.abi_minor));
    }
    for (const auto& cap : caps_of(note)) {
        if (cap_covered(cap, manifest.caps)) continue;
        return "no permission \"" + cap + "\", but the build itself wants it";
    }
    return {};
}

}  // namespace

Result<VerifiedPlugin> check_plugin(const ManifestPlugin& manifest, const PluginFile& file,
                                    std::shared_ptr<const Bytes> bytes, const Policy& policy) {
    const auto subject = "the build of " + subject_of(manifest);
    if (bytes == nullptr || bytes->size() != file.length) {
        return failure("E_LEN", subject + " has " +
                                    std::to_string(bytes == nullptr ? 0 : bytes->size()) +
                                    " bytes, but its manifest says " + std::to_string(file.length) +
                                    ": download it again");
    }
    if (const auto hash = sha256_hex(*bytes); hash != file.sha256) {
        return failure("E_HASH", subject + " has the SHA-256 " + hash + ", but its manifest says " +
                                     file.sha256 + ": download it again");
    }
    auto inspection = sdk::inspect(*bytes, policy.host);
    if (!inspection.ok()) return failure(code_of(inspection), inspection.text());
    if (const auto what = difference(*inspection.note, manifest); !what.empty()) {
        return failure("E_NOTE", "the manifest gives " + subject_of(manifest) + " " + what +
                                     ": ask its vendor for a corrected bundle");
    }
    VerifiedPlugin plugin;
    plugin.manifest = manifest;
    plugin.file = file;
    plugin.bytes = std::move(bytes);
    plugin.note = *std::move(inspection.note);
    plugin.raw_note = std::move(inspection.raw_note);
    return plugin;
}

}  // namespace backplane::core::bundle
