// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Tells of changes of the Odoo side in the ring of events, so that a page that listens to
// /api/v1/events sees them at once; and lends the parts to the routes.
//
// What a person would notice is told at most every 100 ms, and always the last of it. Counters alone
// are told at most every 5 s: they grow with each event, and the ring is there for the devices.
// Owner: the link. Thread: the main loop's.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <memory>

#include "backplane/core/event_ring.hpp"
#include "link/link_controls.hpp"

namespace backplane::sync {

struct LinkParts;

class LinkAnnouncer {
public:
    static constexpr std::chrono::milliseconds k_rest{100};
    static constexpr std::chrono::milliseconds k_counters{5'000};

    explicit LinkAnnouncer(LinkParts& parts);
    explicit LinkAnnouncer(std::shared_ptr<LinkControls> controls);
    ~LinkAnnouncer();
    LinkAnnouncer(const LinkAnnouncer&) = delete;
    LinkAnnouncer& operator=(const LinkAnnouncer&) = delete;

    /// Nothing is published any more.
    void stop();
    std::weak_ptr<LinkControls> controls() const { return controls_; }

private:
    struct State;
    std::shared_ptr<LinkControls> controls_;  ///< the only owner
    std::shared_ptr<State> state_;            ///< the only owner; timers hold weak references
};

}  // namespace backplane::sync
