// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The registry: all plug-ins, all interfaces at work, all devices.
//
// Purpose: puts together what the parts know; the work on one device is in DeviceSession, on one interface in
// InterfaceSession, on one plug-in's process in PluginSlot. Thread: the main loop's.
#pragma once

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backplane/core/config.hpp"
#include "backplane/core/devices.hpp"
#include "backplane/core/event_ring.hpp"
#include "registry/device_session.hpp"
#include "registry/identifier_book.hpp"
#include "registry/interface_session.hpp"
#include "registry/plugin_catalogue.hpp"
#include "registry/plugin_slot.hpp"
#include "registry/plugin_swap.hpp"
#include "registry/plugin_swaps.hpp"

namespace backplane::core {

class DeviceMemory;

/// One plug-in as lists show it.
struct PluginInfo {
    std::string name, id, title, kind, version, vendor, path, abi;
    std::string state;  ///< running, idle, restarting, put_aside, refused, disabled
    std::string reason;
    int pid = 0;
    std::size_t instances = 0;
    std::uint64_t starts = 0, crashes = 0, events = 0, slow_calls = 0;
};

class Registry final : public Devices,
                       public PluginSwaps,
                       private DeviceWorld,
                       private InterfaceSession::Listener {
public:
    struct Setup {
        Config config;
        std::vector<CataloguedPlugin> plugins;
        std::set<std::string> disabled;  ///< names of plug-ins that are left alone
        DeviceMemory* memory = nullptr;  ///< null: nothing is remembered
        DeviceSession::Times times;
        std::chrono::milliseconds linger{5'000};
        std::set<std::string> on_trial;  ///< plug-ins whose build has not proved itself yet
    };

    Registry(boost::asio::io_context& loop, EventRing& events, Setup setup,
             const PluginSlot::RunnerFactory& factory);
    ~Registry() override;

    /// Settings that do not fit the schema of their plug-in; the box does not start with them.
    Result<void> check_settings() const;

    /// Start the interfaces.
    void begin();
    /// End all plug-ins; `done` is called when no process is left, at the latest after a few seconds.
    void stop(std::function<void()> done);

    /// The level of some component of the log has changed: plug-ins that run learn theirs, so that they send what is wanted.
    void log_levels_changed();

    bool all_interfaces_settled() const;
    std::vector<PluginInfo> plugins() const;

    // Devices
    std::vector<DeviceInfo> list() const override;
    std::optional<DeviceInfo> find(std::string_view identifier_or_type) const override;
    void act(ActionRequest request, ActionDone done) override;
    void act_on_interface(std::string_view interface, std::string name, boost::json::object data,
                          ActionDone done) override;

    // PluginSwaps (registry_swaps.cpp)
    void prepare(CataloguedPlugin next, const Limits& limits, Done done) override;
    void swap(const std::string& plugin, bool trial, const Limits& limits, Done done) override;
    void abandon(const std::string& plugin) override;
    void confirm(const std::string& plugin) override;
    void remove(const std::string& plugin, const std::string& reason, Done done) override;
    void release(const std::string& plugin) override;
    Health health(const std::string& plugin) const override;
    void set_watcher(Watcher* watcher) override { watcher_ = watcher; }

private:
    using SessionPtr = std::shared_ptr<DeviceSession>;

    Result<void> check_settings_of(const sdk::PluginNote& note) const;
    boost::json::object settings_for(const sdk::PluginNote& note) const;
    const DevicePin* pin_of(const std::string& identifier, const std::string& stable_id) const;
    SessionPtr session_of(std::string_view identifier_or_type) const;
    SessionPtr session_at(const std::string& interface, const std::string& key) const;
    void create_device(const std::string& interface, Descriptor descriptor, Fd fd);

    void later(Done done, Result<void> result);
    std::unique_ptr<PluginSlot> make_slot(CataloguedPlugin plugin);
    void retire(std::unique_ptr<PluginSlot> slot);
    void end_swap(const std::string& name);
    void swap_interface(const std::string& plugin, bool trial, const Limits& limits, Done done);
    void swap_done(const std::string& plugin, bool trial, Done done, Result<void> result);
    void put_in_place(const std::string& plugin, PluginSwap& swap);

    // DeviceWorld, InterfaceSession::Listener
    InstanceId next_instance_id() override { return ++last_instance_id_; }
    std::uint64_t& action_ids() override { return last_action_id_; }
    PluginSlot* driver(const std::string& name) override;
    std::vector<Candidate> candidates(const DeviceSession& device) override;
    std::string remembered_driver(const std::string& stable_id) override;
    boost::json::object settings_of(const sdk::PluginNote& driver) override;
    void device_changed(DeviceSession& device) override;
    void device_event(DeviceSession& device, RunnerEvent event) override;
    void action_over(DeviceSession& device, const ActionRequest& request,
                     const ActionOutcome& outcome) override;
    void device_over(DeviceSession& device) override;
    void bus_device_added(InterfaceSession& from, Descriptor descriptor, Fd fd) override;
    void bus_device_removed(InterfaceSession& from, const std::string& key,
                            const std::string& reason) override;
    void bus_restarted(InterfaceSession& from) override;
    void bus_settled(InterfaceSession& from) override;
    void bus_start_failed(InterfaceSession& from, const std::string& reason) override;
    std::size_t bus_device_count(InterfaceSession& from) override;

    boost::asio::io_context& loop_;
    EventRing& events_;
    Setup setup_;
    PluginSlot::RunnerFactory factory_;
    IdentifierBook identifiers_;
    std::vector<CataloguedPlugin> unusable_;  ///< refused or disabled; shown in lists
    InstanceId last_instance_id_ = 0;
    std::uint64_t last_action_id_ = 0;
    bool stopping_ = false;
    std::map<std::string, std::unique_ptr<PluginSlot>, std::less<>> slots_;
    std::vector<std::unique_ptr<PluginSlot>> retiring_;  ///< replaced, and not ended yet
    std::map<std::string, std::unique_ptr<PluginSwap>, std::less<>> swaps_;
    std::set<std::string, std::less<>> on_trial_;
    Watcher* watcher_ = nullptr;
    std::map<std::string, std::unique_ptr<InterfaceSession>, std::less<>> interfaces_;
    /// On builds that are taking over.
    std::map<std::string, std::unique_ptr<InterfaceSession>, std::less<>> successors_;
    std::vector<SessionPtr> devices_;  ///< in the order of their appearance
    /// Reported again while their predecessor was still closing.
    std::map<std::pair<std::string, std::string>, std::pair<Descriptor, Fd>> returning_;
    boost::asio::steady_timer stop_timer_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for what is posted
};

}  // namespace backplane::core
