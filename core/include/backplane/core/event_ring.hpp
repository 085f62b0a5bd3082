// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The ring of events: every event of every device, in one order, with a cursor for each listener.
//
// Purpose: a slow listener loses nothing within the ring and slows nobody. Thread: the main loop's; not thread-safe.
// Bounds: 10,000 events, 60 s, 64 MiB of content, whichever is reached first.
#pragma once

#include <boost/json/object.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backplane/core/subscription.hpp"

namespace backplane::core {

/// Number of an event in the order in which the box saw it; starts at 1, never reused while the box runs.
using EventSeq = std::uint64_t;

/// One message of a device. Immutable once published: listeners share it and copy what they change.
struct Event {
    enum class Kind {
        device_event,  ///< the driver emitted it: `name` is its kind ("weight"), `data` its content
        action_result,  ///< an action ended: `action_*` say which and how
        device_state,  ///< the device came, went or changed its state: `data` has "state" and "reason"
        box,           ///< of the box itself; device_identifier is empty
    };

    EventSeq seq = 0;
    std::chrono::steady_clock::time_point at{};
    /// Unix time in seconds. Strictly grows from event to event, also when the clock jumps back, so that it names one event.
    double time = 0;
    Kind kind = Kind::device_event;
    std::string device_identifier;
    std::string device_type;
    std::string name;
    boost::json::object data;
    std::shared_ptr<const std::vector<std::uint8_t>> payload;
    bool transient = false;

    // Of an action_result:
    std::string action_name;
    std::string
        action_session;  ///< who asked (the page's session id), empty if nobody in particular
    std::string action_unique_id;      ///< the caller's own id of the action, may be empty
    std::string action_status;         ///< "success" or "error"
    boost::json::object action_data;   ///< what was asked, without payloads and long members
    boost::json::value action_result;  ///< what the driver answered
    std::string action_message;        ///< the reason of an error, for people
};
using EventPtr = std::shared_ptr<const Event>;

/// What a JSON value costs in memory, roughly: never much less than it is.
std::size_t approximate_bytes(const boost::json::value& value) noexcept;
std::size_t approximate_bytes(const boost::json::object& object) noexcept;

class EventRing {
public:
    struct Limits {
        std::size_t events = 10'000;
        std::chrono::steady_clock::duration age = std::chrono::seconds{60};
        std::size_t content_bytes = 64u << 20;  ///< payloads and JSON
    };
    using SteadyNow = std::function<std::chrono::steady_clock::time_point()>;
    using WallNow = std::function<double()>;  ///< unix time, seconds

    EventRing();
    EventRing(Limits limits, SteadyNow steady_now, WallNow wall_now);

    /// Gives the event its seq, at and time, stores it and calls every listener before it returns.
    EventPtr publish(Event event);

    /// Called for each event from now on, in order. A listener must not block; it may unsubscribe itself or others, and
    /// it may publish (the new event is delivered after the current one has reached everybody).
    Subscription subscribe(std::function<void(const EventPtr&)> listener);

    /// The first event with seq > `after` that `wanted` accepts, or null.
    EventPtr first_after(EventSeq after, const std::function<bool(const Event&)>& wanted) const;

    /// seq of the last event whose `time` is <= the given one (0 = none): turns a wall-clock cursor into a number.
    EventSeq seq_at_time(double time) const;
    /// seq of the last event that is at least this old.
    EventSeq seq_older_than(std::chrono::steady_clock::duration age) const;

    /// Unix time as events are stamped: the clock's, but never behind the last event.
    double now() const { return std::max(wall_now_(), last_time_); }

    EventSeq last_seq() const noexcept { return last_seq_; }
    EventSeq oldest_seq() const noexcept {
        return events_.empty() ? last_seq_ + 1 : events_.front()->seq;
    }
    std::size_t size() const noexcept { return events_.size(); }

private:
    struct Listener {
        std::function<void(const EventPtr&)> call;
        bool alive = true;
    };
    void trim();
    void deliver(const EventPtr& event);

    Limits limits_;
    SteadyNow steady_now_;
    WallNow wall_now_;
    std::deque<EventPtr> events_;
    std::size_t content_bytes_ = 0;
    EventSeq last_seq_ = 0;
    double last_time_ = 0;
    std::list<std::shared_ptr<Listener>> listeners_;
    std::deque<EventPtr> undelivered_;
    bool delivering_ = false;
};

}  // namespace backplane::core
