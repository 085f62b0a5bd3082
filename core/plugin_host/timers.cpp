// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "timers.hpp"

#include <algorithm>

namespace backplane::core::host {
namespace {
constexpr std::size_t k_most = 64;
// Some three centuries; more would overflow the clock.
constexpr std::uint64_t k_longest_ns = std::uint64_t{1} << 62;
// A shorter period would only keep the processor busy.
constexpr std::uint64_t k_shortest_period_ns = 1'000'000;
}  // namespace

bp_status Timers::start(std::uint64_t delay_ns, std::uint64_t period_ns, bp_timer_fn fn, void* user,
                        std::uint64_t* out_id) {
    if (fn == nullptr || out_id == nullptr || delay_ns > k_longest_ns || period_ns > k_longest_ns) {
        return BP_E_INVALID;
    }
    if (entries_.size() >= k_most) return BP_E_NO_SPACE;
    if (period_ns != 0) period_ns = std::max(period_ns, k_shortest_period_ns);
    const std::uint64_t id = context_.next_id();
    auto [at, added] = entries_.try_emplace(
        id, Entry{boost::asio::steady_timer{context_.loop}, fn, user,
                  std::chrono::nanoseconds{static_cast<std::int64_t>(period_ns)}});
    at->second.timer.expires_after(std::chrono::nanoseconds{static_cast<std::int64_t>(delay_ns)});
    arm(id, at->second);
    *out_id = id;
    return BP_OK;
}

void Timers::arm(std::uint64_t id, Entry& entry) {
    entry.timer.async_wait([weak = weak_from_this(), id](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self && !error) self->fire(id);
    });
}

void Timers::fire(std::uint64_t id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;  // cancelled while its call was already on the way
    Entry& entry = found->second;
    const auto fn = entry.fn;
    void* const user = entry.user;
    if (entry.period.count() == 0) {
        entries_.erase(found);
    } else {
        // Calls that are over already are left out, but the rhythm stays.
        const auto now = std::chrono::steady_clock::now();
        auto next = entry.timer.expiry() + entry.period;
        if (next <= now) next += ((now - next) / entry.period + 1) * entry.period;
        entry.timer.expires_at(next);
        arm(id, entry);
    }
    call_plugin(context_, ipc::PluginCall::timer, instance_, [&] { fn(user, id); });
}

bp_status Timers::cancel(std::uint64_t id) {
    return entries_.erase(id) == 1 ? BP_OK : BP_E_INVALID;
}

std::size_t Timers::clear() {
    const std::size_t left = entries_.size();
    entries_.clear();
    return left;
}

}  // namespace backplane::core::host
