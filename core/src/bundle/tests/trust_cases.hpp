// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The cases of the trust table, and what they do to a bundle.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "publisher.hpp"

namespace backplane::core::bundle::testing {

/// Begins with a valid bundle and a box that trusts its publisher.
struct Case {
    const char* name;
    void (*damage)(Publisher&);
    const char* expected;  ///< as outcome() says it
};

std::span<const Case> root_cases();     ///< the chain of roots, first sight
std::span<const Case> release_cases();  ///< signatures, version, expiry
std::span<const Case> vendor_cases();   ///< delegations
std::span<const Case> content_cases();  ///< builds against what was promised

inline std::string release_file() {
    return release_name("acme");
}

inline void change_byte(Files& files, const std::string& name) {
    auto& bytes = files.at(name);
    bytes[bytes.size() / 2] ^= std::byte{1};
}

/// The signature of key `by` under the name of the one of key `as`.
inline void pass_off(Files& files, const std::string& document, unsigned by, unsigned as) {
    files[signature_name(document, key(as).public_key())] =
        files.at(signature_name(document, key(by).public_key()));
}

inline ManifestPlugin& plugin(Publisher& p) {
    return p.release.manifest.plugins.front();
}
inline PluginFile& file(Publisher& p) {
    return plugin(p).files.begin()->second;
}

}  // namespace backplane::core::bundle::testing
