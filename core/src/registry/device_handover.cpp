// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/device_handover.hpp"

#include <algorithm>
#include <utility>

namespace backplane::core {

namespace {

constexpr std::chrono::milliseconds k_unplug{2'000};

std::string in_seconds(std::chrono::milliseconds time) {
    const auto tenths = time.count() / 100;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

std::string build_of(const PluginSlot& slot) {
    return slot.note().name + " " + slot.note().version;
}

}  // namespace

DeviceHandover::DeviceHandover(boost::asio::io_context& loop, Owner& owner, PluginSlot& from,
                               InstanceId predecessor, PluginSlot& to, bool ready,
                               const PluginSwaps::Limits& limits)
    : owner_(owner),
      from_(from),
      predecessor_(predecessor),
      to_(to),
      ready_(ready),
      limits_(limits),
      timer_(loop) {}

DeviceHandover::~DeviceHandover() {
    if (successor_ && phase_ != Phase::over && phase_ != Phase::undoing)
        to_.runner().stop(successor_);
    to_.leave(*this);
}

void DeviceHandover::begin() {
    to_.use(*this);
    if (!owner_.has_running_actions()) return quiesce();
    wait_at_most(limits_.hold, "swap.busy",
                 "an action that runs on " + build_of(from_) + " did not end within " +
                     in_seconds(limits_.hold) + ": try again when the device is idle");
}

void DeviceHandover::wait_at_most(std::chrono::milliseconds limit, std::string code,
                                  std::string text) {
    timer_.expires_after(limit);
    timer_.async_wait([this, alive = std::weak_ptr(alive_), code = std::move(code),
                       text = std::move(text),
                       phase = phase_](const boost::system::error_code& ec) mutable {
        if (!ec && !alive.expired() && phase_ == phase) fail(std::move(code), std::move(text));
    });
}

void DeviceHandover::action_over() {
    if (phase_ == Phase::draining && !owner_.has_running_actions()) quiesce();
}

void DeviceHandover::quiesce() {
    timer_.cancel();
    phase_ = Phase::quiescing;
    if (!predecessor_) return start_successor({});
    // The runner has a limit of its own for this; a build that does not stop is ended, which frees the device too.
    asked_ = true;
    from_.runner().quiesce(predecessor_);
}

void DeviceHandover::predecessor_quiesced(SavedState state) {
    if (phase_ == Phase::quiescing) start_successor(std::move(state));
}

void DeviceHandover::predecessor_gone() {
    predecessor_ = 0;
    if (phase_ == Phase::draining || phase_ == Phase::quiescing) {
        timer_.cancel();
        phase_ = Phase::quiescing;
        start_successor({});
    }
}

void DeviceHandover::start_successor(SavedState state) {
    phase_ = Phase::starting;
    if (!to_.up()) return fail("swap.crashed", build_of(to_) + " is not running any more");
    Result<InstanceSpec> spec = owner_.successor_spec(to_.note(), std::move(state));
    if (!spec) return fail("swap.start", spec.error().text);
    successor_ = spec->id;
    to_.bind(successor_, *this);
    wait_at_most(
        limits_.open, "swap.start",
        build_of(to_) + " did not start to serve the device within " + in_seconds(limits_.open));
    to_.runner().start(std::move(*spec));
}

void DeviceHandover::started(InstanceId id, const Result<void>& result) {
    if (id != successor_) return;
    if (!result) {
        to_.unbind(std::exchange(successor_, 0));
        if (phase_ == Phase::undoing) return finish(failure(error_.code, error_.text));
        return fail("swap.start",
                    build_of(to_) + " could not take the device: " + result.error().text);
    }
    if (phase_ != Phase::starting) return;
    timer_.cancel();
    phase_ = Phase::settling;
    if (!ready_) return finish({});
    wait_at_most(limits_.open, "swap.not_ready", not_ready());
}

std::string DeviceHandover::not_ready() const {
    return "the device worked with " + build_of(from_) + ", but not with " + build_of(to_) + ": " +
           (reason_.empty() ? "it was not ready within " + in_seconds(limits_.open) : reason_);
}

void DeviceHandover::reported(InstanceId id, RunnerListener::DeviceReport report,
                              const std::string& reason) {
    if (id != successor_ || phase_ != Phase::settling) return;
    reason_ = reason;
    switch (report) {
        case RunnerListener::DeviceReport::ready:
            return finish({});
        case RunnerListener::DeviceReport::unreachable:
            return;  // it may still come; the timer decides
        case RunnerListener::DeviceReport::lost:
            // Somebody may just be pulling the plug: then the interface says so in a moment, and no build is to blame.
            return wait_at_most(std::min<std::chrono::milliseconds>(limits_.open, k_unplug),
                                "swap.not_ready", not_ready());
        case RunnerListener::DeviceReport::failed:
            return fail("swap.not_ready", not_ready());
    }
}

void DeviceHandover::described(InstanceId id, const boost::json::object& description) {
    if (id == successor_ && phase_ != Phase::undoing) owner_.successor_described(description);
}

void DeviceHandover::emitted(InstanceId id, RunnerEvent event) {
    if (id == successor_ && phase_ != Phase::undoing) owner_.successor_emitted(std::move(event));
}

void DeviceHandover::fail(std::string code, std::string text) {
    timer_.cancel();
    error_ = {std::move(code), std::move(text)};
    phase_ = Phase::undoing;
    // The predecessor gets the device back when the successor has let go of it.
    if (successor_ && to_.up()) return to_.runner().stop(successor_);
    finish(failure(error_.code, error_.text));
}

void DeviceHandover::stopped(InstanceId id) {
    if (id != successor_) return;
    successor_ = 0;
    if (phase_ == Phase::undoing) finish(failure(error_.code, error_.text));
}

void DeviceHandover::plugin_down(const std::string& reason, bool) {
    successor_ = 0;
    if (phase_ == Phase::over) return;
    if (phase_ == Phase::undoing) return finish(failure(error_.code, error_.text));
    fail("swap.crashed", build_of(to_) + " ended while it took over the device: " + reason);
}

void DeviceHandover::plugin_put_aside(const std::string& reason) {
    plugin_down(reason, false);
}

void DeviceHandover::finish(Result<void> result) {
    timer_.cancel();
    phase_ = Phase::over;
    owner_.handover_over(result);  // may destroy this
}

}  // namespace backplane::core
