// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/event_ring.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <utility>

namespace backplane::core {

namespace {

double wall_clock_seconds() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration<double>(now).count();
}

// Two neighbouring events differ by at least this much. A double holds a unix time to 0.24 µs until the year 2106, so
// that a client which hands a time back as JSON names the same event again.
constexpr double k_time_step = 1e-6;

/// All that others can make large: an action's data comes from a browser, an event's from a plug-in.
std::size_t content_bytes(const Event& event) noexcept {
    return (event.payload ? event.payload->size() : 0) + approximate_bytes(event.data) +
           approximate_bytes(event.action_data) + approximate_bytes(event.action_result) +
           event.action_message.size();
}

}  // namespace

// Parsed JSON is of limited depth, so these may call each other.
std::size_t approximate_bytes(const boost::json::value& value) noexcept {
    std::size_t bytes = sizeof value;
    if (const auto* text = value.if_string()) bytes += text->size();
    if (const auto* object = value.if_object()) bytes += approximate_bytes(*object);
    if (const auto* array = value.if_array())
        for (const auto& item : *array) bytes += approximate_bytes(item);
    return bytes;
}

std::size_t approximate_bytes(const boost::json::object& object) noexcept {
    std::size_t bytes = 0;
    for (const auto& member : object)
        bytes += member.key().size() + sizeof(void*) + approximate_bytes(member.value());
    return bytes;
}

EventRing::EventRing()
    : EventRing(
          Limits{}, [] { return std::chrono::steady_clock::now(); }, wall_clock_seconds) {}

EventRing::EventRing(Limits limits, SteadyNow steady_now, WallNow wall_now)
    : limits_(limits), steady_now_(std::move(steady_now)), wall_now_(std::move(wall_now)) {}

EventPtr EventRing::publish(Event event) {
    event.seq = ++last_seq_;
    event.at = steady_now_();
    event.time = std::max(wall_now_(), last_time_ + k_time_step);
    last_time_ = event.time;
    auto stored = std::make_shared<const Event>(std::move(event));
    content_bytes_ += content_bytes(*stored);
    events_.push_back(stored);
    trim();

    undelivered_.push_back(stored);
    if (delivering_)
        return stored;  // published by a listener: delivered once the current event has reached everybody
    delivering_ = true;
    while (!undelivered_.empty()) {
        const EventPtr next = std::move(undelivered_.front());
        undelivered_.pop_front();
        deliver(next);
    }
    delivering_ = false;
    listeners_.remove_if([](const auto& listener) { return !listener->alive; });
    return stored;
}

void EventRing::deliver(const EventPtr& event) {
    // A listener that subscribes meanwhile is appended and hears this event only if it came before: stop at the old end.
    const std::size_t count = listeners_.size();
    auto listener = listeners_.begin();
    for (std::size_t i = 0; i < count; ++i, ++listener) {
        const std::shared_ptr<Listener> current =
            *listener;  // keeps it alive when it unsubscribes itself
        if (current->alive) current->call(event);
    }
}

void EventRing::trim() {
    const auto oldest = steady_now_() - limits_.age;
    while (events_.size() > 1 && (events_.size() > limits_.events || events_.front()->at < oldest ||
                                  content_bytes_ > limits_.content_bytes)) {
        content_bytes_ -= content_bytes(*events_.front());
        events_.pop_front();
    }
}

Subscription EventRing::subscribe(std::function<void(const EventPtr&)> listener) {
    auto entry = std::make_shared<Listener>(Listener{std::move(listener), true});
    listeners_.push_back(entry);
    return Subscription{[this, entry] {
        entry->alive = false;
        // While events are being delivered the list must keep its shape; publish() cleans up afterwards.
        if (!delivering_) listeners_.remove(entry);
    }};
}

EventPtr EventRing::first_after(EventSeq after,
                                const std::function<bool(const Event&)>& wanted) const {
    if (events_.empty()) return nullptr;
    const EventSeq first = events_.front()->seq;
    // Numbers have no gaps, so the place of an event follows from its number.
    for (std::size_t i = after < first ? 0 : static_cast<std::size_t>(after - first + 1);
         i < events_.size(); ++i)
        if (wanted(*events_[i])) return events_[i];
    return nullptr;
}

EventSeq EventRing::seq_at_time(double time) const {
    const auto later =
        std::upper_bound(events_.begin(), events_.end(), time,
                         [](double t, const EventPtr& event) { return t < event->time; });
    if (later == events_.begin()) return events_.empty() ? 0 : events_.front()->seq - 1;
    return (*std::prev(later))->seq;
}

EventSeq EventRing::seq_older_than(std::chrono::steady_clock::duration age) const {
    const auto limit = steady_now_() - age;
    const auto younger =
        std::upper_bound(events_.begin(), events_.end(), limit,
                         [](auto t, const EventPtr& event) { return t < event->at; });
    if (younger == events_.begin()) return events_.empty() ? last_seq_ : events_.front()->seq - 1;
    return (*std::prev(younger))->seq;
}

}  // namespace backplane::core
