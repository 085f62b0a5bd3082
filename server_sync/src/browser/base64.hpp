// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Base64 (RFC 4648): pictures and documents travel in it between browser and box.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::sync {

std::string base64_encode(std::span<const std::uint8_t> bytes);

/// Nothing when the text is not base64. Line breaks are skipped (Python writes them), missing
/// padding is accepted.
std::optional<std::vector<std::uint8_t>> base64_decode(std::string_view text);

}  // namespace backplane::sync
