// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What one instance of this driver leaves to the next: one JSON object.
//
//     {"reading": false, "layout": {"length": 9, "decimals": 3},
//      "last": {"condition": "ok", "kilograms": 1.234, "net": false}}
//
// "layout" and "last" are absent when nothing was read yet. Another meaning of a member is another
// version.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backplane/device_class/scale.hpp"
#include "decoder.hpp"

namespace backplane::toledo8217 {

inline constexpr std::uint32_t k_kept_version = 1;

struct Kept {
    bool reading = false;  ///< between start_reading and stop_reading
    std::optional<Layout> layout;
    std::optional<sdk::ScaleReading> last;
    bool operator==(const Kept&) const = default;
};

std::vector<std::uint8_t> to_bytes(const Kept& kept);

/// Throws sdk::Failure when the bytes are not what to_bytes() writes.
Kept kept_from(std::span<const std::uint8_t> bytes);

}  // namespace backplane::toledo8217
