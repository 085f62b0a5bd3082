// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <algorithm>
#include <cmath>
#include <locale>
#include <sstream>

#include "device.hpp"

namespace backplane::simulator {

namespace json = sdk::json;

namespace {

constexpr std::size_t k_most_shown = 60;

std::string plain(double number) {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out << number;
    return out.str();
}

std::string shown(const json::value& value) {
    if (value.is_double()) return plain(value.get_double());
    return shortened(json::serialize(value));
}

}  // namespace

std::string shortened(std::string_view text) {
    if (text.size() <= k_most_shown) return std::string(text);
    std::size_t end = k_most_shown;
    while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // in the middle of a character
    return std::string(text.substr(0, end)) + "...";
}

void Change::refuse(const char* member, const json::value& value, const std::string& wanted) const {
    throw sdk::Failure(BP_E_INVALID,
                       opening_ + '"' + member + "\" must be " + wanted + ", not " + shown(value));
}

const json::value* Change::find(const char* member) {
    known_.emplace_back(member);
    return members_.if_contains(member);
}

void Change::read(const char* member, bool& value) {
    const json::value* given = find(member);
    if (!given) return;
    if (!given->is_bool()) refuse(member, *given, "true or false");
    value = given->get_bool();
}

void Change::read(const char* member, double& value, double least, double most, const char* hint) {
    const json::value* given = find(member);
    if (!given) return;
    const std::string wanted = "a number from " + plain(least) + " to " + plain(most) + hint;
    if (!given->is_number()) refuse(member, *given, wanted);
    const double number = given->to_number<double>();
    if (!std::isfinite(number) || number < least || number > most) refuse(member, *given, wanted);
    value = number;
}

void Change::read(const char* member, std::int64_t& value, std::int64_t least, std::int64_t most) {
    const json::value* given = find(member);
    if (!given) return;
    const std::string wanted =
        "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    json::error_code error;
    const auto number = given->is_number() ? given->to_number<std::int64_t>(error) : 0;
    if (!given->is_number() || error || number < least || number > most)
        refuse(member, *given, wanted);
    value = number;
}

void Change::no_others() const {
    for (const auto& member : members_) {
        if (std::find(known_.begin(), known_.end(), member.key()) != known_.end()) continue;
        std::string text =
            opening_ + "there is no member \"" + shortened(member.key()) + "\"; there is ";
        if (known_.empty()) text += "none";
        for (std::size_t i = 0; i < known_.size(); ++i) text += (i ? ", " : "") + known_[i];
        throw sdk::Failure(BP_E_INVALID, text);
    }
}

}  // namespace backplane::simulator
