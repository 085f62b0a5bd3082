// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Who caused an event: the "owner" that Odoo's pages compare with their own session.
//
// Purpose: core's events of a device say nothing about browsers. A device runs its actions one
// after the other, so what it emits belongs to the oldest action that has not ended, or else to the
// last one that has. This is decided when the event is published, since listeners may fetch it
// later. Bounded by the ring and by k_devices.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "backplane/core/event_ring.hpp"

namespace backplane::sync {

class EventOwners {
public:
    static constexpr std::size_t k_devices = 512;

    explicit EventOwners(const core::EventRing& ring) : ring_(ring) {}

    /// Returns the number to end it by; 0 when nobody in particular asks.
    std::uint64_t action_begun(const std::string& device, const std::string& session);
    void action_ended(const std::string& device, std::uint64_t number);

    /// Call it for each event as it is published.
    void note(const core::Event& event);

    /// Empty when nobody caused it.
    std::string owner_of(const core::Event& event) const;

private:
    using Owner = std::shared_ptr<const std::string>;  // shared by all events of one action
    struct Device {
        std::deque<std::pair<std::uint64_t, Owner>> running;
        Owner last;
    };
    Device* device(const std::string& identifier);

    const core::EventRing& ring_;
    std::map<std::string, Device, std::less<>> devices_;
    std::deque<std::pair<core::EventSeq, Owner>> events_;  // by seq
    std::uint64_t last_number_ = 0;
};

}  // namespace backplane::sync
