// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Frames between the connection and the box: handed over one after the other, the next only when
// the one before is written down.
//
// What the box cannot write down it does not take: the queue is bounded, and who fills it has to
// close the connection. The server has everything that was not durable, and sends it again. Thread:
// the main loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backplane/sync/browser.hpp"
#include "websocket/notification.hpp"

namespace backplane::sync {

class Intake {
public:
    struct Setup {
        std::function<void(std::vector<Notification>, std::function<void()> durable)> take;
        TimerFactory timer;
        /// All that was added is durable. `cut`: the last frame had more than the box takes at once;
        /// the rest must be asked for again, and what was added after it was dropped.
        std::function<void(bool cut)> emptied;
        /// Something could not be made durable in time; all is dropped.
        std::function<void()> stuck;
    };
    static constexpr std::size_t k_frames = 64, k_bytes = 32u << 20;
    static constexpr std::chrono::seconds k_patience{30};

    explicit Intake(Setup setup);
    ~Intake();

    /// False: there was no room, and all that waits was dropped.
    bool add(std::string frame, bool history);
    /// Forgets what waits; what was handed over stays under way.
    void drop();
    /// Something was handed over and is not durable yet.
    bool is_busy() const noexcept;

    std::uint64_t notifications() const noexcept;
    std::uint64_t odd() const noexcept;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
