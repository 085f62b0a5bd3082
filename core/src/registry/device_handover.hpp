// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One device on its way from the build of a driver that serves it to another build.
//
//   draining ─► quiescing ─► starting ─► settling ─► over
//       └───────────┴──────────┴───────────┴─► undoing ─► over, with an error
//
// The two builds never touch the device at the same time: the successor is started when the predecessor has said that
// it has stopped, and everything that it said before has been published by then. Thread: the main loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

#include "registry/plugin_slot.hpp"
#include "registry/plugin_swaps.hpp"

namespace backplane::core {

class DeviceHandover final : private InstanceHandler {
public:
    /// The device's session.
    class Owner {
    public:
        virtual ~Owner() = default;
        virtual bool has_running_actions() const = 0;
        /// For the instance that takes over, with an id of its own and a descriptor of the open device.
        virtual Result<InstanceSpec> successor_spec(const sdk::PluginNote& note,
                                                    SavedState state) = 0;
        virtual void successor_emitted(RunnerEvent event) = 0;
        virtual void successor_described(const boost::json::object& description) = 0;
        /// The last thing it hears; the handover may be destroyed in here. After an error the successor has ended.
        virtual void handover_over(const Result<void>& result) = 0;
    };

    /// `ready`: the device works now, so it must work with the successor.
    DeviceHandover(boost::asio::io_context& loop, Owner& owner, PluginSlot& from,
                   InstanceId predecessor, PluginSlot& to, bool ready,
                   const PluginSwaps::Limits& limits);
    /// The successor, if there is one, is stopped; nobody hears of it.
    ~DeviceHandover() override;

    void begin();

    // What the session hears of the predecessor while this goes on:
    void action_over();                           ///< one has ended
    void predecessor_quiesced(SavedState state);  ///< it has stopped
    void predecessor_gone();                      ///< its process has ended

    PluginSlot& to() noexcept { return to_; }
    InstanceId successor() const noexcept { return successor_; }
    /// What the successor has reported last, for the session that adopts it.
    const std::string& reason() const noexcept { return reason_; }
    bool predecessor_is_there() const noexcept { return predecessor_ != 0; }
    bool predecessor_was_asked() const noexcept { return asked_; }

private:
    enum class Phase { draining, quiescing, starting, settling, undoing, over };

    void quiesce();
    void start_successor(SavedState state);
    void fail(std::string code, std::string text);
    void finish(Result<void> result);
    std::string not_ready() const;
    void wait_at_most(std::chrono::milliseconds limit, std::string code, std::string text);

    void plugin_up() override {}
    void plugin_down(const std::string& reason, bool comes_back) override;
    void plugin_put_aside(const std::string& reason) override;
    void started(InstanceId id, const Result<void>& result) override;
    void stopped(InstanceId id) override;
    void reported(InstanceId id, RunnerListener::DeviceReport report,
                  const std::string& reason) override;
    void described(InstanceId id, const boost::json::object& description) override;
    void emitted(InstanceId id, RunnerEvent event) override;

    Owner& owner_;
    PluginSlot& from_;
    InstanceId predecessor_;
    PluginSlot& to_;
    InstanceId successor_ = 0;
    const bool ready_;
    const PluginSwaps::Limits limits_;
    Phase phase_ = Phase::draining;
    bool asked_ = false;
    std::string reason_;
    Error error_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for a timer that has expired
};

}  // namespace backplane::core
