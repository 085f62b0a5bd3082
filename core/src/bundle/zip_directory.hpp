// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a zip says of itself, held against its own bytes before any library sees it.
//
// Zip readers differ in what they forgive: bytes in front, a second directory in the comment, two
// entries over the same data, a local header that names another file. Each difference is a way to
// show one reader what another one never checked. So only the plain case passes: entries one behind
// the other from the first byte, then one directory, then its end. Thread: any. Blocking: no;
// nothing is inflated, memory grows with the entries that are really there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"

namespace backplane::core::bundle {

inline constexpr std::uint16_t k_zip_stored = 0;
inline constexpr std::uint16_t k_zip_deflated = 8;

struct ZipEntry {
    std::string_view name;  ///< raw bytes, in the zip
    std::uint16_t method = k_zip_stored;
    std::uint32_t crc = 0;
    std::uint32_t packed = 0;  ///< bytes in the zip; they are there
    std::uint32_t size = 0;    ///< claimed; possible for so many packed bytes
    bool is_directory() const noexcept { return name.ends_with('/'); }
};

/// In the order of the directory. E_ZIP (structure) or E_NAME (a name, a link, a device).
Result<std::vector<ZipEntry>> read_zip_directory(std::span<const std::byte> bytes);

}  // namespace backplane::core::bundle
