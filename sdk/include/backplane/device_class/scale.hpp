// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The device class "scale": what every scale says in the same words, whatever its protocol.
//
// A scale emits events of kind "weight". They carry a number only when the scale vouches for it; otherwise they carry the
// condition that is in the way. Vocabulary after UPOS (Scale: stable weight, underzero, overweight, not ready).
// Members: "weight" (number, in "unit"; absent unless the condition is ok), "unit" ("kg"), "condition", "stable" (bool),
// "net" (bool), "message" (text for people; empty when ok).
#pragma once

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace backplane::sdk {

enum class ScaleCondition {
    ok,             ///< at rest; the weight is valid
    in_motion,      ///< the load moves; wait
    over_capacity,  ///< too heavy for this scale
    under_zero,     ///< below zero: the platter was lifted or the tare is off
    not_zeroed,     ///< switched on outside the range in which it can find its zero
    unreachable,    ///< it does not answer
    fault,          ///< it answers what cannot be understood
};

inline std::string_view to_string(ScaleCondition condition) noexcept {
    switch (condition) {
        case ScaleCondition::ok:
            return "ok";
        case ScaleCondition::in_motion:
            return "in_motion";
        case ScaleCondition::over_capacity:
            return "over_capacity";
        case ScaleCondition::under_zero:
            return "under_zero";
        case ScaleCondition::not_zeroed:
            return "not_zeroed";
        case ScaleCondition::unreachable:
            return "unreachable";
        case ScaleCondition::fault:
            return "fault";
    }
    return "fault";
}

/// What a person at the counter can do about it.
inline std::string_view advice(ScaleCondition condition) noexcept {
    switch (condition) {
        case ScaleCondition::ok:
            return "";
        case ScaleCondition::in_motion:
            return "The scale is in motion: wait until the load is at rest.";
        case ScaleCondition::over_capacity:
            return "Too heavy for this scale: take something off.";
        case ScaleCondition::under_zero:
            return "The scale is below zero: empty the platter and zero it.";
        case ScaleCondition::not_zeroed:
            return "The scale cannot find its zero: empty the platter and switch it off and on.";
        case ScaleCondition::unreachable:
            return "The scale does not answer: check that it is switched on and its cable is "
                   "plugged in.";
        case ScaleCondition::fault:
            return "The scale's answer cannot be understood: check its protocol and line settings.";
    }
    return "";
}

/// One answer of a scale.
struct ScaleReading {
    ScaleCondition condition = ScaleCondition::unreachable;
    std::optional<double> kilograms;  ///< only with condition ok
    bool net = false;                 ///< a tare is taken off

    static ScaleReading weight(double kilograms, bool net = false) {
        return {ScaleCondition::ok, kilograms, net};
    }
    static ScaleReading without_weight(ScaleCondition condition) {
        return {condition, std::nullopt, false};
    }

    bool operator==(const ScaleReading&) const = default;

    boost::json::object to_json() const {
        boost::json::object out;
        if (condition == ScaleCondition::ok && kilograms) out["weight"] = *kilograms;
        out["unit"] = "kg";
        out["condition"] = to_string(condition);
        out["stable"] = condition == ScaleCondition::ok;
        out["net"] = net;
        out["message"] = advice(condition);
        return out;
    }
};

}  // namespace backplane::sdk
