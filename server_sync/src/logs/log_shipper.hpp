// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Logs on their way to the server: POST /iot/log (protocol page, 3.6).
//
// Every 0.5 s at most 50 records; 1,000 wait at most, what does not fit is counted. They wait in the log itself, so a
// server that is away costs no memory; it is not asked more often than every 30 s. Own records and those of polling are
// left out. Records from before the pairing, or of a time when sending was off, are not sent; those since the start of
// the box are, when it was paired then. A batch whose answer was lost is sent again: the server may see it twice.
//
// Owner: the link. Thread: the main loop's. Failure: a status.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "backplane/sync/browser.hpp"
#include "server/account.hpp"
#include "server/requests.hpp"
#include "store/sync_store.hpp"

namespace backplane::sync {

struct LogShipperStatus {
    bool on = true;
    std::uint64_t sent = 0, dropped = 0;
    std::string reason;  ///< why nothing goes out, for people
};

class LogShipper {
public:
    struct Setup {
        Account& account;
        SyncStore& store;
        TimerFactory timer;
        std::function<std::string()> identifier;
        LaneMaker lanes;
        bool on_by_default = true;
        /// Runs it on the main loop, soon; callable from any thread. With it nothing wakes up while nothing is logged;
        /// without it the log is looked at every 0.5 s.
        std::function<void(std::function<void()>)> post{};
    };
    explicit LogShipper(Setup setup);
    ~LogShipper();
    void switch_on(bool on);  ///< remembered
    LogShipperStatus status() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
