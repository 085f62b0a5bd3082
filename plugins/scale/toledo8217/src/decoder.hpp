// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What an answer of a Toledo 8217 means. Pure functions: no time, no line, no state.
//
// The scale answers "W" with one of
//
//     02 blanks digits-with-at-most-one-point [N] 0D     a weight in kg; N: net, a tare is taken
//     off 02 blanks 3F status 0D                             no weight, and why
//
// The rule of this file: a number comes out only of bytes that are exactly such a frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "backplane/device_class/scale.hpp"

namespace backplane::toledo8217 {

inline constexpr char k_stx = '\x02';
inline constexpr char k_cr = '\r';
inline constexpr std::size_t k_max_frame = 24;
inline constexpr unsigned k_max_digits = 7;

/// Bits of the status byte. Bit 7 is the parity bit of the line and means nothing here.
enum Status : std::uint8_t {
    k_motion = 0x01,
    k_over_capacity = 0x02,
    k_under_zero = 0x04,
    k_outside_zero_range = 0x08,
    k_centre_of_zero = 0x10,
    k_net = 0x20,
    k_bad_command = 0x40,
};

/// How a weight is written: a scale writes all its weights alike, so a change tells of lost
/// characters.
struct Layout {
    std::size_t length = 0;  ///< of the frame
    unsigned decimals = 0;
    bool operator==(const Layout&) const = default;
};

struct Decoded {
    enum class Kind {
        weight,   ///< `reading` has a number
        status,   ///< `reading` has the reason why there is none
        nothing,  ///< a status in which nothing stands against a weight (only bits 4 and 5): ask
                  ///< again
    };
    Kind kind = Kind::nothing;
    sdk::ScaleReading reading;
    Layout layout;  ///< of a weight
};

/// For sdk::serial::Framing: the length of the answer that begins with the first of these bytes.
std::size_t frame_length(std::string_view bytes) noexcept;

/// A whole frame with its first and last byte; nullopt when it is not exactly one of the two forms.
std::optional<Decoded> decode(std::string_view frame) noexcept;

/// The worst of several bits wins, in the order of what a person has to do first: over capacity,
/// under zero, outside the zero range, in motion, bad command. Nullopt when no bit stands against a
/// weight.
std::optional<sdk::ScaleCondition> condition(std::uint8_t status) noexcept;

}  // namespace backplane::toledo8217
