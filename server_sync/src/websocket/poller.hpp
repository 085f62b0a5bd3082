// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The bus without a WebSocket: POST /websocket/peek_notifications (protocol page, 4.5b).
//
// One question after the other: the next is asked a pause after everything of the one before is
// durable. The pause is 1 s, and grows to 3 s when nothing came for long. The session cookie that
// the server sets is kept between the questions. Thread: the main loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "backplane/sync/browser.hpp"
#include "server/account.hpp"
#include "server/requests.hpp"

namespace backplane::sync {

class Poller {
public:
    struct Setup {
        Account& account;
        TimerFactory timer;
        Requests& lane;  ///< outlives this object
        std::function<double()> random;
        std::function<std::int64_t()> last_id;
        /// The list of an answer. `history`: of a box that did not say where it was. next() is to
        /// follow when it is durable.
        std::function<void(std::string list, bool history)> answered;
        /// No answer that can be used. It goes on by itself after `pause`; `code` as in Requests,
        /// "bus.session", "bus.refused", "bus.not_an_answer" or "bus.status".
        std::function<void(const core::Error& why, std::chrono::milliseconds pause)> failed;
    };
    explicit Poller(Setup setup);
    ~Poller();

    void begin(std::string channel, std::string session);
    /// All of the last answer is durable. `is_empty`: there was nothing in it; `at_once`: there is
    /// more.
    void next(bool is_empty, bool at_once);
    /// Asks now instead of after the pause that follows a failure.
    void hurry();
    void stop();
    bool is_running() const noexcept;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
