// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A publisher for tests: keys, a root, and releases of one bundle, signed for real.
//
//     BundleMaker maker("acme");
//     maker.add(test_plugin("1.0.0/acme_scale.so"));
//     const Bytes first = maker.zip(1);
//     maker.add(test_plugin("1.1.0/acme_scale.so"));   // takes the place of 1.0.0
//     const Bytes second = maker.zip(2);
//
// What cannot be made throws std::runtime_error, which fails the test with its text.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/publish.hpp"

namespace backplane::tests {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::string_view text);
Bytes read_bytes(const std::filesystem::path& file);  ///< throws when it cannot be read

/// One of the small plug-ins that the build makes for tests: "1.0.0/acme_scale.so" (1.0.0, 1.1.0, 1.2.0),
/// "1.0.0/acme_bus.so" (an interface), "1.0.0/acme_display.so".
std::filesystem::path test_plugin(const std::string& name);

class BundleMaker {
public:
    struct PluginOptions {
        std::string floor;  ///< lowest version that may run
        core::bundle::Health health{};
        std::uint32_t state_version = 0;
        std::vector<std::uint32_t> accepts_state;
    };

    /// Makes one root key, `release_keys` release keys (all of them must sign), and root 1.
    explicit BundleMaker(std::string bundle, unsigned release_keys = 1);

    /// The next releases have this build, in the place of another one of the same name.
    void add(const std::filesystem::path& so, PluginOptions options);
    void add(const std::filesystem::path& so) { add(so, PluginOptions{}); }
    void remove(const std::string& plugin);
    /// The next releases withdraw this build.
    void withdraw(const std::string& sha256, const std::string& reason);
    void set_floor(const std::string& plugin, const std::string& floor);

    /// A new root, signed by the root key; with other release keys or the same ones.
    enum class ReleaseKeys { keep, change };
    void rotate(ReleaseKeys keys);

    /// All files of a release, by their names in the zip; to be changed by those who need a bad one.
    core::bundle::Files files(std::uint64_t version) const;
    Bytes zip(std::uint64_t version) const { return zip_of(files(version)); }
    static Bytes zip_of(const core::bundle::Files& files);

    const std::string& bundle() const { return bundle_; }
    const core::bundle::SecretKey& root_key() const { return root_key_; }
    const std::vector<core::bundle::SecretKey>& release_keys() const { return release_keys_; }
    /// The newest root document: what a box is given to trust ("<bundle>.json" in its trust folder).
    Bytes root() const;
    std::uint64_t root_version() const { return root_.version; }
    /// SHA-256 of the build of this plug-in that the next release has.
    std::string sha256(const std::string& plugin) const;

    /// Of the next documents. They begin as: an hour ago, in a year.
    core::bundle::Time issued, expires;
    std::string min_host;

private:
    struct Plugin {
        core::bundle::ManifestPlugin manifest;
        Bytes bytes;
    };
    void make_release_keys(unsigned count);
    void write_root();

    std::string bundle_;
    core::bundle::SecretKey root_key_;
    std::vector<core::bundle::SecretKey> release_keys_;
    core::bundle::Root root_;
    core::bundle::Files roots_;  ///< all of them, with their signatures
    std::map<std::string, Plugin> plugins_;
    std::vector<core::bundle::Withdrawal> withdrawn_;
};

}  // namespace backplane::tests
