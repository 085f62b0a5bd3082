// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "decoder.hpp"

#include <array>

#include "backplane/serial/framing.hpp"

namespace backplane::toledo8217 {
namespace {

using sdk::ScaleCondition;
using sdk::ScaleReading;
using sdk::serial::Framing;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

/// What may stand between the first byte and the carriage return of a weight.
bool is_of_weight(char c) noexcept {
    return is_digit(c) || c == '.' || c == ' ' || c == 'N';
}

/// Digits are collected as an integer and divided once: exact to the last bit, and no locale can
/// change the point.
std::optional<Decoded> decode_weight(std::string_view text, std::size_t frame_size) noexcept {
    static constexpr std::array<double, k_max_digits + 1> k_powers{1e0, 1e1, 1e2, 1e3,
                                                                   1e4, 1e5, 1e6, 1e7};
    bool net = false;
    if (text.ends_with('N')) {
        net = true;
        text.remove_suffix(1);
    }
    std::uint32_t mantissa = 0;
    unsigned digits = 0;
    unsigned decimals = 0;
    bool point = false;
    for (const char c : text) {
        if (c == '.') {
            if (point) return std::nullopt;
            point = true;
        } else if (is_digit(c)) {
            if (++digits > k_max_digits) return std::nullopt;
            if (point) ++decimals;
            mantissa = mantissa * 10 + static_cast<std::uint32_t>(c - '0');
        } else {
            return std::nullopt;
        }
    }
    // "5." is what is left of "5.123" when characters are lost, and "000500" is 500 g of another make's scale, not 500 kg:
    // this protocol always writes decimals.
    if (decimals == 0) return std::nullopt;
    return Decoded{Decoded::Kind::weight,
                   ScaleReading::weight(mantissa / k_powers[decimals], net),
                   {frame_size, decimals}};
}

std::size_t skip_blanks(std::string_view bytes) noexcept {
    std::size_t at = 1;
    while (at < bytes.size() && bytes[at] == ' ') ++at;
    return at;
}

}  // namespace

std::optional<ScaleCondition> condition(std::uint8_t status) noexcept {
    if (status & k_over_capacity) return ScaleCondition::over_capacity;
    if (status & k_under_zero) return ScaleCondition::under_zero;
    if (status & k_outside_zero_range) return ScaleCondition::not_zeroed;
    if (status & k_motion) return ScaleCondition::in_motion;
    if (status & k_bad_command) return ScaleCondition::fault;
    return std::nullopt;
}

std::size_t frame_length(std::string_view bytes) noexcept {
    if (bytes.empty()) return Framing::k_more;
    if (bytes[0] != k_stx) return Framing::k_no_frame;
    const std::size_t first = skip_blanks(bytes);
    if (first == bytes.size()) return Framing::k_more;
    if (bytes[first] == '?') {
        // By length: the status byte may itself be a carriage return (under zero, outside the zero
        // range, in motion).
        if (bytes.size() < first + 3) return Framing::k_more;
        return bytes[first + 2] == k_cr ? first + 3 : Framing::k_no_frame;
    }
    for (std::size_t i = first; i < bytes.size(); ++i) {
        if (bytes[i] == k_cr) return i + 1;
        if (!is_of_weight(bytes[i])) return Framing::k_no_frame;
    }
    return Framing::k_more;
}

std::optional<Decoded> decode(std::string_view frame) noexcept {
    if (frame.size() < 3 || frame.size() > k_max_frame || frame.front() != k_stx ||
        frame.back() != k_cr)
        return std::nullopt;
    const std::size_t first = skip_blanks(frame);
    const std::string_view text = frame.substr(first, frame.size() - first - 1);
    if (text.empty() || text[0] != '?') {
        return decode_weight(text, frame.size());
    }
    if (text.size() != 2) return std::nullopt;
    if (const auto why = condition(static_cast<std::uint8_t>(text[1])))
        return Decoded{Decoded::Kind::status, ScaleReading::without_weight(*why), {}};
    return Decoded{};
}

}  // namespace backplane::toledo8217
