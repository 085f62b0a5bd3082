// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Tells the server until when the certificate of this box is good (protocol page, 3.5).
//
// Once for each date and server, also over a restart; again and again, with longer and longer pauses, while that fails.
// A server that does not know the route is not asked again. Owner: the keeper. Thread: the main loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backplane/core/subscription.hpp"
#include "backplane/sync/browser.hpp"
#include "server/account.hpp"
#include "server/requests.hpp"
#include "store/sync_store.hpp"

namespace backplane::sync {

class EndDateReport {
public:
    EndDateReport(Account& account, SyncStore& store, std::unique_ptr<Requests> lane,
                  TimerFactory timer, std::function<BoxInfo()> box);
    ~EndDateReport();

    /// "2026-01-31 12:00:00" (UTC); empty: there is nothing to tell.
    void tell(const std::string& date);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
