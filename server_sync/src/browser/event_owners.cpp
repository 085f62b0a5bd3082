// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/event_owners.hpp"

#include <algorithm>

namespace backplane::sync {

EventOwners::Device* EventOwners::device(const std::string& identifier) {
    if (const auto found = devices_.find(identifier); found != devices_.end())
        return &found->second;
    if (devices_.size() >= k_devices) {
        // So many names can only be devices that have long gone; forget one that nothing runs on.
        const auto idle = std::find_if(devices_.begin(), devices_.end(), [](const auto& entry) {
            return entry.second.running.empty();
        });
        if (idle == devices_.end()) return nullptr;
        devices_.erase(idle);
    }
    return &devices_[identifier];
}

std::uint64_t EventOwners::action_begun(const std::string& identifier, const std::string& session) {
    if (session.empty()) return 0;
    Device* const entry = device(identifier);
    if (entry == nullptr) return 0;
    entry->running.emplace_back(++last_number_, std::make_shared<const std::string>(session));
    return last_number_;
}

void EventOwners::action_ended(const std::string& identifier, std::uint64_t number) {
    const auto found = devices_.find(identifier);
    if (number == 0 || found == devices_.end()) return;
    auto& running = found->second.running;
    const auto action = std::find_if(running.begin(), running.end(),
                                     [number](const auto& entry) { return entry.first == number; });
    if (action == running.end()) return;
    found->second.last = action->second;
    running.erase(action);
}

void EventOwners::note(const core::Event& event) {
    while (!events_.empty() && events_.front().first < ring_.oldest_seq()) events_.pop_front();
    if (event.kind == core::Event::Kind::action_result) {
        // Also of actions that came by other ways than these routes.
        if (event.action_session.empty()) return;
        if (Device* const entry = device(event.device_identifier); entry != nullptr)
            entry->last = std::make_shared<const std::string>(event.action_session);
    } else if (event.kind == core::Event::Kind::device_event) {
        const auto found = devices_.find(event.device_identifier);
        if (found == devices_.end()) return;
        const Device& entry = found->second;
        const Owner& owner = entry.running.empty() ? entry.last : entry.running.front().second;
        if (owner) events_.emplace_back(event.seq, owner);
    }
}

std::string EventOwners::owner_of(const core::Event& event) const {
    if (event.kind == core::Event::Kind::action_result || event.kind == core::Event::Kind::box)
        return event.action_session;
    const auto found =
        std::lower_bound(events_.begin(), events_.end(), event.seq,
                         [](const auto& entry, core::EventSeq seq) { return entry.first < seq; });
    return found != events_.end() && found->first == event.seq ? *found->second : std::string();
}

}  // namespace backplane::sync
