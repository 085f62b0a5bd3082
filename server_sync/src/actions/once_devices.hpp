// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The devices as browsers get them: an action id counts once, also over a restart and beside what the server orders.
//
// Owner: the inbox. Thread: the main loop's. An action that has an id and is not harmless is written down before it
// begins; where that is impossible (a full disk) it begins all the same, remembered in memory only, and is counted.
// Actions of one device keep their order, so one without an id waits for the disk when it follows one that does.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actions/action_book.hpp"
#include "backplane/core/devices.hpp"
#include "backplane/sync/browser.hpp"
#include "server/later.hpp"
#include "store/sync_store.hpp"

namespace backplane::sync {

class OnceDevices final : public core::Devices, public std::enable_shared_from_this<OnceDevices> {
public:
    struct Counters {
        std::uint64_t duplicates = 0, repeated = 0, unsure = 0, unwritten = 0;
    };
    static constexpr std::size_t k_waiting = 256;  ///< for the disk, per device; then refused

    OnceDevices(SyncStore& store, core::Devices& devices, TimerFactory timer, ActionBook& book);

    std::vector<core::DeviceInfo> list() const override { return devices_.list(); }
    std::optional<core::DeviceInfo> find(std::string_view name) const override {
        return devices_.find(name);
    }
    void act(core::ActionRequest request, core::ActionDone done) override;
    void act_on_interface(std::string_view interface, std::string name, boost::json::object data,
                          core::ActionDone done) override;

    const Counters& counters() const noexcept { return counters_; }

private:
    struct Waiting {
        core::ActionRequest request;
        core::ActionDone done;
        std::optional<ActionRow> row;  ///< none: nothing is remembered of it
        bool ready = false;            ///< may begin
    };
    using WaitingPtr = std::shared_ptr<Waiting>;

    void write_down(const std::string& device, const WaitingPtr& waiting);
    void pump(const std::string& device);
    void begin(Waiting& waiting);
    void over(const ActionRow& row, const core::ActionOutcome& outcome);
    void later(core::ActionDone done, core::ActionOutcome outcome);

    SyncStore& store_;
    core::Devices& devices_;
    Later later_;
    ActionBook& book_;
    Counters counters_;
    std::map<std::string, std::deque<WaitingPtr>> waiting_;
};

}  // namespace backplane::sync
