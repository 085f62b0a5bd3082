// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "actions/action_queue.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace backplane::core {

namespace {

ActionOutcome error(std::string code, std::string message) {
    ActionOutcome outcome;
    outcome.status = ActionOutcome::Status::error;
    outcome.code = std::move(code);
    outcome.message = std::move(message);
    return outcome;
}

std::string seconds(std::chrono::milliseconds time) {
    const auto tenths = (time.count() + 50) / 100;
    return std::to_string(tenths / 10) + (tenths % 10 ? "." + std::to_string(tenths % 10) : "") +
           " s";
}

}  // namespace

struct ActionQueue::Job {
    Job(boost::asio::io_context& loop, std::uint64_t number, ActionRequest what, ActionDone then)
        : id(number),
          request(std::move(what)),
          done(std::move(then)),
          timer(loop),
          deadline(std::chrono::steady_clock::now() + request.deadline) {}
    std::uint64_t id;
    ActionRequest request;
    ActionDone done;
    boost::asio::steady_timer timer;
    std::chrono::steady_clock::time_point deadline;
    bool over = false;
};

ActionQueue::ActionQueue(boost::asio::io_context& loop, Limits limits, std::uint64_t& next_id,
                         Dispatch dispatch, Cancel cancel, Ended ended)
    : loop_(loop),
      limits_(limits),
      next_id_(next_id),
      dispatch_(std::move(dispatch)),
      cancel_(std::move(cancel)),
      ended_(std::move(ended)) {}

ActionQueue::~ActionQueue() {
    ActionOutcome outcome = error("box.stopping", "the box is stopping");
    outcome.status = ActionOutcome::Status::disconnected;
    end_all(outcome);
}

void ActionQueue::push(ActionRequest request, ActionDone done) {
    auto answer = [this, done](ActionOutcome outcome) mutable {
        boost::asio::post(loop_, [done = std::move(done), outcome = std::move(outcome)]() mutable {
            done(std::move(outcome));
        });
    };
    if (const std::string& unique_id = request.unique_id; !unique_id.empty()) {
        if (const auto known = ids_.find(unique_id); known != ids_.end()) {
            ActionOutcome outcome = known->second ? *known->second : ActionOutcome{};
            outcome.status = ActionOutcome::Status::duplicate;
            outcome.device = request.device;
            outcome.message = known->second ? "this action was run before and is not run again"
                                            : "this action is being run already";
            answer(std::move(outcome));
            return;
        }
    }
    if (waiting_.size() >= limits_.waiting) {
        answer(
            error("action.queue_full",
                  request.device + " has " + std::to_string(waiting_.size()) +
                      " actions waiting and takes no more: try again when some of them are done"));
        return;
    }
    if (!request.unique_id.empty()) ids_.emplace(request.unique_id, nullptr);
    auto job = std::make_shared<Job>(loop_, ++next_id_, std::move(request), std::move(done));
    waiting_.push_back(job);
    arm(job, job->deadline, [this, job] {
        std::erase(waiting_, job);
        finish(job, error("action.timeout", "\"" + job->request.name + "\" on " +
                                                job->request.device + " could not begin within " +
                                                seconds(job->request.deadline) +
                                                ": the device was busy or not ready"));
    });
    pump();
}

void ActionQueue::open(bool concurrent) {
    open_ = true;
    concurrent_ = concurrent;
    pump();
}

void ActionQueue::hold() {
    open_ = false;
}

void ActionQueue::pump() {
    if (pumping_) return;  // dispatch_ may end an action at once, which comes back here
    pumping_ = true;
    const std::size_t most = concurrent_ ? limits_.concurrent : 1;
    while (open_ && !waiting_.empty() && running_.size() < most) {
        const JobPtr job = waiting_.front();
        waiting_.pop_front();
        running_.emplace(job->id, job);
        arm(job, job->deadline + limits_.grace, [this, job] {
            running_.erase(job->id);
            finish(job, error("action.timeout",
                              "\"" + job->request.name + "\" on " + job->request.device +
                                  " got no answer within " + seconds(job->request.deadline) +
                                  ": what it asked for may or may not have happened"));
            cancel_(job->id);
            pump();
        });
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            job->deadline - std::chrono::steady_clock::now());
        dispatch_(job->id, job->request, std::max(left, std::chrono::milliseconds{1}));
    }
    pumping_ = false;
}

void ActionQueue::arm(const JobPtr& job, std::chrono::steady_clock::time_point when,
                      std::function<void()> what) {
    job->timer.expires_at(when);
    job->timer.async_wait([job, what = std::move(what)](const boost::system::error_code& ec) {
        // A timer that had expired when it was cancelled still calls: `over` and the new expiry tell.
        if (ec || job->over || job->timer.expiry() > std::chrono::steady_clock::now()) return;
        what();
    });
}

void ActionQueue::ended(std::uint64_t id, ActionOutcome outcome) {
    const auto found = running_.find(id);
    if (found == running_.end()) return;
    const JobPtr job = found->second;
    running_.erase(found);
    finish(job, std::move(outcome));
    pump();
}

void ActionQueue::interrupt(const std::string& reason) {
    auto running = std::exchange(running_, {});
    for (auto& [id, job] : running) finish(job, error("driver.gone", reason));
}

void ActionQueue::end_all(const ActionOutcome& outcome) {
    auto waiting = std::exchange(waiting_, {});
    auto running = std::exchange(running_, {});
    for (auto& [id, job] : running) finish(job, outcome);
    for (auto& job : waiting) finish(job, outcome);
}

void ActionQueue::finish(const JobPtr& job, ActionOutcome outcome) {
    if (std::exchange(job->over, true)) return;
    job->timer.cancel();
    outcome.device = job->request.device;
    remember(job->request.unique_id, outcome);
    ended_(job->request, outcome);
    boost::asio::post(loop_, [job, outcome = std::move(outcome)]() mutable {
        if (job->done) std::exchange(job->done, nullptr)(std::move(outcome));
    });
}

void ActionQueue::remember(const std::string& unique_id, const ActionOutcome& outcome) {
    if (unique_id.empty()) return;
    if (outcome.status != ActionOutcome::Status::success) {
        ids_.erase(unique_id);  // so that a retry works
        return;
    }
    ids_[unique_id] = std::make_shared<const ActionOutcome>(outcome);
    ids_in_order_.push_back(unique_id);
    while (ids_in_order_.size() > limits_.remembered_ids) {
        ids_.erase(ids_in_order_.front());
        ids_in_order_.pop_front();
    }
}

}  // namespace backplane::core
