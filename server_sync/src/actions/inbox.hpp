// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Actions that come from the server, and the memory of action ids that all ways into the box share.
//
// A notification is durable, with the cursor of the bus, before anything of it runs. Each device has its own queue here,
// in order, one action at a time: a slow one delays nobody else. What was waiting at a power cut runs after it. What may
// have run already follows its ActionClass: `once` is not run again (its sender gets "error" with the reason),
// `repeatable` is run again with `"repeated": true` in its data. An id that was run is remembered for 24 h, whichever way
// it came (browser or server): a second one is "duplicate". An id whose action failed for certain is forgotten.
//
// What a `once` action needs to have said of it goes to the server as a reply; ordinary outcomes are told by the event
// that core publishes. A cancellation of a payment does not wait for the payment. The server's actions are not taken
// while the box cannot write (they come again), those of browsers are carried out all the same.
//
// Thread: the main loop's. Bounds: 10,000 actions or 256 MiB wait; beyond that the oldest harmless ones go, then new ones
// are refused, each with a reply. In memory are the contents of the first four per device, of at most 1 MiB each; the
// others stay in the database until their turn. An action that has waited for 24 h is not carried out any more.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backplane/core/devices.hpp"
#include "backplane/sync/browser.hpp"
#include "browser/event_owners.hpp"
#include "store/sync_store.hpp"
#include "websocket/notification.hpp"

namespace backplane::sync {

struct InboxStatus {
    std::size_t waiting = 0, running = 0;  ///< of the server
    std::size_t waiting_bytes = 0;         ///< contents of both
    std::uint64_t accepted = 0;            ///< actions of the server, one for each device
    std::uint64_t finished = 0;            ///< of these, whatever came of it
    std::uint64_t duplicates = 0;          ///< of both ways, not run again
    std::uint64_t repeated = 0;            ///< of both ways, run again with the mark
    std::uint64_t unsure = 0;     ///< of both ways: may have had its effect, and was not repeated
    std::uint64_t refused = 0;    ///< too many, too old, or not to be understood
    std::uint64_t unwritten = 0;  ///< of browsers, carried out without being remembered
};

class Inbox {
public:
    struct Setup {
        SyncStore& store;
        core::Devices& devices;  ///< the registry itself
        TimerFactory timer;
        std::function<std::string()> identifier;  ///< of the box
        std::function<double()> now;              ///< Unix time
        /// An answer for the server that no event tells: device unknown, "may have been carried out". Durable: it is
        /// asked for before the state is written that would keep it from being said again.
        std::function<void(boost::json::object reply)> reply;
        /// Everything that is no action, after it is durable, in order.
        std::function<void(const Notification&)> message;
        /// Told which session has caused what a device says while it runs an action; may be null.
        EventOwners* owners = nullptr;
        std::function<std::chrono::steady_clock::time_point()> steady =
            std::chrono::steady_clock::now;
    };
    explicit Inbox(Setup setup);
    ~Inbox();

    /// Runs what a former life of the box has left. Once, when the local drivers are up.
    void begin();

    /// All notifications of one frame. `durable` when they are, with the cursor.
    void take(std::vector<Notification> notifications, std::function<void()> durable);
    /// Id of the last notification that is durable; 0: none.
    std::int64_t last_id() const noexcept;

    /// The devices as browsers get them: act() honours the same memory of ids.
    core::Devices& devices() noexcept;

    InboxStatus status() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
