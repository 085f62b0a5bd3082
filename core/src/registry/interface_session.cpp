// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/interface_session.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

#include "backplane/core/log.hpp"

namespace backplane::core {

using namespace std::chrono_literals;

InterfaceSession::InterfaceSession(boost::asio::io_context& loop, PluginSlot& slot,
                                   boost::json::object settings, Listener& listener)
    : loop_(loop),
      slot_(slot),
      settings_(std::move(settings)),
      listener_(listener),
      retry_(loop),
      pause_timer_(loop) {}

InterfaceSession::~InterfaceSession() {
    for (HeldAction& held : std::exchange(held_, {}))
        actions_.emplace(++listener_.action_ids(), std::move(held.done));
    fail_actions("the box is stopping");
    slot_.leave(*this);
}

void InterfaceSession::begin() {
    slot_.use(*this);
    if (slot_.up() && instance_ == 0) start_instance();
}

void InterfaceSession::start_instance() {
    running_ = settled_ = false;
    if (std::exchange(ran_before_, true)) listener_.bus_restarted(*this);
    instance_ = listener_.next_instance_id();
    slot_.bind(instance_, *this);
    InstanceSpec spec;
    spec.id = instance_;
    spec.settings = settings_;
    spec.state = std::exchange(inherited_, {});
    slot_.runner().start(std::move(spec));
}

void InterfaceSession::started(InstanceId id, const Result<void>& result) {
    if (id != instance_) return;
    running_ = result.has_value();
    resumed();
    if (running_) {
        retry_delay_ = 0ms;
        return;
    }
    log_warning("registry", "interface.start_failed",
                {{"interface", name()}, {"reason", result.error().text}});
    slot_.unbind(std::exchange(instance_, 0));
    tell_successor(
        failure("swap.start", name() + " " + slot_.note().version +
                                  " could not start to look for devices: " + result.error().text));
    listener_.bus_start_failed(*this, result.error().text);
    retry_later();
}

void InterfaceSession::retry_later() {
    retry_delay_ =
        retry_delay_ == 0ms ? 500ms : std::min<std::chrono::milliseconds>(retry_delay_ * 2, 30s);
    retry_.expires_after(retry_delay_);
    retry_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& ec) {
        if (!ec && !alive.expired() && slot_.up() && instance_ == 0) start_instance();
    });
}

void InterfaceSession::stopped(InstanceId id) {
    if (id != instance_) return;
    instance_ = 0;
    running_ = false;
}

void InterfaceSession::plugin_down(const std::string& reason, bool) {
    // The devices stay: their drivers go on working, and the interface finds them again when it is back.
    instance_ = 0;
    running_ = false;
    retry_.cancel();
    fail_actions("the interface " + name() + " ended: " + reason);
    tell_successor(failure("swap.crashed", name() + " " + slot_.note().version +
                                               " ended while it looked for devices: " + reason));
    resumed();
    if (pause_ == Pause::draining || pause_ == Pause::quiescing) paused(SavedState{});
}

void InterfaceSession::plugin_put_aside(const std::string& reason) {
    plugin_down(reason, false);
}

void InterfaceSession::device_added(InstanceId id, boost::json::object raw, Fd fd) {
    if (id != instance_) return;
    auto descriptor = parse_descriptor(std::move(raw));
    if (!descriptor) {
        log_warning("registry", "descriptor.refused",
                    {{"interface", name()}, {"reason", descriptor.error().text}});
        return;
    }
    if (listener_.bus_device_count(*this) >= k_most_devices) {
        log_warning("registry", "descriptor.refused",
                    {{"interface", name()},
                     {"reason", "this interface has reported 256 devices, which is the limit"}});
        return;
    }
    listener_.bus_device_added(*this, std::move(*descriptor), std::move(fd));
}

void InterfaceSession::device_removed(InstanceId id, const std::string& key) {
    if (id == instance_) listener_.bus_device_removed(*this, key, "it was unplugged");
}

void InterfaceSession::bus_settled(InstanceId id) {
    if (id != instance_) return;
    settled_ = true;
    listener_.bus_settled(*this);
    tell_successor({});
}

void InterfaceSession::act(std::string action, boost::json::object data, ActionDone done) {
    const auto refuse = [&](std::string code, std::string message) {
        ActionOutcome outcome;
        outcome.code = std::move(code);
        outcome.message = std::move(message);
        boost::asio::post(
            loop_, [done = std::move(done), outcome]() mutable { done(std::move(outcome)); });
    };
    if (pause_ != Pause::no && held_.size() < k_most_actions) {
        held_.push_back({std::move(action), std::move(data), std::move(done)});
        return;
    }
    if (!running_)
        return refuse("interface.not_running",
                      "the interface " + name() + " does not run at the moment: try again");
    if (actions_.size() >= k_most_actions)
        return refuse("action.queue_full",
                      "the interface " + name() + " has too many requests waiting: try again");
    const std::uint64_t id = ++listener_.action_ids();
    actions_.emplace(id, std::move(done));
    slot_.runner().begin({instance_, id, std::move(action), std::move(data), {}, 10s});
}

void InterfaceSession::action_ended(InstanceId, std::uint64_t action,
                                    RunnerListener::ActionEnd end) {
    const auto found = actions_.find(action);
    if (found == actions_.end()) return;
    ActionDone done = std::move(found->second);
    actions_.erase(found);
    ActionOutcome outcome;
    outcome.status = end.success ? ActionOutcome::Status::success : ActionOutcome::Status::error;
    outcome.result = std::move(end.result);
    outcome.message = std::move(end.message);
    if (!end.success) outcome.code = "interface." + end.code;
    done(std::move(outcome));
    if (pause_ == Pause::draining && actions_.empty()) quiesce();
}

// ---- swaps ----------------------------------------------------------------------------------------------------------

void InterfaceSession::begin_as_successor(SavedState state, Done done) {
    inherited_ = std::move(state);
    successor_done_ = std::move(done);
    ran_before_ =
        true;  // the devices are there already: it finds them again, and what it does not find has gone
    begin();
}

void InterfaceSession::tell_successor(Result<void> result) {
    if (!successor_done_) return;
    boost::asio::post(loop_, [alive = std::weak_ptr(alive_), result = std::move(result),
                              done = std::exchange(successor_done_, nullptr)] {
        if (!alive.expired()) done(result);
    });
}

void InterfaceSession::pause(std::chrono::milliseconds hold,
                             std::function<void(Result<SavedState>)> done) {
    paused_ = std::move(done);
    pause_ = Pause::draining;
    if (actions_.empty()) return quiesce();
    pause_timer_.expires_after(hold);
    pause_timer_.async_wait(
        [this, alive = std::weak_ptr(alive_)](const boost::system::error_code& ec) {
            if (ec || alive.expired() || pause_ != Pause::draining) return;
            pause_ = Pause::no;
            paused(failure("swap.busy", "a request to the interface " + name() +
                                            " did not end in time: try again in a moment"));
        });
}

void InterfaceSession::quiesce() {
    pause_timer_.cancel();
    pause_ = Pause::quiescing;
    if (!instance_) return paused(SavedState{});
    slot_.runner().quiesce(instance_);
}

void InterfaceSession::quiesced(InstanceId id, SavedState state) {
    if (id == instance_ && pause_ == Pause::quiescing) paused(std::move(state));
}

void InterfaceSession::paused(Result<SavedState> result) {
    running_ = running_ && !result;
    if (result) pause_ = Pause::paused;
    boost::asio::post(loop_, [this, alive = std::weak_ptr(alive_), result = std::move(result),
                              done = std::exchange(paused_, nullptr)]() mutable {
        if (alive.expired() || !done) return;
        if (!result) give_held_to(*this);
        done(std::move(result));
    });
}

void InterfaceSession::resume() {
    if (pause_ != Pause::paused) return;
    pause_ = Pause::resuming;
    if (instance_) {
        // It reports everything again, as after a restart.
        settled_ = false;
        listener_.bus_restarted(*this);
        slot_.runner().resume(instance_);
    } else if (slot_.up()) {
        start_instance();
    }
}

void InterfaceSession::resumed() {
    if (pause_ != Pause::resuming) return;
    pause_ = Pause::no;
    give_held_to(*this);
}

void InterfaceSession::give_held_to(InterfaceSession& successor) {
    for (HeldAction& held : std::exchange(held_, {}))
        successor.act(std::move(held.name), std::move(held.data), std::move(held.done));
}

void InterfaceSession::fail_actions(const std::string& reason) {
    for (auto& [id, done] : std::exchange(actions_, {})) {
        ActionOutcome outcome;
        outcome.code = "interface.gone";
        outcome.message = reason;
        boost::asio::post(
            loop_, [done = std::move(done), outcome]() mutable { done(std::move(outcome)); });
    }
}

}  // namespace backplane::core
