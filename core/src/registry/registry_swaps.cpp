// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The registry's part in putting one build of a plug-in in the place of another: whose turn it is, and what becomes of
// those who are not served by either.
#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

#include "backplane/core/log.hpp"
#include "registry/registry.hpp"

namespace backplane::core {

namespace {

constexpr std::string_view k_component = "registry";

}  // namespace

void Registry::later(Done done, Result<void> result) {
    boost::asio::post(
        loop_, [alive = std::weak_ptr(alive_), done = std::move(done), result = std::move(result)] {
            if (!alive.expired() && done) done(result);
        });
}

std::unique_ptr<PluginSlot> Registry::make_slot(CataloguedPlugin plugin) {
    const std::string name = plugin.name;
    auto slot = std::make_unique<PluginSlot>(loop_, std::move(plugin), factory_, setup_.linger);
    slot->watch([this, name, slot = slot.get()](const std::string& reason) {
        const auto current = slots_.find(name);
        if (watcher_ && on_trial_.contains(name) && current != slots_.end() &&
            current->second.get() == slot)
            watcher_->trial_trouble(name, reason);
    });
    return slot;
}

void Registry::bus_start_failed(InterfaceSession& from, const std::string& reason) {
    const auto running = interfaces_.find(from.name());
    if (running == interfaces_.end() || running->second.get() != &from) return;
    boost::asio::post(loop_, [this, alive = std::weak_ptr(alive_), name = from.name(), reason] {
        if (!alive.expired() && watcher_ && on_trial_.contains(name))
            watcher_->trial_trouble(name, "it could not begin to look for devices: " + reason);
    });
}

void Registry::retire(std::unique_ptr<PluginSlot> slot) {
    PluginSlot* const retired = slot.get();
    retiring_.push_back(std::move(slot));
    retired->retire([this, retired] {
        std::erase_if(retiring_, [&](const auto& other) { return other.get() == retired; });
    });
}

void Registry::prepare(CataloguedPlugin next, const Limits& limits, Done done) {
    const std::string name = next.name;
    if (stopping_) return later(std::move(done), failure("box.stopping", "the box is stopping"));
    if (swaps_.contains(name))
        return later(std::move(done),
                     failure("swap.running", name + " is being replaced already: try again when "
                                                    "that is over"));
    if (const auto checked = check_settings_of(*next.note); !checked)
        return later(std::move(done),
                     failure("swap.settings",
                             name + " " + next.note->version +
                                 " does not accept the configuration: " + checked.error().text));
    auto swap = std::make_unique<PluginSwap>(loop_, make_slot(std::move(next)));
    PluginSwap& started = *swap;
    swaps_.emplace(name, std::move(swap));
    started.prepare(limits.load, [this, name, done = std::move(done)](const Result<void>& result) {
        if (!result) end_swap(name);
        done(result);
    });
}

/// What was prepared and is not wanted ends; what runs stays.
void Registry::end_swap(const std::string& name) {
    const auto found = swaps_.find(name);
    if (found == swaps_.end()) return;
    const std::unique_ptr<PluginSwap> swap = std::move(found->second);
    swaps_.erase(found);
    std::unique_ptr<PluginSlot> slot = swap->take_slot();
    const auto sessions = devices_;
    for (const SessionPtr& session : sessions)
        if (session->uses(*slot)) session->reconsider("its driver is the former one again");
    retire(std::move(slot));
}

void Registry::abandon(const std::string& plugin) {
    const auto found = swaps_.find(plugin);
    if (found != swaps_.end() && !found->second->swapping()) end_swap(plugin);
}

void Registry::swap(const std::string& plugin, bool trial, const Limits& limits, Done done) {
    const auto found = swaps_.find(plugin);
    if (stopping_) return later(std::move(done), failure("box.stopping", "the box is stopping"));
    if (found == swaps_.end() || !found->second->prepared()) {
        if (found != swaps_.end() && !found->second->swapping()) end_swap(plugin);
        return later(std::move(done),
                     failure("swap.not_prepared", "the new build of " + plugin +
                                                      " is not running (any more), so nothing was "
                                                      "replaced"));
    }
    PluginSwap& swap = *found->second;
    const auto current = slots_.find(plugin);
    const bool same_kind =
        current != slots_.end() && current->second->note().kind == swap.slot().note().kind;
    if (!same_kind) return swap_done(plugin, trial, std::move(done), {});
    if (swap.slot().note().kind == sdk::PluginKind::interface)
        return swap_interface(plugin, trial, limits, std::move(done));
    swap.hand_over_devices(
        *current->second,
        [this](const PluginSlot& slot) {
            PluginSwap::Sessions served;
            for (const SessionPtr& session : devices_)
                if (session->is_served_by(slot)) served.push_back(session);
            return served;
        },
        limits,
        [this, plugin, trial, done = std::move(done)](const Result<void>& result) mutable {
            swap_done(plugin, trial, std::move(done), result);
        });
}

void Registry::swap_interface(const std::string& plugin, bool trial, const Limits& limits,
                              Done done) {
    PluginSwap& swap = *swaps_.at(plugin);
    const auto running = interfaces_.find(plugin);
    if (running == interfaces_.end()) return swap_done(plugin, trial, std::move(done), {});
    // Both have the same name, so what the successor reports is compared with what its predecessor has found.
    auto& successor = successors_[plugin];
    successor =
        std::make_unique<InterfaceSession>(loop_, swap.slot(), settings_for(swap.slot().note()),
                                           static_cast<InterfaceSession::Listener&>(*this));
    swap.hand_over_interface(
        *running->second, *successor, limits,
        [this, plugin, trial, done = std::move(done)](const Result<void>& result) mutable {
            const auto next = successors_.find(plugin);
            const auto session = interfaces_.find(plugin);
            if (next == successors_.end() || session == interfaces_.end()) return;
            if (result) {
                session->second->give_held_to(*next->second);
                session->second = std::move(next->second);
                successors_.erase(next);
            } else {
                successors_.erase(next);
                end_swap(plugin);  // its process is on its way out when the predecessor looks again
                session->second->resume();
            }
            swap_done(plugin, trial, std::move(done), result);
        });
}

void Registry::swap_done(const std::string& plugin, bool trial, Done done, Result<void> result) {
    if (!result) {
        log_warning(
            k_component, "swap.failed",
            {{"plugin", plugin}, {"code", result.error().code}, {"reason", result.error().text}});
        end_swap(plugin);
        return later(std::move(done), std::move(result));
    }
    const auto found = swaps_.find(plugin);
    const std::unique_ptr<PluginSwap> swap = std::move(found->second);
    swaps_.erase(found);
    if (trial)
        on_trial_.insert(plugin);
    else
        on_trial_.erase(plugin);
    put_in_place(plugin, *swap);
    later(std::move(done), {});
}

void Registry::put_in_place(const std::string& plugin, PluginSwap& swap) {
    std::unique_ptr<PluginSlot> old;
    if (const auto current = slots_.find(plugin); current != slots_.end())
        old = std::exchange(current->second, nullptr);
    PluginSlot& slot = swap.slot();
    log_info(k_component, "swap.done",
             {{"plugin", plugin},
              {"from", old ? old->note().version : "none"},
              {"to", slot.note().version}});
    slots_[plugin] = swap.take_slot();
    std::erase_if(unusable_, [&](const CataloguedPlugin& other) { return other.name == plugin; });
    if (slot.note().kind == sdk::PluginKind::interface && !interfaces_.contains(plugin) &&
        !setup_.disabled.contains(plugin)) {
        const auto [session, fresh] = interfaces_.emplace(
            plugin,
            std::make_unique<InterfaceSession>(loop_, slot, settings_for(slot.note()),
                                               static_cast<InterfaceSession::Listener&>(*this)));
        session->second->begin();
    }
    // Whoever was looked at, probed or waited for by the old build, or by none, is looked at anew.
    const auto sessions = devices_;
    for (const SessionPtr& session : sessions) {
        if (old && session->uses(*old))
            session->reconsider(plugin + " " + slot.note().version + " has taken over");
        else if (session->info().state == DeviceState::unsupported)
            session->reconsider(plugin + " " + slot.note().version + " was installed");
    }
    if (old) retire(std::move(old));
}

void Registry::confirm(const std::string& plugin) {
    on_trial_.erase(plugin);
}

void Registry::remove(const std::string& plugin, const std::string& reason, Done done) {
    end_swap(plugin);
    successors_.erase(plugin);
    on_trial_.erase(plugin);
    const auto found = slots_.find(plugin);
    if (found == slots_.end()) return later(std::move(done), {});
    std::unique_ptr<PluginSlot> slot = std::move(found->second);
    slots_.erase(found);
    const auto sessions = devices_;
    if (const auto session = interfaces_.find(plugin); session != interfaces_.end()) {
        interfaces_.erase(session);
        for (const SessionPtr& device : sessions)
            if (device->info().interface == plugin) device->close(reason);
    }
    for (const SessionPtr& device : sessions)
        if (device->uses(*slot)) device->reconsider(reason);
    log_warning(k_component, "plugin.removed", {{"plugin", plugin}, {"reason", reason}});
    retire(std::move(slot));
    later(std::move(done), {});
}

void Registry::release(const std::string& plugin) {
    const auto found = slots_.find(plugin);
    if (found == slots_.end()) return;
    found->second->runner().release();
    if (const auto session = interfaces_.find(plugin); session != interfaces_.end())
        session->second->begin();
    const auto sessions = devices_;
    for (const SessionPtr& device : sessions)
        if (device->info().state == DeviceState::unsupported)
            device->reconsider(plugin + " may run again");
}

PluginSwaps::Health Registry::health(const std::string& plugin) const {
    Health health;
    const auto found = slots_.find(plugin);
    if (found == slots_.end()) return health;
    const RunnerStatus status = found->second->runner().status();
    health.present = true;
    health.version = found->second->note().version;
    health.crashes = status.crashes;
    health.actions_succeeded = found->second->actions_succeeded();
    health.put_aside = status.put_aside;
    health.reason = status.reason;
    return health;
}

}  // namespace backplane::core
