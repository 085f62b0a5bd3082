// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane bundle root`: who may sign a bundle, from the first root to a rotation of keys. Also what `create` shares
// with it: the folder with its documents, dates, and options of the form NAME=VALUE.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bundle_documents.hpp"
#include "exit_code.hpp"

namespace backplane::cli {

/// Values of repeated options such as --floor NAME=1.0.0; the command line has checked that there is a "=".
using Named = std::vector<std::string>;

struct RootOptions {
    std::string folder;
    std::string bundle;
    std::vector<std::string> copies;  ///< earlier roots: files, or folders of bundles
    /// Public key files; empty: the keys of the root before.
    std::vector<std::string> root_keys, release_keys;
    std::optional<unsigned> root_threshold, release_threshold;
    std::optional<std::uint64_t> version_floor;
    std::string issued, expires;  ///< empty: now, and a usual life
    Named delegates;              ///< ID=PREFIX
    Named delegate_keys;          ///< ID=FILE
    Named delegate_caps;          ///< ID=CAPABILITY
    Named delegate_thresholds;    ///< ID=N
    std::vector<std::string> dropped_delegates;
    std::vector<std::string> sign_with;  ///< secret key files
};

ExitCode create_root(const RootOptions& options);

/// The folder with its documents of one bundle.
struct Workshop {
    core::bundle::Files files;
    BundleDocuments documents;
    core::bundle::Files unwritten;   ///< of `files`
    std::vector<std::string> words;  ///< about them, for when they are written
};
/// Reads the folder and copies into it what `copies` names.
core::Result<Workshop> open_workshop(const RootOptions& options);
/// Makes the next root, with what the options change. It is not on the disk before write_out(): half of what was asked
/// for would be in the way of the next attempt.
core::Result<void> add_root(const RootOptions& options, Workshop& shop);
core::Result<void> write_out(const std::string& folder, Workshop& shop);

struct Dates {
    core::bundle::Time issued{}, expires{};
};
core::Result<Dates> read_dates(const std::string& issued, const std::string& expires,
                               std::chrono::days life);

/// "NAME=VALUE" apart.
std::pair<std::string, std::string> named(const std::string& text);
/// At most 15 digits and nothing else.
std::optional<std::uint64_t> parse_number(const std::string& text);

}  // namespace backplane::cli
