// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a plug-in may reach: the permissions of its note and the buses it serves, in the words of manifests and of the
// ceilings of delegations.
#include <algorithm>
#include <iterator>
#include <set>

#include "bundle/verify.hpp"

namespace backplane::core::bundle {
namespace {

constexpr std::string_view k_words[] = {
    "audio", "bluetooth", "bus",     "cups", "dbus",   "display", "hid", "input",
    "net",   "netlink",   "printer", "pty",  "serial", "udev",    "usb", "video"};

std::string_view word_of(std::string_view cap) noexcept {
    return cap.substr(0, cap.find(':'));
}

/// '*' stands for any run of characters. In `text` it is a character like any other: only a '*' of the pattern takes it,
/// so whatever the text's own '*' may stand for, the pattern takes that too. With '?' that would not hold.
bool fits(std::string_view pattern, std::string_view text) noexcept {
    std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p, ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

const sdk::MatchProperty* property(const sdk::MatchRule& rule, std::string_view name) {
    const auto found = std::find_if(rule.properties.begin(), rule.properties.end(),
                                    [&](const auto& each) { return each.name == name; });
    return found == rule.properties.end() ? nullptr : &*found;
}

/// A pattern of a match rule as the argument of a capability; empty when it says more than '*' can.
std::string argument(std::string_view glob) {
    std::string out{glob};
    for (char& c : out) {
        if (c == '?' || c == ':' || c <= ' ' || c > '~') return {};
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

void add_property_caps(std::set<std::string>& caps, const sdk::MatchProperty* values,
                       const std::string& before, const std::string& after,
                       const std::string& everything) {
    if (values == nullptr || values->globs.empty()) {
        caps.insert(everything);
        return;
    }
    for (const auto& glob : values->globs) {
        const auto value = argument(glob);
        const auto cap = before + value + after;
        caps.insert(value.empty() || !is_known_cap(cap) ? everything : cap);
    }
}

/// To be handed a device of a bus is to reach that bus.
void add_bus_caps(std::set<std::string>& caps, const sdk::MatchRule& rule) {
    if (rule.bus == "usb") {
        add_property_caps(caps, property(rule, "vid"), "usb:", ":*", "usb");
    } else if (rule.bus == "tcp") {
        add_property_caps(caps, property(rule, "port"), "net:tcp/", "", "net:tcp/*");
    } else if (rule.bus != "bus" &&
               std::find(std::begin(k_words), std::end(k_words), rule.bus) != std::end(k_words)) {
        caps.insert(rule.bus);
    } else {
        caps.insert("bus:" + rule.bus);
    }
}

}  // namespace

bool is_known_cap(std::string_view cap) noexcept {
    const auto word = word_of(cap);
    if (std::find(std::begin(k_words), std::end(k_words), word) == std::end(k_words)) return false;
    if (word.size() == cap.size()) return true;
    const auto rest = cap.substr(word.size() + 1);
    return !rest.empty() && rest.size() <= 128 && std::all_of(rest.begin(), rest.end(), [](char c) {
        return c > ' ' && c <= '~' && c != '?';
    });
}

bool cap_covered(std::string_view cap, const std::vector<std::string>& ceiling) noexcept {
    if (!is_known_cap(cap)) return false;
    return std::any_of(ceiling.begin(), ceiling.end(), [&](const std::string& each) {
        if (!is_known_cap(each) || word_of(each) != word_of(cap)) return false;
        if (each.size() == word_of(each).size()) return true;  // a word alone is all of it
        return cap.size() > word_of(cap).size() && fits(each, cap);
    });
}

std::vector<std::string> caps_of(const sdk::PluginNote& note) {
    std::set<std::string> caps{note.permissions.begin(), note.permissions.end()};
    for (const auto& rule : note.matches) add_bus_caps(caps, rule);
    return {caps.begin(), caps.end()};
}

}  // namespace backplane::core::bundle
