// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Tells the server which devices this box has: POST /iot/setup (protocol page, section 3.3).
//
// Sent at once after pairing and after a start (with the devices known by then), and again within 200 ms of any change of
// a device (identifier, name, type, subtype, manufacturer, connection), of the address, the domain or the version. Until
// the server has taken it: again after 0.5 s, doubled up to 30 s, with jitter. Only what differs from what the server has
// taken last is sent. Nothing local waits for it. The answer is the channel of the bus, which is remembered.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "backplane/core/devices.hpp"
#include "backplane/core/event_ring.hpp"
#include "backplane/sync/browser.hpp"
#include "server/account.hpp"
#include "server/requests.hpp"

namespace backplane::sync {

struct RegistrationStatus {
    std::string state;         ///< "not_paired", "waiting", "sending", "registered", "failing"
    std::string reason;        ///< of a failure, for people: what was asked, what came, what to do
    unsigned failures = 0;     ///< in a row
    double registered_at = 0;  ///< Unix time of the last success, 0: never
    std::string channel;
};

class Registration {
public:
    struct Setup {
        Account& account;
        SyncStore& store;
        core::Devices& devices;
        core::EventRing& events;
        TimerFactory timer;
        std::function<BoxInfo()> box;
        LaneMaker lanes;
        std::function<double()> random;  ///< [0, 1), for the jitter
    };
    explicit Registration(Setup setup);
    ~Registration();

    /// The network may be asked from now on: the local devices are there. Nothing is sent before.
    void begin();

    /// The address or the domain may have changed. (Devices are watched through the events.)
    void look_again();
    RegistrationStatus status() const;
    /// The channel to subscribe to; empty while none is known. `changed` comes after each change of status() too.
    const std::string& channel() const noexcept;
    core::Subscription on_change(std::function<void()> changed);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
