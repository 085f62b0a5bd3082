// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One interface plug-in at work: it runs always, and what it finds goes to the registry.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backplane/core/devices.hpp"
#include "registry/descriptor.hpp"
#include "registry/plugin_slot.hpp"

namespace backplane::core {

class InterfaceSession final : private InstanceHandler {
public:
    /// What the registry hears of the bus.
    class Listener {
    public:
        virtual ~Listener() = default;
        virtual InstanceId next_instance_id() = 0;
        virtual std::uint64_t& action_ids() = 0;
        virtual void bus_device_added(InterfaceSession& from, Descriptor descriptor, Fd fd) = 0;
        virtual void bus_device_removed(InterfaceSession& from, const std::string& key,
                                        const std::string& reason) = 0;
        /// It runs anew and will report everything again: what it does not report by settled has gone.
        virtual void bus_restarted(InterfaceSession& from) = 0;
        virtual void bus_settled(InterfaceSession& from) = 0;
        /// It could not begin to look; it tries again by itself.
        virtual void bus_start_failed(InterfaceSession& from, const std::string& reason) = 0;
        virtual std::size_t bus_device_count(InterfaceSession& from) = 0;
    };

    using Done = std::function<void(Result<void>)>;

    InterfaceSession(boost::asio::io_context& loop, PluginSlot& slot, boost::json::object settings,
                     Listener& listener);
    ~InterfaceSession() override;

    void begin();
    /// Instead of begin(): it takes over from a session of the same interface that was paused. `done` is called once:
    /// when it has settled, or with an error ("swap.start", "swap.crashed") when it cannot; not after destruction.
    void begin_as_successor(SavedState state, Done done);

    /// For the time of a swap: requests wait, those that run may end within `hold`, the instance stops. `done` gets what
    /// it leaves to its successor, or an error ("swap.busy"), after which it goes on.
    void pause(std::chrono::milliseconds hold, std::function<void(Result<SavedState>)> done);
    /// Work again after pause().
    void resume();
    /// The requests that wait go to the successor.
    void give_held_to(InterfaceSession& successor);

    PluginSlot& slot() noexcept { return slot_; }
    bool running() const noexcept { return running_; }
    void act(std::string name, boost::json::object data, ActionDone done);

    const std::string& name() const { return slot_.note().name; }
    bool has_settled() const noexcept { return settled_; }

private:
    void start_instance();
    void plugin_up() override {
        if (pause_ == Pause::no || pause_ == Pause::resuming) start_instance();
    }
    void plugin_down(const std::string& reason, bool comes_back) override;
    void plugin_put_aside(const std::string& reason) override;
    void started(InstanceId id, const Result<void>& result) override;
    void stopped(InstanceId id) override;
    void action_ended(InstanceId id, std::uint64_t action, RunnerListener::ActionEnd end) override;
    void device_added(InstanceId id, boost::json::object descriptor, Fd fd) override;
    void device_removed(InstanceId id, const std::string& key) override;
    void bus_settled(InstanceId id) override;
    void quiesced(InstanceId id, SavedState state) override;
    void quiesce();
    void paused(Result<SavedState> result);
    void tell_successor(Result<void> result);
    void resumed();
    void fail_actions(const std::string& reason);
    void retry_later();

    static constexpr std::size_t k_most_devices = 256;
    static constexpr std::size_t k_most_actions = 64;

    boost::asio::io_context& loop_;
    PluginSlot& slot_;
    boost::json::object settings_;
    Listener& listener_;
    boost::asio::steady_timer retry_;
    std::chrono::milliseconds retry_delay_{0};
    InstanceId instance_ = 0;
    bool running_ = false;
    bool settled_ = false;
    bool ran_before_ = false;
    std::map<std::uint64_t, ActionDone> actions_;

    enum class Pause { no, draining, quiescing, paused, resuming };
    Pause pause_ = Pause::no;
    std::function<void(Result<SavedState>)> paused_;
    Done successor_done_;
    SavedState inherited_;
    struct HeldAction {
        std::string name;
        boost::json::object data;
        ActionDone done;
    };
    std::vector<HeldAction> held_;
    boost::asio::steady_timer pause_timer_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for what is posted
};

}  // namespace backplane::core
