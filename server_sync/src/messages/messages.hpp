// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the server may tell the box beside actions (protocol page, 4.3), and the same asked over HTTP by newer browsers.
#pragma once

#include <boost/json/object.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backplane/sync/browser.hpp"
#include "messages/confirmations.hpp"
#include "messages/remote_help.hpp"
#include "pairing/pairing.hpp"
#include "websocket/notification.hpp"

namespace backplane::sync {

/// Purpose: carries out what the server asks of the box itself. Owner: the link. Thread: the main loop's; `done` is never
/// called inside of ask(), nor after the destruction. Failure: a reply with status "error" and a text for people.
///
/// What would hand the box to somebody else is only carried out after somebody at the box has allowed it (Confirmations):
/// remote help in any case; a new address of the server unless it came over the bus and stays with the same owner, over
/// https if it was https before; over HTTP, where everybody in the network can ask, also the end of the pairing.
class Messages {
public:
    struct Setup {
        Account& account;
        Pairing& pairing;
        Confirmations& confirmations;
        TimerFactory timer;
        std::function<BoxInfo()> box;
        std::function<void(boost::json::object reply)> reply;  ///< Uplink::send
        std::function<void()> restart;
        std::function<void()> check_for_bundles;  ///< bundle_changed
        /// "unreachable", "slow", "normal" or "fast" for the next hop and for the server; blocks nobody.
        std::function<void(std::function<void(std::string lan, std::string wan)>)> measure_network;
        RemoteHelp remote_help;
        /// How those programs are run: program_runner(loop). Empty: as if there were none.
        ProgramRunner run_program = {};
    };
    explicit Messages(Setup setup);
    ~Messages();

    /// Of the bus. Unknown types are ignored, once logged each.
    void handle(const Notification& notification);

    /// The same by HTTP (newer browsers address the box itself with data.action as the type): the reply goes to `done`
    /// instead of the uplink. `type` as in handle(); unknown: status "error".
    using Done = std::function<void(boost::json::object reply)>;
    void ask(std::string_view type, const boost::json::object& data, std::string session,
             Done done);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
