// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Core's neutral events in the words of Odoo's browsers. Pure functions; the shared event is never
// changed.
//
// What the words mean to a POS, and hence what must not be said:
//  * a scale whose status is "connected" has a number; without one a newer POS takes it for broken;
//  * "error" pops up a dialog: right for an overload, wrong for a load that still moves, which is
//  "connecting";
//  * a success event for a printer or a payment terminal means paper or money: only the driver may
//  say that.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <string_view>

#include "backplane/core/event_ring.hpp"

namespace backplane::sync {

/// What a scale says, as in its "weight" events and in the result of "read_once".
struct WeightReading {
    std::string condition;         ///< "ok", "in_motion", …
    std::optional<double> weight;  ///< only with "ok", and always then
    std::string message;           ///< for people, never empty unless "ok"
};

/// Nothing when this is no reading at all. An "ok" without a number comes back as a fault.
std::optional<WeightReading> weight_reading(const boost::json::value& value);

/// "connected", "connecting", "disconnected" or "error", for the condition of a scale.
std::string_view scale_status(std::string_view condition) noexcept;

/// {status, message_title, message_body}
boost::json::object scale_status_object(const WeightReading& reading);

/// True for the types of which a finished action says nothing yet: their drivers report success by
/// events of their own.
bool reports_by_events(std::string_view device_type) noexcept;

/// False for what Odoo's browsers know nothing of or would misunderstand.
bool is_for_listeners(const core::Event& event);

/// The event as one listener gets it: `key` is the name by which it listens to the device,
/// `session` its own.
boost::json::object event_for_listener(const core::Event& event, std::string_view key,
                                       std::string_view session, std::string_view owner);

}  // namespace backplane::sync
