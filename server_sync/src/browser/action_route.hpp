// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// /iot_drivers/action: a browser asks a device, or the box itself, to do something.
//
// The action goes into the queue of its device and the request waits for its end, but at most 5 s:
// pages give up after 6 s and then send the same action again by another way. What they get:
//
//   outcome                        `data` as JSON text (17, 18)    `data` as object (19 and later)
//   done                           true                            {"status":"success", "result":…,
//   …} failed                         true (an event tells)           {"status":"error", "result"
//   and "message": why, …} not finished after 5 s         true {"status":"success",
//   "result":"pending", …} run before, not run again      true {"status":"duplicate", …} device
//   vanished meanwhile      false                           {"status":"disconnected", "message":…,
//   …} device unknown                 false                           false
//
// "pending" also stands for success without a result of a printer or payment terminal: an event
// says how it ended.
//
// Addressed to the box itself: "restart_odoo" restarts the service, and what else the server may ask
// for by its bus may be asked here, too. A test of the connection is everybody's; the rest is for the
// pages of the database that the box belongs to, and for the box's own.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "backplane/sync/browser.hpp"
#include "browser/event_owners.hpp"
#include "browser/json_rpc.hpp"

namespace backplane::sync {

class ActionRoute : public std::enable_shared_from_this<ActionRoute> {
public:
    static constexpr std::chrono::milliseconds k_wait{5'000};
    static constexpr std::chrono::milliseconds k_restart_after{2'000};

    ActionRoute(const BrowserContext& context, EventOwners& owners);

    void handle(const core::HttpExchangePtr& exchange, RpcCall call);
    /// Of the service, after k_restart_after; asked for once more it stays at that.
    void restart(const std::string& session, const std::string& by);
    std::size_t waiting() const noexcept { return waiting_.size(); }

private:
    struct Asked;
    struct Waiting {
        core::HttpExchangePtr exchange;
        boost::json::value rpc_id;
        bool data_was_text = false;
        core::DeviceInfo device;
        std::string session;
        core::Subscription timer;
    };
    static core::Result<Asked> read_action(const boost::json::object& params);
    void act_on_box(const core::HttpExchangePtr& exchange, const boost::json::value& rpc_id,
                    const Asked& asked, const std::string& box_identifier);
    void ask_link(const core::HttpExchangePtr& exchange, const boost::json::value& rpc_id,
                  const Asked& asked, const std::string& box_identifier);
    /// No outcome: it takes longer than the client waits.
    void answer(std::uint64_t number, const std::optional<core::ActionOutcome>& outcome);
    boost::json::value result_for(const Waiting& waiting,
                                  const std::optional<core::ActionOutcome>& outcome) const;

    core::Devices& devices_;
    core::EventRing& events_;
    TimerFactory timer_;
    std::function<BoxInfo()> box_;
    std::function<void()> restart_;
    LinkAccess link_;
    EventOwners& owners_;
    std::unordered_map<std::uint64_t, Waiting> waiting_;
    std::uint64_t last_ = 0;
    core::Subscription restart_timer_;
};

}  // namespace backplane::sync
