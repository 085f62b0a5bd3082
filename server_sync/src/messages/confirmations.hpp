// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the server may ask for only with the consent of somebody at the box: a move to another domain, remote help.
//
// A request waits 15 minutes for an answer from the homepage, the API on the box, or the CLI. At most 8 wait.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backplane/core/result.hpp"
#include "backplane/core/subscription.hpp"
#include "backplane/sync/browser.hpp"

namespace backplane::sync {

struct ConfirmationRequest {
    std::string id;  ///< of this request: 16 hex digits
    std::string
        kind;  ///< "server_update", "remote_debug"; a second one of a kind replaces the first
    std::string text;             ///< for people: who wants what, and what it would mean
    double asked = 0, until = 0;  ///< Unix time
};

class Confirmations {
public:
    Confirmations(TimerFactory timer, std::function<double()> now);
    ~Confirmations();

    /// `answered` once, never inside of ask() or answer(), nor after the destruction: allowed, or not (also when nobody
    /// answered in time, when it was replaced, or when too many wait).
    void ask(std::string kind, std::string text, std::function<void(bool allowed)> answered);
    std::vector<ConfirmationRequest> waiting() const;
    /// Error "confirmation.unknown".
    core::Result<void> answer(const std::string& id, bool allowed);
    core::Subscription on_change(std::function<void()> changed);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
