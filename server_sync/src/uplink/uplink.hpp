// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Events and answers on their way to the server: POST /iot/box/send_websocket (protocol page, 4.4).
//
// One more listener of the event ring: nothing local waits for it. What still matters later (results of actions, answers
// to messages) is durable and waits, in order, for as long as it takes: at most 10,000 or 64 MiB, then the oldest is
// dropped and counted. What does not (weights, keys, states) is sent while the server answers; while it does not, it is
// dropped after 5 s, counted by kind. Durable ones go first after a return, and each is sent until the server has taken
// it (HTTP 2xx with anything but a web page, which is a portal's or a proxy's); a server that answers with an error to
// one (4xx other than 408 and 429, or an error inside of a 200) does not block the others. A power cut between its answer
// and the note of it sends one a second time: whoever counts them goes by the device and the time in it.
//
// Durable are: the answers of the box itself; results of actions that somebody in particular has asked for; and what a
// printer or a payment terminal says to somebody, since that is how these report (protocol page, 2.2).
//
// Thread: the main loop's; the disk and the network have threads of their own. After a failure: again after 0.5 s,
// doubled up to 15 s, with jitter. Events are neither taken nor counted while the box is not paired.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "backplane/core/event_ring.hpp"
#include "backplane/sync/browser.hpp"
#include "browser/event_owners.hpp"
#include "server/account.hpp"
#include "server/requests.hpp"
#include "store/sync_store.hpp"

namespace backplane::sync {

struct UplinkStatus {
    std::string state;  ///< "off" (not paired), "sending", "idle", "failing"
    std::string reason;
    std::size_t waiting = 0, waiting_bytes = 0;  ///< durable ones
    std::size_t passing = 0, passing_bytes = 0;  ///< those that do not matter later
    std::uint64_t sent = 0, refused = 0, dropped_durable = 0;
    std::map<std::string, std::uint64_t>
        dropped;  ///< by kind of event; at most 64 kinds, then "other"
};

class Uplink {
public:
    struct Limits {
        std::size_t durable = 10'000, durable_bytes = 64u << 20;
        std::size_t passing = 1'000, passing_bytes = 8u << 20;
        std::chrono::milliseconds passing_age{5'000};
    };
    struct Setup {
        Account& account;
        SyncStore& store;
        core::EventRing& events;
        EventOwners& owners;  ///< somebody else tells it of each event, and before this is told
        TimerFactory timer;
        std::function<std::string()> identifier;
        std::function<double()> random;
        LaneMaker lanes;
        Limits limits{};
    };
    explicit Uplink(Setup setup);
    ~Uplink();

    /// An answer of the box itself; iot_box_identifier is added. Durable. Dropped while the box is not paired.
    void send(boost::json::object reply);
    /// The server has just been heard of by another way: what waits for the next try goes now.
    void try_now();
    UplinkStatus status() const;
    /// Called after each change of status().state or reason; not when it only begins or ends to send.
    core::Subscription on_change(std::function<void()> changed);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
