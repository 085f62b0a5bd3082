// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "kept_state.hpp"

#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include "backplane/host.hpp"

namespace backplane::toledo8217 {
namespace {

using sdk::ScaleCondition;
using sdk::ScaleReading;
namespace json = sdk::json;

constexpr std::array k_conditions{
    ScaleCondition::ok,         ScaleCondition::in_motion,  ScaleCondition::over_capacity,
    ScaleCondition::under_zero, ScaleCondition::not_zeroed, ScaleCondition::unreachable,
    ScaleCondition::fault};

[[noreturn]] void refuse(const std::string& what) {
    throw sdk::Failure(BP_E_INVALID, "the state of the predecessor is damaged: " + what);
}

bool flag(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (value == nullptr || !value->is_bool())
        refuse("\"" + std::string(name) + "\" is not true or false");
    return value->get_bool();
}

const json::object* object_in(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (value == nullptr) return nullptr;
    if (!value->is_object()) refuse("\"" + std::string(name) + "\" is not an object");
    return &value->get_object();
}

Layout layout_from(const json::object& object) {
    const auto number = [&](std::string_view name, std::int64_t most) {
        const json::value* value = object.if_contains(name);
        if (value == nullptr || !value->is_int64() || value->get_int64() < 0 ||
            value->get_int64() > most) {
            refuse("\"" + std::string(name) + "\" is not a number from 0 to " +
                   std::to_string(most));
        }
        return value->get_int64();
    };
    return {static_cast<std::size_t>(number("length", k_max_frame)),
            static_cast<unsigned>(number("decimals", k_max_digits))};
}

ScaleReading reading_from(const json::object& object) {
    const json::value* name = object.if_contains("condition");
    ScaleReading reading;
    bool known = false;
    for (const ScaleCondition condition : k_conditions) {
        if (name == nullptr || !name->is_string() ||
            std::string_view{name->get_string()} != to_string(condition)) {
            continue;
        }
        reading.condition = condition;
        known = true;
    }
    if (!known) refuse("\"condition\" is not one of a scale");
    reading.net = flag(object, "net");
    const json::value* kilograms = object.if_contains("kilograms");
    if ((kilograms != nullptr) != (reading.condition == ScaleCondition::ok))
        refuse("a weight belongs to the condition \"ok\" and to no other");
    if (kilograms == nullptr) return reading;
    json::error_code error;
    const double weight = kilograms->to_number<double>(error);
    if (error || !std::isfinite(weight)) refuse("\"kilograms\" is not a number");
    reading.kilograms = weight;
    return reading;
}

}  // namespace

std::vector<std::uint8_t> to_bytes(const Kept& kept) {
    json::object out{{"reading", kept.reading}};
    if (kept.layout) {
        out["layout"] =
            json::object{{"length", kept.layout->length}, {"decimals", kept.layout->decimals}};
    }
    if (kept.last) {
        json::object last{{"condition", to_string(kept.last->condition)}, {"net", kept.last->net}};
        if (kept.last->kilograms) last["kilograms"] = *kept.last->kilograms;
        out["last"] = std::move(last);
    }
    const std::string text = json::serialize(out);
    return {text.begin(), text.end()};
}

Kept kept_from(std::span<const std::uint8_t> bytes) {
    const json::object object = [&] {
        json::error_code error;
        json::value value =
            json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, error);
        if (error || !value.is_object()) refuse("it is not a JSON object");
        return std::move(value.get_object());
    }();
    Kept kept;
    kept.reading = flag(object, "reading");
    if (const auto* layout = object_in(object, "layout")) kept.layout = layout_from(*layout);
    if (const auto* last = object_in(object, "last")) kept.last = reading_from(*last);
    return kept;
}

}  // namespace backplane::toledo8217
