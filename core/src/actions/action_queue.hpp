// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The queue of actions of one device: in order, each with a deadline, each ended exactly once.
//
// Purpose: devices never wait for one another, and whoever asked gets one answer whatever happens to the driver. Thread:
// the main loop's. Bounds: Limits. Nothing is repeated by itself: an action that had begun when its driver died has
// failed, since nobody knows how far it got.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "backplane/core/devices.hpp"

namespace backplane::core {

class ActionQueue {
public:
    struct Limits {
        std::size_t waiting = 64;          ///< beyond: refused with action.queue_full
        std::size_t remembered_ids = 256;  ///< unique ids whose outcome is kept
        std::size_t concurrent = 16;  ///< running at once where the driver allows more than one
        std::chrono::milliseconds grace{
            2'000};  ///< beyond the deadline for the driver's own answer
    };
    /// Hands a request to the driver. Whatever comes of it is told through ended().
    using Dispatch = std::function<void(std::uint64_t id, const ActionRequest& request,
                                        std::chrono::milliseconds time_left)>;
    using Cancel = std::function<void(std::uint64_t id)>;
    /// Each accepted action that has ended (duplicates have not been accepted again).
    using Ended = std::function<void(const ActionRequest& request, const ActionOutcome& outcome)>;

    ActionQueue(boost::asio::io_context& loop, Limits limits, std::uint64_t& next_id,
                Dispatch dispatch, Cancel cancel, Ended ended);
    ~ActionQueue();

    void push(ActionRequest request, ActionDone done);

    /// While open, actions go to the driver; otherwise they wait, at most until their deadline.
    void open(bool concurrent);
    void hold();

    /// The driver's answer. An id that has ended before is ignored.
    void ended(std::uint64_t id, ActionOutcome outcome);

    /// The driver died: what had begun fails with this reason, what waits goes on waiting.
    void interrupt(const std::string& reason);
    /// The device has gone or nobody serves it: everything ends with this outcome's status, code and message.
    void end_all(const ActionOutcome& outcome);

    std::size_t waiting() const noexcept { return waiting_.size(); }
    std::size_t running() const noexcept { return running_.size(); }

private:
    struct Job;
    using JobPtr = std::shared_ptr<Job>;
    void pump();
    void finish(const JobPtr& job, ActionOutcome outcome);
    void arm(const JobPtr& job, std::chrono::steady_clock::time_point when,
             std::function<void()> what);
    void remember(const std::string& unique_id, const ActionOutcome& outcome);

    boost::asio::io_context& loop_;
    Limits limits_;
    std::uint64_t& next_id_;
    Dispatch dispatch_;
    Cancel cancel_;
    Ended ended_;
    bool open_ = false;
    bool concurrent_ = false;
    bool pumping_ = false;
    std::deque<JobPtr> waiting_;
    std::map<std::uint64_t, JobPtr> running_;
    // Unique ids: of actions that have not ended (null) and of those that succeeded (their outcome), oldest first.
    std::unordered_map<std::string, std::shared_ptr<const ActionOutcome>> ids_;
    std::deque<std::string> ids_in_order_;
};

}  // namespace backplane::core
