// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One swap: another build of a plug-in, from the start of its process until everything has been handed over or everything
// is as it was.
//
// Thread: the main loop's. What is asked of it ends with one call of `done`, never from inside the call that asked.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "registry/device_session.hpp"
#include "registry/interface_session.hpp"
#include "registry/plugin_slot.hpp"
#include "registry/plugin_swaps.hpp"

namespace backplane::core {

class PluginSwap final : private InstanceHandler {
public:
    using Done = PluginSwaps::Done;
    using Sessions = std::vector<std::shared_ptr<DeviceSession>>;
    /// The devices that a build serves now.
    using ServedBy = std::function<Sessions(const PluginSlot&)>;

    PluginSwap(boost::asio::io_context& loop, std::unique_ptr<PluginSlot> next);
    ~PluginSwap() override;

    void prepare(std::chrono::milliseconds limit, Done done);
    bool prepared() const noexcept { return phase_ == Phase::prepared; }
    bool swapping() const noexcept { return phase_ == Phase::swapping; }

    /// Every device of `from` to the new build; after the first failure all of them back again.
    void hand_over_devices(PluginSlot& from, ServedBy served_by, const PluginSwaps::Limits& limits,
                           Done done);
    /// The interface that runs as `from` to `successor`, a session on the new build that has not begun.
    void hand_over_interface(InterfaceSession& from, InterfaceSession& successor,
                             const PluginSwaps::Limits& limits, Done done);

    PluginSlot& slot() noexcept { return *next_; }
    /// For the place of the old one, or to be retired.
    std::unique_ptr<PluginSlot> take_slot();

private:
    enum class Phase { created, preparing, prepared, failed, swapping };

    void next_round();
    void device_done(const Result<void>& result);
    void finish(Result<void> result);
    void plugin_up() override;
    void plugin_down(const std::string& reason, bool comes_back) override;
    void plugin_put_aside(const std::string& reason) override;
    std::string build() const;

    boost::asio::io_context& loop_;
    std::unique_ptr<PluginSlot> next_;
    Phase phase_ = Phase::created;
    boost::asio::steady_timer timer_;
    Done done_;

    PluginSlot* from_ = nullptr;
    ServedBy served_by_;
    PluginSwaps::Limits limits_;
    std::size_t pending_ = 0;
    bool undoing_ = false;
    Result<void> outcome_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for what is posted
};

}  // namespace backplane::core
