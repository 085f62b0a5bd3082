// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Archives that were made to do harm, and how each has to end.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bundle/archive.hpp"
#include "bundle/tests/zip_maker.hpp"

namespace backplane::core::bundle::tests {

/// The file that a reader wants, and what it honestly contains.
inline constexpr const char* k_wanted = "drivers/backplane.acme.release.json";
std::string honest_content();

struct HostileZip {
    std::string what;
    std::function<std::string()> make;
    /// Of the refusal, by opening or by reading the wanted file. Empty: opened, and what is read is
    /// the honest content (the damage is where nobody looks).
    std::string code = "E_ZIP";
    std::string wanted = k_wanted;
    std::size_t most = k_metadata_bytes;
    std::string content = honest_content();
};

/// The wanted file (deflated), a plug-in (stored), and a file of somebody else.
std::vector<ZipFile> honest_files();

/// honest_files() with one more.
std::string zip_with(const ZipFile& file);
/// honest_files() after `change` of the wanted one.
std::string zip_with_wanted(const std::function<void(ZipFile&)>& change);

std::vector<HostileZip> hostile_names();
std::vector<HostileZip> hostile_headers();
std::vector<HostileZip> hostile_layouts();
std::vector<HostileZip> hostile_sizes();

}  // namespace backplane::core::bundle::tests
