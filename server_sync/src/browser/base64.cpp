// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/base64.hpp"

#include <array>

namespace backplane::sync {

namespace {

constexpr std::string_view k_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t k_invalid = 0xff;

constexpr std::array<std::uint8_t, 256> k_values = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(k_invalid);
    for (std::size_t i = 0; i < k_alphabet.size(); ++i)
        values[static_cast<unsigned char>(k_alphabet[i])] = static_cast<std::uint8_t>(i);
    return values;
}();

}  // namespace

std::string base64_encode(std::span<const std::uint8_t> bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t left = bytes.size() - i;
        const std::uint32_t group = std::uint32_t{bytes[i]} << 16 |
                                    (left > 1 ? std::uint32_t{bytes[i + 1]} << 8 : 0) |
                                    (left > 2 ? std::uint32_t{bytes[i + 2]} : 0);
        out += k_alphabet[group >> 18];
        out += k_alphabet[group >> 12 & 63];
        out += left > 1 ? k_alphabet[group >> 6 & 63] : '=';
        out += left > 2 ? k_alphabet[group & 63] : '=';
    }
    return out;
}

std::optional<std::vector<std::uint8_t>> base64_decode(std::string_view text) {
    std::vector<std::uint8_t> out;
    out.reserve(text.size() / 4 * 3 + 3);
    std::uint32_t bits = 0;
    std::size_t digits = 0;
    std::size_t padding = 0;
    for (const char c : text) {
        if (c == '\n' || c == '\r') continue;
        if (c == '=') {
            ++padding;
            continue;
        }
        const std::uint8_t value = k_values[static_cast<unsigned char>(c)];
        if (value == k_invalid || padding > 0) return std::nullopt;
        bits = bits << 6 | value;
        if (++digits % 4 == 0) {
            out.push_back(static_cast<std::uint8_t>(bits >> 16 & 0xff));
            out.push_back(static_cast<std::uint8_t>(bits >> 8 & 0xff));
            out.push_back(static_cast<std::uint8_t>(bits & 0xff));
            bits = 0;
        }
    }
    const std::size_t rest = digits % 4;
    if (rest == 1 || padding > 2 || (padding > 0 && (rest + padding) != 4)) return std::nullopt;
    if (rest >= 2) out.push_back(static_cast<std::uint8_t>(bits >> (rest == 2 ? 4 : 10) & 0xff));
    if (rest == 3) out.push_back(static_cast<std::uint8_t>(bits >> 2 & 0xff));
    return out;
}

}  // namespace backplane::sync
