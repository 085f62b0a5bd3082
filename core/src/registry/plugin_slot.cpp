// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/plugin_slot.hpp"

#include <boost/asio/post.hpp>

#include <utility>
#include <vector>

namespace backplane::core {

PluginSlot::PluginSlot(boost::asio::io_context& loop, CataloguedPlugin plugin,
                       const RunnerFactory& factory, std::chrono::milliseconds linger)
    : loop_(loop),
      plugin_(std::move(plugin)),
      linger_(linger),
      linger_timer_(loop),
      runner_(factory(plugin_.image, *this)) {}

PluginSlot::~PluginSlot() = default;

void PluginSlot::use(InstanceHandler& handler) {
    linger_timer_.cancel();
    users_.insert(&handler);
    if (!ended_) runner_->run();
}

void PluginSlot::leave(InstanceHandler& handler) {
    users_.erase(&handler);
    std::erase_if(instances_, [&](const auto& entry) { return entry.second == &handler; });
    if (!users_.empty()) return;
    if (ended_) return look_whether_over();
    // The next device may come at once (a cable that is plugged again, a probe that is repeated).
    linger_timer_.expires_after(linger_);
    linger_timer_.async_wait(
        [this, alive = std::weak_ptr(alive_)](const boost::system::error_code& ec) {
            if (!ec && !alive.expired() && users_.empty()) runner_->shut_down();
        });
}

InstanceHandler* PluginSlot::handler_of(InstanceId id) const {
    const auto found = instances_.find(id);
    return found == instances_.end() ? nullptr : found->second;
}

template <typename Call>
void PluginSlot::tell_users(Call&& call) {
    // A call may make any handler leave, or another one join.
    const std::vector<InstanceHandler*> users(users_.begin(), users_.end());
    for (InstanceHandler* user : users)
        if (users_.contains(user)) call(*user);
}

void PluginSlot::end() {
    ended_ = true;
    linger_timer_.cancel();
    runner_->shut_down();
}

void PluginSlot::retire(std::function<void()> over) {
    over_ = std::move(over);
    end();
    look_whether_over();
}

void PluginSlot::look_whether_over() {
    if (!over_) return;
    boost::asio::post(loop_, [this, alive = std::weak_ptr(alive_)] {
        if (alive.expired() || !over_ || !users_.empty() || runner_->status().running) return;
        std::exchange(over_, nullptr)();
    });
}

void PluginSlot::tell_trouble(const std::string& reason) {
    if (!trouble_ || ended_) return;
    boost::asio::post(loop_, [this, alive = std::weak_ptr(alive_), reason] {
        if (!alive.expired() && trouble_ && !ended_) trouble_(reason);
    });
}

void PluginSlot::plugin_up() {
    tell_users([](InstanceHandler& user) { user.plugin_up(); });
}

void PluginSlot::plugin_down(const ExitReason& reason,
                             std::optional<std::chrono::milliseconds> restart_in) {
    instances_.clear();
    tell_users(
        [&](InstanceHandler& user) { user.plugin_down(reason.text, restart_in.has_value()); });
    // Somebody may have come while the process was on its way out.
    if (!restart_in && !users_.empty() && !put_aside() && !ended_) runner_->run();
    if (reason.kind != ExitReason::Kind::requested) tell_trouble(reason.text);
    look_whether_over();
}

void PluginSlot::plugin_put_aside(const std::string& reason) {
    instances_.clear();
    tell_users([&](InstanceHandler& user) { user.plugin_put_aside(reason); });
    tell_trouble(reason);
    look_whether_over();
}

void PluginSlot::instance_probed(InstanceId id, bool claimed, const std::string& reason) {
    if (auto* handler = handler_of(id)) handler->probed(id, claimed, reason);
}
void PluginSlot::instance_started(InstanceId id, const Result<void>& result) {
    if (auto* handler = handler_of(id)) handler->started(id, result);
}
void PluginSlot::instance_stopped(InstanceId id) {
    if (auto* handler = handler_of(id)) {
        instances_.erase(id);
        handler->stopped(id);
    }
}
void PluginSlot::instance_quiesced(InstanceId id, SavedState state) {
    if (auto* handler = handler_of(id)) handler->quiesced(id, std::move(state));
}
void PluginSlot::device_reported(InstanceId id, DeviceReport report, const std::string& reason) {
    if (auto* handler = handler_of(id)) handler->reported(id, report, reason);
}
void PluginSlot::device_described(InstanceId id, const boost::json::object& description) {
    if (auto* handler = handler_of(id)) handler->described(id, description);
}
void PluginSlot::event_emitted(InstanceId id, RunnerEvent event) {
    if (auto* handler = handler_of(id)) handler->emitted(id, std::move(event));
}
void PluginSlot::action_ended(InstanceId id, std::uint64_t action, ActionEnd end) {
    if (end.success) ++actions_succeeded_;
    if (auto* handler = handler_of(id)) handler->action_ended(id, action, std::move(end));
}
void PluginSlot::device_added(InstanceId id, boost::json::object descriptor, Fd fd) {
    if (auto* handler = handler_of(id))
        handler->device_added(id, std::move(descriptor), std::move(fd));
}
void PluginSlot::device_removed(InstanceId id, const std::string& key) {
    if (auto* handler = handler_of(id)) handler->device_removed(id, key);
}
void PluginSlot::bus_settled(InstanceId id) {
    if (auto* handler = handler_of(id)) handler->bus_settled(id);
}

}  // namespace backplane::core
