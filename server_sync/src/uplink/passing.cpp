// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "uplink/passing.hpp"

#include <utility>

namespace backplane::sync {

namespace {

constexpr std::size_t k_kinds = 64;  // names come from drivers
constexpr std::size_t k_kind_bytes = 64;
constexpr std::size_t k_event_bytes = 256;

std::size_t bytes_of(const core::Event& event) noexcept {
    return k_event_bytes + core::approximate_bytes(event.data) +
           core::approximate_bytes(event.action_data) +
           core::approximate_bytes(event.action_result) +
           (event.payload ? event.payload->size() : 0);
}

}  // namespace

void Passing::push(const core::EventPtr& event) {
    // The clock of the ring: nothing is older here than what has just come.
    while (!items_.empty() && event->at - items_.front().event->at >= age_) drop_first();
    const std::size_t bytes = bytes_of(*event);
    if (bytes > most_bytes_) return count_dropped(*event);
    while (!items_.empty() && (items_.size() >= most_ || bytes_ + bytes > most_bytes_))
        drop_first();
    bytes_ += bytes;
    items_.push_back({event, bytes});
}

void Passing::drop_until(core::EventSeq seq) {
    while (!items_.empty() && items_.front().event->seq <= seq) drop_first();
}

core::EventPtr Passing::pop() {
    Item item = std::move(items_.front());
    items_.pop_front();
    bytes_ -= item.bytes;
    return std::move(item.event);
}

void Passing::clear() {
    items_.clear();
    bytes_ = 0;
}

void Passing::drop_first() {
    count_dropped(*pop());
}

void Passing::count_dropped(const core::Event& event) {
    std::string kind = event.kind == core::Event::Kind::device_state    ? "state"
                       : event.kind == core::Event::Kind::action_result ? "action"
                                                                        : event.name;
    if (kind.empty() || kind.size() > k_kind_bytes) kind = "other";
    auto found = dropped_.find(kind);
    if (found == dropped_.end())
        found = dropped_.emplace(dropped_.size() < k_kinds ? kind : "other", 0).first;
    ++found->second;
}

}  // namespace backplane::sync
