// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Tells of updates in the ring of events, so that a page that listens to /api/v1/events sees them go on.
//
// A download reports its progress far more often than anybody reads it: at most one event in 100 ms, and always the last.
// Thread: the main loop's.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <memory>

#include "backplane/core/event_ring.hpp"
#include "backplane/core/update.hpp"

namespace backplane::core {

class UpdateAnnouncer : public std::enable_shared_from_this<UpdateAnnouncer> {
public:
    UpdateAnnouncer(boost::asio::io_context& loop, EventRing& events)
        : events_(events), timer_(loop) {}

    /// Something may have changed: an event "update" with the report, now or soon, and one "plugins" with the names of
    /// those that are not as they were. Nothing when nothing changed.
    void changed(const Updates* updates);
    /// Nothing is published any more.
    void stop();

private:
    void publish(const Updates& updates);

    EventRing& events_;
    boost::asio::steady_timer timer_;
    const Updates* again_ = nullptr;  ///< changed while resting
    bool resting_ = false, stopped_ = false;
    boost::json::object last_report_, last_plugins_;
};

}  // namespace backplane::core
