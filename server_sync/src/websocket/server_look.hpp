// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Is the server there? A cheap question, again and again, while the box is not connected.
//
// GET /websocket/health (protocol page, 4.5b) in a lane of its own. Each look ends after 2 s: then a
// server which swallows everything gets a new first packet each second, and is seen within one when
// it comes back. Thread: the main loop's.
#pragma once

#include <functional>
#include <memory>

#include "backplane/sync/browser.hpp"
#include "server/account.hpp"
#include "server/requests.hpp"

namespace backplane::sync {

class ServerLook {
public:
    struct Setup {
        Account& account;
        TimerFactory timer;
        LaneMaker lanes;
        /// After each look: does the server answer plain requests?
        std::function<void(bool is_there)> seen;
    };
    explicit ServerLook(Setup setup);
    ~ServerLook();

    /// First after this time, then each second (5 s after a look that was answered), until stop().
    /// When it runs already, only an earlier time counts.
    void begin(std::chrono::milliseconds after);
    void stop();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
