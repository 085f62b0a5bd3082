// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The files of a bundle where publishers have them: in the iot_handlers folder of a server's module, or in a zip.
//
// Thread: any. Blocking: on the disk. Error texts name the path and what to do.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"
#include "bundle/publish.hpp"

namespace backplane::cli {

using Bytes = std::vector<std::byte>;

core::Result<Bytes> read_file(const std::string& path, std::size_t most);
std::string text_of(std::span<const std::byte> bytes);
Bytes bytes_of(std::string_view text);

/// Replaces the file in one step, with its folders.
core::Result<void> write_file(const std::string& path, std::span<const std::byte> bytes);
/// Never replaces one. `mode` as in open().
core::Result<void> write_new_file(const std::string& path, std::string_view text, unsigned mode);
core::Result<void> remove_file(const std::string& path);

/// What lies in a folder or a zip, by name. All regular files, at most 4,096.
struct Carried {
    core::bundle::Files files;         ///< by their names in the bundle
    std::vector<std::string> strange;  ///< look like ours, but no server or box carries such a name
    std::size_t foreign = 0;           ///< Python modules and whatever else is not ours
    Bytes zip;                         ///< what a box would receive
};

/// `zip` is made of all files of the folder, ours and foreign, or is the file itself.
core::Result<Carried> read_carried(const std::string& path);
/// Only the files that may belong to bundles. A folder that is not there is an empty one.
core::Result<Carried> read_folder(const std::string& folder);

}  // namespace backplane::cli
