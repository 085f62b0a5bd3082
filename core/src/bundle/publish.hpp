// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Makes bundles: the other half of metadata.hpp and verify.hpp, for `backplane bundle` and for tests.
//
// Thread: any. Blocking: CPU only. Error codes: E_TYPE, E_ELF, E_NOTE, E_KEY, E_NAME, E_SIZE: what is wrong with the
// author's input, in the words of the verification that would refuse it.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "backplane/core/result.hpp"
#include "bundle/metadata.hpp"

namespace backplane::core::bundle {

/// By their names in the bundle.
using Files = std::map<std::string, std::vector<std::byte>>;

/// The documents as they are signed: JSON, two spaces, a newline at the end.
std::string write_root(const Root& root);
std::string write_release(const Release& release);
std::string write_vendor(const Release& vendor);

/// What the manifest says of a plug-in, from the notes of its builds, one for each architecture. They must agree in
/// name, id, kind, version, ABI, capabilities and states. floor, health and notes are left for the caller to fill in.
Result<ManifestPlugin> describe_plugin(const std::vector<std::vector<std::byte>>& builds);

/// Adds "<document>.<hint>.minisig".
void add_signature(Files& files, const std::string& document, const SecretKey& key,
                   const std::string& trusted_comment);

/// A zip as a server would make it from these files, deflated.
Result<std::vector<std::byte>> zip_files(const Files& files);

}  // namespace backplane::core::bundle
