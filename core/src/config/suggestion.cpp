// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "config/suggestion.hpp"

#include <algorithm>
#include <cstddef>

#include "util/utf8.hpp"

namespace backplane::core {
namespace {

constexpr std::size_t k_longest_name = 64;

/// Insertions, deletions, replacements and swaps of neighbours that turn one into the other
/// (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), current(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u);
            current[j] = std::min({last[j] + 1, current[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                current[j] = std::min(current[j], before_last[j - 2] + 1);
            }
        }
        before_last.swap(last);
        last.swap(current);
    }
    return last[b.size()];
}

std::string lower(std::string_view text) {
    std::string out{text};
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == '-' ? '_' : c;
    });
    return out;
}

}  // namespace

std::string suggestion_for(std::string_view typed, const std::vector<std::string>& known) {
    if (known.empty()) return {};
    const std::string* nearest = nullptr;
    std::size_t nearest_distance = 0;
    if (typed.size() <= k_longest_name) {
        for (const std::string& name : known) {
            if (name.size() > k_longest_name) continue;
            const bool shortened = typed.size() >= 3 && lower(name).starts_with(lower(typed));
            const std::size_t distance = shortened ? 1 : edit_distance(lower(typed), lower(name));
            const std::size_t tolerated =
                std::max<std::size_t>(1, std::max(typed.size(), name.size()) / 3);
            if (distance <= tolerated && (nearest == nullptr || distance < nearest_distance)) {
                nearest = &name;
                nearest_distance = distance;
            }
        }
    }
    if (nearest != nullptr) return ": did you mean \"" + to_printable(*nearest, 80) + "\"?";
    std::string all;
    for (const std::string& name : known) {
        if (all.size() > 200) {
            all += ", \xE2\x80\xA6";
            break;
        }
        all += (all.empty() ? "" : ", ") + to_printable(name, 80);
    }
    return ": known here are " + all;
}

}  // namespace backplane::core
