// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One usable plug-in: its runner, and who has instances in it.
//
// The process lives while somebody uses the slot and a little longer. What the runner reports goes to the handler of the
// instance that it is about; a handler that has left hears nothing more.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "registry/plugin_catalogue.hpp"
#include "supervisor/plugin_runner.hpp"

namespace backplane::core {

/// What the owner of an instance hears. Every call may end the use of the slot.
class InstanceHandler {
public:
    virtual ~InstanceHandler() = default;
    virtual void plugin_up() = 0;
    virtual void plugin_down(const std::string& reason, bool comes_back) = 0;
    virtual void plugin_put_aside(const std::string& reason) = 0;
    virtual void probed(InstanceId, bool /*claimed*/, const std::string& /*reason*/) {}
    virtual void started(InstanceId, const Result<void>&) {}
    virtual void stopped(InstanceId) {}
    virtual void quiesced(InstanceId, SavedState) {}
    virtual void reported(InstanceId, RunnerListener::DeviceReport, const std::string&) {}
    virtual void described(InstanceId, const boost::json::object&) {}
    virtual void emitted(InstanceId, RunnerEvent) {}
    virtual void action_ended(InstanceId, std::uint64_t, RunnerListener::ActionEnd) {}
    virtual void device_added(InstanceId, boost::json::object, Fd) {}
    virtual void device_removed(InstanceId, const std::string&) {}
    virtual void bus_settled(InstanceId) {}
};

class PluginSlot final : private RunnerListener {
public:
    /// What the registry hears of the process, whoever uses it. Never from inside a call to the slot.
    using Trouble = std::function<void(const std::string& reason)>;
    using RunnerFactory = std::function<std::unique_ptr<PluginRunner>(
        std::shared_ptr<const PluginImage>, RunnerListener&)>;

    PluginSlot(boost::asio::io_context& loop, CataloguedPlugin plugin, const RunnerFactory& factory,
               std::chrono::milliseconds linger);
    ~PluginSlot() override;

    const sdk::PluginNote& note() const { return *plugin_.note; }
    const CataloguedPlugin& plugin() const { return plugin_; }
    PluginRunner& runner() { return *runner_; }
    const PluginRunner& runner() const { return *runner_; }

    /// Start the process if need be. plugin_up() follows, unless up() already.
    void use(InstanceHandler& handler);
    /// Nothing is told to this handler any more; its instances must have been stopped or be about to.
    void leave(InstanceHandler& handler);
    /// End the process for good, whoever still uses it: the box is stopping.
    void end();
    /// end(), and `over` once the process has ended and nobody is left; the slot may be destroyed in there.
    void retire(std::function<void()> over);
    /// It crashed, hung or was put aside: `trouble`, each time.
    void watch(Trouble trouble) { trouble_ = std::move(trouble); }
    std::uint64_t actions_succeeded() const noexcept { return actions_succeeded_; }
    void bind(InstanceId id, InstanceHandler& handler) { instances_[id] = &handler; }
    void unbind(InstanceId id) { instances_.erase(id); }
    bool up() const { return runner_->status().up; }
    bool put_aside() const { return runner_->status().put_aside; }
    std::size_t instances() const { return instances_.size(); }

private:
    InstanceHandler* handler_of(InstanceId id) const;
    template <typename Call>
    void tell_users(Call&& call);
    void tell_trouble(const std::string& reason);
    void look_whether_over();

    void plugin_up() override;
    void plugin_down(const ExitReason& reason,
                     std::optional<std::chrono::milliseconds> restart_in) override;
    void plugin_put_aside(const std::string& reason) override;
    void instance_probed(InstanceId id, bool claimed, const std::string& reason) override;
    void instance_started(InstanceId id, const Result<void>& result) override;
    void instance_stopped(InstanceId id) override;
    void instance_quiesced(InstanceId id, SavedState state) override;
    void device_reported(InstanceId id, DeviceReport report, const std::string& reason) override;
    void device_described(InstanceId id, const boost::json::object& description) override;
    void event_emitted(InstanceId id, RunnerEvent event) override;
    void action_ended(InstanceId id, std::uint64_t action, ActionEnd end) override;
    void device_added(InstanceId id, boost::json::object descriptor, Fd fd) override;
    void device_removed(InstanceId id, const std::string& key) override;
    void bus_settled(InstanceId id) override;

    boost::asio::io_context& loop_;
    CataloguedPlugin plugin_;
    std::chrono::milliseconds linger_;
    boost::asio::steady_timer linger_timer_;
    bool ended_ = false;
    std::function<void()> over_;
    Trouble trouble_;
    std::uint64_t actions_succeeded_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for what is posted
    std::set<InstanceHandler*> users_;
    std::map<InstanceId, InstanceHandler*> instances_;
    std::unique_ptr<PluginRunner>
        runner_;  // last: it is destroyed first and speaks to the members above
};

}  // namespace backplane::core
