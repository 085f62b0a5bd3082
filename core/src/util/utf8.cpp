// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "util/utf8.hpp"

#include <cstdint>

namespace backplane::core {
namespace {

constexpr std::string_view k_replacement = "\xEF\xBF\xBD";
constexpr std::string_view k_ellipsis = "\xE2\x80\xA6";

std::uint8_t byte_at(std::string_view text, std::size_t at) noexcept {
    return static_cast<std::uint8_t>(text[at]);
}

std::uint32_t code_point(std::string_view sequence) noexcept {
    const std::uint8_t first = byte_at(sequence, 0);
    if (sequence.size() == 1) return first;
    std::uint32_t value = first & (0x7Fu >> sequence.size());
    for (std::size_t i = 1; i < sequence.size(); ++i) {
        value = value << 6 | (byte_at(sequence, i) & 0x3Fu);
    }
    return value;
}

bool obeyed_by_terminals(std::uint32_t c) noexcept {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0x061C ||
           c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

void append_hex(std::string& out, std::uint32_t value, int digits) {
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
        out.push_back("0123456789abcdef"[value >> shift & 0xFu]);
    }
}

std::string escaped(std::uint32_t c) {
    switch (c) {
        case '\n':
            return "\\n";
        case '\r':
            return "\\r";
        case '\t':
            return "\\t";
        default:
            break;
    }
    std::string out = c < 0x100 ? "\\x" : "\\u";
    append_hex(out, c, c < 0x100 ? 2 : 4);
    return out;
}

std::string copy_bounded(std::string_view text, std::size_t most_bytes, bool escape) {
    std::string out;
    out.reserve(text.size() < most_bytes ? text.size() : most_bytes);
    // Where to cut when the rest does not fit: behind the last piece that leaves room for the
    // ellipsis.
    std::size_t cut = 0;
    while (!text.empty()) {
        const std::size_t length = utf8_sequence_length(text);
        const std::string_view sequence = text.substr(0, length);
        std::string piece{length == 0 ? k_replacement : sequence};
        if (escape && length != 0 && obeyed_by_terminals(code_point(sequence))) {
            piece = escaped(code_point(sequence));
        }
        if (out.size() + piece.size() > most_bytes) {
            out.resize(cut);
            if (cut + k_ellipsis.size() <= most_bytes) out += k_ellipsis;
            return out;
        }
        out += piece;
        if (out.size() + k_ellipsis.size() <= most_bytes) cut = out.size();
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return out;
}

}  // namespace

std::size_t utf8_sequence_length(std::string_view text) noexcept {
    if (text.empty()) return 0;
    const std::uint8_t first = byte_at(text, 0);
    if (first < 0x80) return 1;
    std::size_t length = 0;
    // The second byte has a narrower range where longer forms, surrogates and values above U+10FFFF
    // would fit in.
    std::uint8_t low = 0x80, high = 0xBF;
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        if (first == 0xE0) low = 0xA0;
        if (first == 0xED) high = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        if (first == 0xF0) low = 0x90;
        if (first == 0xF4) high = 0x8F;
    }
    if (length == 0 || text.size() < length) return 0;
    if (byte_at(text, 1) < low || byte_at(text, 1) > high) return 0;
    for (std::size_t i = 2; i < length; ++i) {
        if ((byte_at(text, i) & 0xC0u) != 0x80u) return 0;
    }
    return length;
}

std::size_t first_invalid_utf8(std::string_view text) noexcept {
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t length = utf8_sequence_length(text.substr(at));
        if (length == 0) return at;
        at += length;
    }
    return std::string_view::npos;
}

std::size_t utf8_length(std::string_view text) noexcept {
    std::size_t characters = 0;
    while (!text.empty()) {
        const std::size_t length = utf8_sequence_length(text);
        text.remove_prefix(length == 0 ? 1 : length);
        ++characters;
    }
    return characters;
}

std::string to_valid_utf8(std::string_view text, std::size_t most_bytes) {
    return copy_bounded(text, most_bytes, false);
}

std::string to_printable(std::string_view text, std::size_t most_bytes) {
    return copy_bounded(text, most_bytes, true);
}

}  // namespace backplane::core
