// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One notification of the server's bus, whichever way it came (protocol page, 4.3).
#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"

namespace backplane::sync {

struct Notification {
    std::int64_t id = 0;
    std::string type;            ///< "iot_action", …; empty when the entry has none
    boost::json::value payload;  ///< of any JSON type
    bool history = false;  ///< sent by the server out of its past, to a box that did not say where
                           ///< it was
};

/// Of one frame; what is beyond comes again after a subscription with the last id of these.
constexpr std::size_t k_frame_notifications = 2'000;
constexpr std::size_t k_frame_values = 200'000;  ///< JSON values of all of them together

/// A frame, or the list of an answer to polling. Entries that make no sense are left out, with
/// `odd` counting them.
struct ParsedFrame {
    std::vector<Notification> notifications;
    std::size_t odd = 0;
    bool cut = false;  ///< there were more than the limits above: the rest was not looked at
};

/// Each entry is read for itself, so that one which cannot be read takes no other with it. Error
/// "bus.not_a_list": the whole is no JSON list.
core::Result<ParsedFrame> parse_notifications(std::string_view text);

/// The list of notifications in an answer to polling, as it stands there (a part of `answer`).
/// Errors: "bus.session" (the server does not know the session any more), "bus.refused" (it answered
/// with an error), "bus.not_an_answer".
core::Result<std::string_view> notifications_in_answer(std::string_view answer);

/// True when the payload is meant for this box: its iot_identifiers (or, in newer dialects,
/// iot_identifier) names it, or it names nobody and its type is one that the server broadcasts
/// (bundle_changed).
bool is_for_box(const Notification& notification, std::string_view identifier);

}  // namespace backplane::sync
