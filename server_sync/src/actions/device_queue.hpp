// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What waits for one device, in order.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "actions/action_book.hpp"
#include "backplane/core/subscription.hpp"

namespace backplane::sync {

struct QueuedAction {
    ActionRow row;
    std::optional<boost::json::object> data;  ///< none: it is in the database
    bool marked = false;    ///< the database says that it may have run; or nobody needs to know
    bool repeated = false;  ///< it may have run in a former life of the box
    unsigned refusals = 0;  ///< by a device that has too much to do
};

struct DeviceQueue {
    std::deque<QueuedAction> items;
    std::size_t incoming = 0;  ///< on their way to the disk: those that come later are behind them
    bool busy = false;         ///< the first one is being marked, read or run
    bool running = false;      ///< the first one is run
    core::Subscription retry;
};

}  // namespace backplane::sync
