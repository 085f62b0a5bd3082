// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A publisher, its bundle and a box that trusts it, all valid: tests spoil one thing and look what happens.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/archive.hpp"
#include "bundle/metadata.hpp"
#include "bundle/publish.hpp"
#include "bundle/verify.hpp"
#include "plugin_build.hpp"

namespace backplane::core::bundle::testing {

/// Files without a zip around them.
class MemoryFiles final : public FileSource {
public:
    explicit MemoryFiles(Files files, std::set<std::string> twice = {});
    const std::vector<std::string>& names() const override { return names_; }
    bool is_ambiguous(std::string_view name) const override;
    Result<std::vector<std::byte>> read(std::string_view name, std::size_t most) const override;

private:
    Files files_;
    std::set<std::string> twice_;
    std::vector<std::string> names_;
};

/// The n-th of keys that are made once for the whole program.
const SecretKey& key(unsigned n);
Role role_of(const std::set<unsigned>& keys, unsigned threshold);
std::vector<std::byte> bytes_of(std::string_view text);
Time at(int year, unsigned month, unsigned day);

/// Of a document as it will be signed.
using Edit = std::function<void(std::string& text)>;
void replace(std::string& text, std::string_view from, std::string_view to);

struct Publisher {
    struct RootFile {
        std::uint64_t file_version = 1;
        Root root;
        std::vector<unsigned> signers;
        Edit edit;
    };
    struct ManifestFile {
        std::string id;  ///< of the vendor, in the file name
        Release manifest;
        std::vector<unsigned> signers;
        Edit edit;
    };

    /// Root 1: keys 0, 1, 2 (two must sign), release keys 3, 4, 5 (two must sign), the vendor "blue" with keys 6 and 7
    /// (one must sign), names "blue_…" and the ceiling "serial". Release 5 with acme_scale 1.1.0; manifest 2 of the vendor
    /// with blue_scale 1.0.0. The box knows root 1 and has accepted release 4.
    Publisher();

    Root&
    add_root();  ///< the newest one again with the next version, signed by all keys of the root role
    void add_plugin(const PluginWords& words);  ///< to the release
    void add_plugin(ManifestFile& manifest, const PluginWords& words);
    void trust_root(const Root& root);  ///< as the one that the box knows
    /// As the box remembers it after `bundle`.
    void remember(const VerifiedBundle& bundle);

    Files files() const;
    Verification verify() const;
    Result<Verification> verify_zip() const;

    std::string bundle = "acme";
    std::vector<RootFile> roots;
    ManifestFile release;
    std::vector<ManifestFile> vendors;
    Files content;                                   ///< plug-ins and foreign files
    std::vector<std::function<void(Files&)>> spoil;  ///< what happens to the files on their way
    std::set<std::string> twice;
    TrustStates trust;
    Policy policy;
};

/// "accepted", "accepted unchanged", "rejected E_SIG", "accepted, left out: vendor blue E_DELEG"; "nothing".
std::string outcome(const Verification& verification);

}  // namespace backplane::core::bundle::testing
