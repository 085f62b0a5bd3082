// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How a box and a database find each other: by a code from the pairing service, or by a token (protocol page, 3.1, 3.2).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backplane/core/result.hpp"
#include "backplane/core/subscription.hpp"
#include "backplane/sync/browser.hpp"
#include "server/account.hpp"
#include "server/requests.hpp"

namespace backplane::sync {

struct PairingStatus {
    /// "paired"; "code" (shown, waiting to be typed into Odoo); "asking" (for a code); "expired" (a new one is asked for
    /// soon); "no_network"; "no_service" (the pairing service does not answer); "off" (no service is configured)
    std::string state;
    std::string code;  ///< only in state "code"
    std::string
        reason;  ///< why it is not paired yet, and what to do: one or two sentences; empty when paired
    double since = 0, code_until = 0;  ///< Unix time
    std::string last_error;            ///< of the last attempt by token, until the next one
};

/// Purpose: the state machine of both ways. Owner: the link. Thread: the main loop's; nothing is called inside of the call
/// that asks for it, nor after the destruction. Failure: a state with its reason; it goes on by itself.
class Pairing {
public:
    using Done = std::function<void(core::Result<void>)>;
    struct Setup {
        Account& account;
        TimerFactory timer;
        std::function<BoxInfo()> box;  ///< ip empty: no network
        LaneMaker lanes;
        std::string proxy;  ///< "https://iot-proxy.odoo.com"; empty: no codes
        std::function<double()> now;
        std::function<double()> random = {};  ///< [0, 1), for the jitter; empty: its own
    };
    explicit Pairing(Setup setup);
    ~Pairing();

    /// At any time, also while a code waits or when paired with another database, and without any network.
    /// Done when durable: with this answer the box is paired. Whether the server takes it is told by registration.
    void pair_with_token(std::string_view token, Done done);
    /// Throws the code away and asks for a new one now; done when the question is on its way. Errors: "pairing.paired",
    /// "pairing.off", "pairing.no_network".
    void new_code(Done done);
    void unpair(Done done);

    PairingStatus status() const;
    core::Subscription on_change(std::function<void()> changed);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
