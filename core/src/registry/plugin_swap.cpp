// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/plugin_swap.hpp"

#include <boost/asio/post.hpp>

#include <utility>

namespace backplane::core {

PluginSwap::PluginSwap(boost::asio::io_context& loop, std::unique_ptr<PluginSlot> next)
    : loop_(loop), next_(std::move(next)), timer_(loop) {}

PluginSwap::~PluginSwap() {
    if (next_) next_->leave(*this);
}

std::string PluginSwap::build() const {
    return next_->note().name + " " + next_->note().version;
}

void PluginSwap::prepare(std::chrono::milliseconds limit, Done done) {
    done_ = std::move(done);
    phase_ = Phase::preparing;
    timer_.expires_after(limit);
    timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& ec) {
        if (ec || alive.expired() || phase_ != Phase::preparing) return;
        phase_ = Phase::failed;
        finish(failure("swap.load", build() + " did not load in time"));
    });
    next_->use(*this);
}

void PluginSwap::plugin_up() {
    if (phase_ != Phase::preparing) return;
    timer_.cancel();
    phase_ = Phase::prepared;
    finish({});
}

void PluginSwap::plugin_down(const std::string& reason, bool) {
    // While devices are handed over, each of them hears it too and decides for itself.
    if (phase_ != Phase::preparing && phase_ != Phase::prepared) return;
    const bool loading = std::exchange(phase_, Phase::failed) == Phase::preparing;
    timer_.cancel();
    if (loading) finish(failure("swap.load", build() + " cannot be used: " + reason));
}

void PluginSwap::plugin_put_aside(const std::string& reason) {
    plugin_down(reason, false);
}

void PluginSwap::finish(Result<void> result) {
    boost::asio::post(loop_, [alive = std::weak_ptr(alive_), result = std::move(result),
                              done = std::exchange(done_, nullptr)] {
        if (!alive.expired() && done) done(result);
    });
}

// ---- devices --------------------------------------------------------------------------------------------------------

void PluginSwap::hand_over_devices(PluginSlot& from, ServedBy served_by,
                                   const PluginSwaps::Limits& limits, Done done) {
    done_ = std::move(done);
    phase_ = Phase::swapping;
    from_ = &from;
    served_by_ = std::move(served_by);
    limits_ = limits;
    next_round();
}

void PluginSwap::next_round() {
    // A device may have come while others were handed over, so this looks until none is left.
    PluginSlot& away_from = undoing_ ? *next_ : *from_;
    PluginSlot& to = undoing_ ? *from_ : *next_;
    const Sessions sessions = served_by_(away_from);
    if (sessions.empty() || (undoing_ && !to.up())) return finish(std::move(outcome_));
    pending_ = sessions.size();
    for (const auto& session : sessions)
        session->hand_over(to, limits_,
                           [this, alive = std::weak_ptr(alive_)](const Result<void>& result) {
                               if (!alive.expired()) device_done(result);
                           });
}

void PluginSwap::device_done(const Result<void>& result) {
    if (!undoing_ && !result && outcome_) outcome_ = result;
    if (--pending_ != 0) return;
    // When the way back fails as well, the device looks for its driver anew: the registry sees to that.
    if (undoing_) return finish(std::move(outcome_));
    undoing_ = !outcome_.has_value();
    next_round();
}

// ---- an interface ---------------------------------------------------------------------------------------------------

void PluginSwap::hand_over_interface(InterfaceSession& from, InterfaceSession& successor,
                                     const PluginSwaps::Limits& limits, Done done) {
    done_ = std::move(done);
    phase_ = Phase::swapping;
    from.pause(limits.hold, [this, alive = std::weak_ptr(alive_), &successor,
                             limits](Result<SavedState> state) {
        if (alive.expired()) return;
        if (!state) return finish(failure(state.error().code, state.error().text));
        if (!next_->up())
            return finish(failure("swap.crashed", build() + " is not running any more"));
        timer_.expires_after(limits.open);
        timer_.async_wait([this, alive](const boost::system::error_code& ec) {
            if (ec || alive.expired() || !done_) return;
            finish(failure("swap.not_ready", build() + " did not say within its time which "
                                                       "devices there are"));
        });
        successor.begin_as_successor(std::move(*state), [this, alive](const Result<void>& result) {
            if (alive.expired() || !done_) return;
            timer_.cancel();
            finish(result);
        });
    });
}

std::unique_ptr<PluginSlot> PluginSwap::take_slot() {
    next_->leave(*this);
    return std::move(next_);
}

}  // namespace backplane::core
