// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/update_announcer.hpp"

#include <chrono>
#include <utility>

#include "api/json_views.hpp"

namespace backplane::core {

namespace {

constexpr std::chrono::milliseconds k_rest{100};

}  // namespace

void UpdateAnnouncer::changed(const Updates* updates) {
    if (stopped_) return;
    if (resting_) {
        again_ = updates;
        return;
    }
    resting_ = true;
    timer_.expires_after(k_rest);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || !self) return;
        self->resting_ = false;
        if (const Updates* const later = std::exchange(self->again_, nullptr)) self->changed(later);
    });
    publish(*updates);
}

void UpdateAnnouncer::stop() {
    stopped_ = true;
    again_ = nullptr;
    timer_.cancel();
}

void UpdateAnnouncer::publish(const Updates& updates) {
    boost::json::object plugins;
    for (const DeliveredPlugin& plugin : updates.plugins()) plugins[plugin.name] = to_json(plugin);
    boost::json::array names;
    for (const auto& [name, now] : plugins) {
        const auto* const before = last_plugins_.if_contains(name);
        if (!before || *before != now) names.emplace_back(name);
    }
    for (const auto& [name, before] : last_plugins_)
        if (!plugins.contains(name)) names.emplace_back(name);
    boost::json::object report = to_json(updates.report());
    const bool news = report != last_report_;
    last_plugins_ = std::move(plugins);
    last_report_ = std::move(report);

    const auto tell = [&](const char* name, boost::json::object data) {
        Event event;
        event.kind = Event::Kind::box;
        event.name = name;
        event.data = std::move(data);
        events_.publish(std::move(event));
    };
    // The list first: whoever sees an update end finds the plug-ins as it left them.
    if (!names.empty()) tell("plugins", {{"changed", std::move(names)}});
    if (news) tell("update", last_report_);
}

}  // namespace backplane::core
