// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How the files of a bundle are called, and how ids and versions are written and compared.
#include <algorithm>
#include <array>

#include "bundle/document_names.hpp"
#include "bundle/metadata.hpp"
#include "bundle/strict_json.hpp"

namespace backplane::core::bundle {
namespace {

constexpr std::string_view k_prefix = "drivers/backplane.";

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) noexcept {
    return c >= 'a' && c <= 'z';
}

bool all_digits(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

/// The part before the next dot, which is taken off; all of it when there is none.
std::string_view next_part(std::string_view& text) noexcept {
    const auto dot = text.find('.');
    const auto part = text.substr(0, dot);
    text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
    return part;
}

/// As it must be written: without a leading zero, of at most `digits` digits.
bool is_plain_number(std::string_view text, std::size_t digits) noexcept {
    return all_digits(text) && text.size() <= digits && (text.size() == 1 || text.front() != '0');
}

std::uint64_t number(std::string_view digits) noexcept {
    std::uint64_t value = 0;
    for (const char c : digits) value = value * 10 + static_cast<std::uint64_t>(c - '0');
    return value;
}

struct Version {
    std::array<std::uint64_t, 3> numbers{};
    std::string_view tail;
};

constexpr std::size_t k_version_bytes = 64;

bool is_identifier_list(std::string_view list, bool numbers_are_plain) noexcept {
    if (list.empty() || list.back() == '.') return false;
    while (!list.empty()) {
        const auto part = next_part(list);
        if (part.empty()) return false;
        for (const char c : part) {
            if (!is_digit(c) && !is_lower(c) && !(c >= 'A' && c <= 'Z') && c != '-') return false;
        }
        if (numbers_are_plain && all_digits(part) && part.size() > 1 && part.front() == '0')
            return false;
    }
    return true;
}

std::optional<Version> split_version(std::string_view text) noexcept {
    if (text.empty() || text.size() > k_version_bytes) return std::nullopt;
    Version version;
    if (const auto plus = text.find('+'); plus != std::string_view::npos) {
        if (!is_identifier_list(text.substr(plus + 1), false)) return std::nullopt;
        text = text.substr(0, plus);
    }
    if (const auto dash = text.find('-'); dash != std::string_view::npos) {
        version.tail = text.substr(dash + 1);
        if (!is_identifier_list(version.tail, true)) return std::nullopt;
        text = text.substr(0, dash);
    }
    if (text.ends_with('.')) return std::nullopt;
    for (std::size_t i = 0; i < version.numbers.size(); ++i) {
        const auto part = next_part(text);
        if (!is_plain_number(part, 9)) return std::nullopt;
        version.numbers[i] = number(part);
        if (i + 1 < version.numbers.size() && text.empty()) return std::nullopt;
    }
    if (!text.empty()) return std::nullopt;
    return version;
}

template <typename T>
int order(const T& a, const T& b) noexcept {
    return a < b ? -1 : b < a ? 1 : 0;
}

/// Numbers are less than words and compared as such, however long they are.
int compare_identifiers(std::string_view a, std::string_view b) noexcept {
    const bool number_a = all_digits(a), number_b = all_digits(b);
    if (number_a != number_b) return number_a ? -1 : 1;
    if (number_a && a.size() != b.size()) return order(a.size(), b.size());
    return order(a, b);
}

int compare_tails(std::string_view a, std::string_view b) noexcept {
    if (a.empty() || b.empty()) return order(a.empty(), b.empty());  // none is more than any
    while (!a.empty() && !b.empty()) {
        if (const int found = compare_identifiers(next_part(a), next_part(b)); found != 0)
            return found;
    }
    return order(!a.empty(), !b.empty());
}

}  // namespace

bool is_plain_id(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 32 && is_lower(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-'; });
}

std::optional<int> compare_versions(std::string_view a, std::string_view b) noexcept {
    const auto left = split_version(a), right = split_version(b);
    if (!left || !right) return std::nullopt;
    if (const int found = order(left->numbers, right->numbers); found != 0) return found;
    return compare_tails(left->tail, right->tail);
}

std::string root_name(std::string_view bundle, std::uint64_t version) {
    return std::string{k_prefix} + std::string{bundle} + ".root." + std::to_string(version) +
           ".json";
}

std::string release_name(std::string_view bundle) {
    return std::string{k_prefix} + std::string{bundle} + ".release.json";
}

std::string vendor_name(std::string_view bundle, std::string_view vendor) {
    return std::string{k_prefix} + std::string{bundle} + ".vendor." + std::string{vendor} + ".json";
}

std::string signature_name(std::string_view document, const PublicKey& key) {
    std::string hint = key.hint_text();
    for (char& c : hint) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return std::string{document} + "." + hint + ".minisig";
}

std::string plugin_file_name(std::string_view kind, std::string_view name, std::string_view arch,
                             std::string_view version) {
    return (kind == "interface" ? "interfaces/" : "drivers/") + std::string{name} + "." +
           std::string{arch} + ".so." + std::string{version};
}

std::map<std::string, DocumentNames> documents_by_bundle(const FileSource& files) {
    std::map<std::string, DocumentNames> found;
    for (const std::string& name : files.names()) {
        std::string_view rest = name;
        if (!rest.starts_with(k_prefix)) continue;
        rest.remove_prefix(k_prefix.size());
        const auto bundle = next_part(rest);
        if (!is_plain_id(bundle)) continue;
        const auto type = next_part(rest);
        const auto which = type == "release" ? std::string_view{} : next_part(rest);
        const auto json = next_part(rest);
        if (json != "json") continue;
        if (!rest.empty()) {  // a signature makes no bundle, but it must not be there twice
            if (files.is_ambiguous(name)) found[std::string{bundle}].ambiguous.insert(name);
            continue;
        }
        const bool is_root = type == "root" && is_plain_number(which, 16) && number(which) > 0 &&
                             number(which) <= k_largest_integer;
        const bool is_vendor = type == "vendor" && is_plain_id(which);
        if (!is_root && !is_vendor && type != "release") continue;
        DocumentNames& documents = found[std::string{bundle}];
        if (files.is_ambiguous(name)) documents.ambiguous.insert(name);
        if (is_root) documents.roots.insert(number(which));
        if (is_vendor) documents.vendors.insert(std::string{which});
        if (type == "release") documents.release = true;
    }
    std::erase_if(found, [](const auto& each) {
        const DocumentNames& documents = each.second;
        return documents.roots.empty() && !documents.release && documents.vendors.empty();
    });
    return found;
}

}  // namespace backplane::core::bundle
