// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The box on the server's bus: connects, subscribes, comes back (protocol page, 4.1 to 4.5b).
//
// By WebSocket; where that does not pass (an upgrade refused or swallowed three times in a row while
// plain requests are answered), by polling /websocket/peek_notifications, with another try of the
// WebSocket every 10 minutes. After a loss: at once, then after 0.5 s doubled up to 30 s, each with
// jitter. Beside that a cheap look each second: when the server was away and is there again, the box
// connects within 0.3 s, so that it is back within 2 s. The session cookie is renewed before each
// connection when the name of the database is known.
//
// A frame is handed over when the one before is durable. At most 64 frames or 32 MiB wait; more, or
// nothing durable for 30 s, ends the connection, and the server sends again what is missing.
//
// Thread: the main loop's. Failure: never an error, always a status with its reason.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backplane/core/subscription.hpp"
#include "backplane/sync/browser.hpp"
#include "server/account.hpp"
#include "server/requests.hpp"
#include "websocket/notification.hpp"
#include "websocket/socket.hpp"

namespace backplane::sync {

struct BusStatus {
    std::string state =
        "off";  ///< "off" (not paired, or no channel yet), "connecting", "connected", "polling", "waiting"
    std::string reason;  ///< why it is not connected, for people
    double since = 0;    ///< Unix time
    std::uint64_t connections = 0, notifications = 0, odd = 0;
    std::chrono::milliseconds next_try{0};
};

class BusClient {
public:
    struct Setup {
        Account& account;
        std::function<std::string()> channel;
        std::function<std::string()> identifier;
        std::function<std::int64_t()> last_id;
        /// The next ones are handed over when `durable` was called: what the box cannot write down it does not take.
        std::function<void(std::vector<Notification>, std::function<void()> durable)> take;
        TimerFactory timer;
        SocketMaker sockets;
        LaneMaker lanes;
        std::string ca_file;
        std::function<double()> random;  ///< [0, 1)
        std::function<double()> now;     ///< Unix time
        /// Has this box been on the bus of this server before, in whatever life? Then all that it did not get yet is new,
        /// also while its last_id() is still 0. `listens` is called, more than once, when that is so from now on.
        std::function<bool()> has_listened = [] { return false; };
        std::function<void()> listens = [] {};
    };
    explicit BusClient(Setup setup);
    ~BusClient();

    /// The channel, the address or the identifier may have changed; also begins.
    void look_again();
    void stop();
    BusStatus status() const;
    core::Subscription on_change(std::function<void()> changed);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
