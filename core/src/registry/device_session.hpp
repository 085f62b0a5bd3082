// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One device from the moment an interface reports it until it has gone: who may serve it, who does, and what its
// driver says.
//
//   discovered ─► probing ─► opening ─► ready ◄─► unreachable
//        │           │          │         └──────────┬─► quiescing ─► gone
//        └───────────┴──────────┴─► unsupported (looked at again later)
//
// Every change carries a reason. Thread: the main loop's. Failure of a driver is a change of state, never more.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actions/action_queue.hpp"
#include "backplane/core/devices.hpp"
#include "registry/descriptor.hpp"
#include "registry/device_handover.hpp"
#include "registry/device_opener.hpp"
#include "registry/matching.hpp"
#include "registry/plugin_slot.hpp"

namespace backplane::core {

class DeviceSession;

/// What a session needs of the registry.
class DeviceWorld {
public:
    virtual ~DeviceWorld() = default;
    virtual InstanceId next_instance_id() = 0;
    virtual std::uint64_t& action_ids() = 0;
    virtual PluginSlot* driver(const std::string& name) = 0;
    /// In the order in which they have their turn; a user's pin leaves one, without a probe.
    virtual std::vector<Candidate> candidates(const DeviceSession& device) = 0;
    /// The driver that served this physical device last, or empty.
    virtual std::string remembered_driver(const std::string& stable_id) = 0;
    virtual boost::json::object settings_of(const sdk::PluginNote& driver) = 0;

    virtual void device_changed(DeviceSession& device) = 0;  ///< its state or its reason
    virtual void device_event(DeviceSession& device, RunnerEvent event) = 0;
    virtual void action_over(DeviceSession& device, const ActionRequest& request,
                             const ActionOutcome& outcome) = 0;
    virtual void device_over(DeviceSession& device) = 0;  ///< after close(): it may be forgotten
};

class DeviceSession final : public std::enable_shared_from_this<DeviceSession>,
                            private InstanceHandler,
                            private DeviceHandover::Owner {
public:
    struct Times {
        std::chrono::milliseconds open{5'000};
        std::chrono::milliseconds reopen_first{100},
            reopen_most{2'000};                          ///< a driver lost its descriptor
        std::chrono::milliseconds restart_most{10'000};  ///< a driver's start() fails
        std::chrono::milliseconds proven{
            5'000};  ///< ready for so long: the next loss is a new story
        std::chrono::milliseconds known_probe{1'500};  ///< a device that was served before
        std::chrono::milliseconds probe_first{2'000},
            probe_most{60'000};  ///< one that nobody knows
    };

    DeviceSession(boost::asio::io_context& loop, DeviceWorld& world, std::string interface,
                  Descriptor descriptor, Fd handed_over, Times times);
    ~DeviceSession() override;

    /// Look for a driver. Once.
    void begin();
    /// The interface says that the device has gone; device_over() follows.
    void close(const std::string& reason);
    /// The interface reports the same key again; a difference starts the search anew.
    void update(Descriptor descriptor, Fd handed_over);
    /// Start the search for a driver anew because the drivers or the user's decisions have changed.
    void reconsider(const std::string& reason);

    void act(ActionRequest request, ActionDone done);

    /// Whether a build serves it or is being tried on it.
    bool uses(const PluginSlot& slot) const noexcept;
    /// A started instance of `slot` serves it, so that there is something to hand over.
    bool is_served_by(const PluginSlot& slot) const noexcept;
    /// Go on with another build. Actions wait meanwhile; the state stays what it is. After an error the old one serves
    /// again. `done` is called once, never from inside; not after close().
    void hand_over(PluginSlot& to, const PluginSwaps::Limits& limits, PluginSwaps::Done done);

    const DeviceInfo& info() const noexcept { return info_; }
    DeviceInfo& info() noexcept { return info_; }
    const Descriptor& descriptor() const noexcept { return descriptor_; }
    bool closing() const noexcept { return phase_ == Phase::closing; }
    /// Set by an interface that has restarted and has not reported this device again yet.
    bool stale = false;

private:
    enum class Phase {
        idle,
        waiting_for_plugin,
        opening,
        probing,
        starting,
        running,
        handing_over,
        stopping,
        waiting,
        closing
    };
    enum class After {
        retry_same,
        search,
        next_candidate
    };  ///< what follows when the instance has been stopped

    void search();
    void try_candidate();
    void open_device();
    void opened(Result<Fd> result);
    void start_instance();
    void give_up_candidate(const std::string& reason);
    void nobody_serves_it();
    void stop_instance(After after);
    void instance_is_over();
    void wait_and(std::chrono::milliseconds delay, After after);
    void leave_driver();
    void set_state(DeviceState state, std::string reason);
    void finish_close();
    std::chrono::milliseconds next_delay(std::chrono::milliseconds most);

    // InstanceHandler
    void plugin_up() override;
    void plugin_down(const std::string& reason, bool comes_back) override;
    void plugin_put_aside(const std::string& reason) override;
    void probed(InstanceId id, bool claimed, const std::string& reason) override;
    void started(InstanceId id, const Result<void>& result) override;
    void stopped(InstanceId id) override;
    void reported(InstanceId id, RunnerListener::DeviceReport report,
                  const std::string& reason) override;
    void described(InstanceId id, const boost::json::object& description) override;
    void emitted(InstanceId id, RunnerEvent event) override;
    void action_ended(InstanceId id, std::uint64_t action, RunnerListener::ActionEnd end) override;
    void quiesced(InstanceId id, SavedState state) override;

    // DeviceHandover::Owner
    bool has_running_actions() const override { return actions_.running() != 0; }
    Result<InstanceSpec> successor_spec(const sdk::PluginNote& note, SavedState state) override;
    void successor_emitted(RunnerEvent event) override;
    void successor_described(const boost::json::object& description) override;
    void handover_over(const Result<void>& result) override;
    void adopt_successor();
    void take_back();
    void drop_handover(const std::string& reason);
    Result<InstanceSpec> make_spec(const sdk::PluginNote& note);
    void take_description(const sdk::PluginNote& note, const boost::json::object& description);

    boost::asio::io_context& loop_;
    DeviceWorld& world_;
    Descriptor descriptor_;
    Fd handed_over_;
    Times times_;
    DeviceInfo info_;

    Phase phase_ = Phase::idle;
    After after_ = After::search;
    std::vector<Candidate> candidates_;
    std::size_t turn_ = 0;        ///< index of the candidate that has its turn
    bool claimed_ = false;        ///< it has claimed the device: no new probe after a crash
    std::string last_refusal_;    ///< why the last candidate did not take it
    PluginSlot* slot_ = nullptr;  ///< of the candidate that has its turn
    InstanceId instance_ = 0;
    Fd fd_;  ///< ours; drivers get duplicates, so a crash does not close the device
    std::unique_ptr<DeviceOpener> opener_;
    boost::asio::steady_timer timer_;
    std::chrono::milliseconds reopen_delay_{0};
    std::chrono::milliseconds probe_delay_{0};
    std::optional<std::chrono::steady_clock::time_point> ready_at_;
    std::unique_ptr<DeviceHandover> handover_;  ///< in Phase::handing_over
    PluginSwaps::Done handover_done_;
    ActionQueue actions_;
};

}  // namespace backplane::core
