// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Words from a hostile file inside our own sentences.
#pragma once

#include <string>
#include <string_view>

namespace backplane::sdk {

/// `text` in quotation marks, printable ASCII only and not longer than fits into a sentence: it
/// ends up in logs and pages.
inline std::string quoted(std::string_view text) {
    constexpr std::size_t k_limit = 80;
    std::string out = "\"";
    for (const char c : text.substr(0, k_limit)) {
        const bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
        out += plain ? c : '?';
    }
    out += text.size() > k_limit ? "…\"" : "\"";
    return out;
}

}  // namespace backplane::sdk
