// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/odoo_bus.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace backplane::tests {

namespace {
constexpr std::chrono::seconds k_recent{50};
constexpr std::chrono::hours k_kept{24};
}  // namespace

std::string OdooBus::channel_of(const std::string& identifier) const {
    const std::lock_guard lock(mutex_);
    return box_prefix() + identifier;
}

void OdooBus::change_channels() {
    const std::lock_guard lock(mutex_);
    ++generation_;
}

bool OdooBus::is_for_box(const std::vector<std::string>& channels) const {
    const std::lock_guard lock(mutex_);
    return std::any_of(channels.begin(), channels.end(), [prefix = box_prefix()](const auto& one) {
        return one.starts_with(prefix) && one.size() > prefix.size();
    });
}

std::int64_t OdooBus::add(std::string channel, boost::json::value message) {
    const std::lock_guard lock(mutex_);
    while (!entries_.empty() && entries_.front().time + k_kept < now()) entries_.pop_front();
    entries_.push_back({++newest_, now(), std::move(channel), std::move(message)});
    return newest_;
}

std::int64_t OdooBus::newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
}

std::int64_t OdooBus::begin_of(std::int64_t last) const {
    const std::lock_guard lock(mutex_);
    if (last > 0 && last <= newest_) return last;
    for (const auto& entry : entries_)
        if (entry.time + k_recent >= now()) return entry.id - 1;
    return newest_;
}

boost::json::array OdooBus::next_entries(BusSubscription& subscription) const {
    boost::json::array list;
    const bool box = is_for_box(subscription.channels);
    const std::lock_guard lock(mutex_);
    // Ids have no gaps but at the front, where the old ones were forgotten.
    const std::int64_t first = entries_.empty() ? newest_ + 1 : entries_.front().id;
    const auto skipped = std::max<std::int64_t>(0, subscription.last + 1 - first);
    for (auto at = static_cast<std::size_t>(skipped); at < entries_.size(); ++at) {
        const Entry& entry = entries_[at];
        if (entry.time + k_kept < now()) continue;
        const bool wanted = entry.channel == "broadcast" || (entry.channel.empty() && box) ||
                            std::find(subscription.channels.begin(), subscription.channels.end(),
                                      entry.channel) != subscription.channels.end();
        if (wanted) list.push_back({{"id", entry.id}, {"message", entry.message}});
    }
    subscription.last = std::max(subscription.last, newest_);
    return list;
}

std::string OdooBus::next(BusSubscription& subscription) const {
    const auto list = next_entries(subscription);
    return list.empty() ? std::string{} : boost::json::serialize(list);
}

void OdooBus::pass(std::chrono::seconds time) {
    const std::lock_guard lock(mutex_);
    passed_ += time;
}

}  // namespace backplane::tests
