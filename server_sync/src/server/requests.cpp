// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The main loop's half of a lane: the queue, the deadlines, and the thread that talks.
#include "server/requests.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <strings.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "browser/guarded.hpp"
#include "server/conversation.hpp"
#include "server/line.hpp"
#include "server/net_errors.hpp"
#include "server/worker_thread.hpp"

namespace backplane::sync {

using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;
using Answered = core::Result<ServerAnswer>;

// So often somebody looks at a request that is under way. What floods the box is seen within this time, and a deadline
// is kept to it.
constexpr auto k_look = 50ms;
// A worker that is on its way into a system call misses a cut; it is repeated.
constexpr auto k_cut_again = 20ms;
/// Head of the answer, and what TLS and chunks add to its body: never as much as this.
constexpr std::uint64_t k_wire_overhead = 1024 * 1024;

struct Job {
    ServerRequest request;
    Requests::Done done;  ///< main loop's; empty when nobody waits any more
    std::stop_source stop{};
    Clock::time_point deadline{};
};
using JobPtr = std::shared_ptr<Job>;

/// Where the main loop lays a job down for the worker. Two owners: both of them.
class Desk {
public:
    /// False when the worker has left.
    bool lay(JobPtr job) {
        const std::lock_guard lock(mutex_);
        if (left_) return false;
        job_ = std::move(job);
        changed_.notify_all();
        return true;
    }
    void quit() {
        const std::lock_guard lock(mutex_);
        quit_ = true;
        changed_.notify_all();
    }
    /// The worker's. Null: nobody wants anything any more, it must go.
    JobPtr take(std::chrono::milliseconds patience) {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, patience, [this] { return job_ || quit_; });
        if (quit_ || !job_) {
            left_ = true;
            return nullptr;
        }
        return std::exchange(job_, nullptr);
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    JobPtr job_;
    bool quit_ = false;
    bool left_ = false;
};

Answered ask(Conversation& conversation, const Job& job) noexcept {
    try {
        return conversation.ask(job.request, job.stop.get_token());
    } catch (const std::exception& error) {
        return core::failure("net.closed", "a request to a server failed in the box itself (" +
                                               std::string(error.what()) + "): try again");
    }
}

class LaneState : public std::enable_shared_from_this<LaneState> {
public:
    LaneState(boost::asio::io_context& loop, LaneOptions options)
        : loop_(loop), options_(std::move(options)), timer_(loop) {}
    ~LaneState() { stop(); }
    LaneState(const LaneState&) = delete;
    LaneState& operator=(const LaneState&) = delete;

    core::Subscription send(ServerRequest request, Requests::Done done) {
        auto job = std::make_shared<Job>(Job{std::move(request), std::move(done)});
        if (waiting_.size() >= options_.queue) {
            boost::asio::post(loop_, [weak = weak_from_this(), job, most = options_.queue] {
                if (weak.lock()) tell(*job, refuse_queue_full(job->request.url, most));
            });
        } else {
            waiting_.push_back(job);
            start_next();
        }
        return core::Subscription([weak = weak_from_this(), job] {
            job->done = nullptr;
            if (const auto self = weak.lock()) self->give_up(job);
        });
    }

    /// Ends everything without a word; waits for the worker, which is cut off.
    void stop() noexcept {
        stopped_ = true;
        waiting_.clear();
        if (running_) running_->stop.request_stop();
        running_ = nullptr;
        timer_.cancel();
        end_worker();
    }

private:
    static void tell(Job& job, Answered answered) {
        if (auto done = std::exchange(job.done, nullptr))
            guarded("server request", std::move(done))(std::move(answered));
    }

    void give_up(const JobPtr& job) {
        if (running_ != job) {
            std::erase(waiting_, job);
            return;
        }
        cut(Line::Cut::owner);
        look_after(k_cut_again);
    }

    void cut(Line::Cut why) {
        running_->stop.request_stop();
        line_->cut(why);
    }

    void start_next() {
        if (stopped_ || running_ || waiting_.empty()) return;
        running_ = std::move(waiting_.front());
        waiting_.pop_front();
        running_->deadline = Clock::now() + running_->request.total;
        if (line_) line_->begin();
        if (!desk_ || !desk_->lay(running_)) start_worker();
        look_after(std::min<Clock::duration>(k_look, running_->request.total));
    }

    void start_worker() {
        if (worker_.joinable()) worker_.join();  // it has left
        desk_ = std::make_shared<Desk>();
        line_ = std::make_shared<Line>();
        desk_->lay(running_);
        worker_ = std::thread([&loop = loop_, weak = weak_from_this(), desk = desk_, line = line_,
                               options = options_] {
            begin_worker_thread(options.name);
            talk(loop, weak, *desk, *line, options);
            // Also when it was sent away before it took what was laid down.
            line->finish();
        });
    }

    static void talk(boost::asio::io_context& loop, const std::weak_ptr<LaneState>& weak,
                     Desk& desk, Line& line, const LaneOptions& options) {
        Conversation conversation(options, line);
        while (const JobPtr job = desk.take(options.idle)) {
            auto answered = std::make_shared<Answered>(ask(conversation, *job));
            // Before the news of it, after which the next request may begin.
            line.rest();
            boost::asio::post(loop, [weak, job, answered] {
                if (const auto self = weak.lock()) self->end(job, std::move(*answered));
            });
        }
    }

    void end_worker() noexcept {
        if (!worker_.joinable()) return;
        desk_->quit();
        do line_->cut(Line::Cut::owner);
        while (!line_->wait_finished(k_cut_again));
        worker_.join();
    }

    void look_after(Clock::duration pause) {
        timer_.expires_after(pause);
        timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
            if (const auto self = weak.lock(); self && !error) self->look();
        });
    }

    void look() {
        if (!running_) return;
        const ServerRequest& request = running_->request;
        const auto now = Clock::now();
        // The limit of the body does not see a head without end.
        const std::uint64_t most =
            request.answer_bytes + request.answer_bytes / 4 + k_wire_overhead;
        if (line_->wire_bytes() > most) cut(Line::Cut::flood);
        if (now >= running_->deadline) cut(Line::Cut::total);
        if (line_->why() != Line::Cut::none) {
            cut(line_->why());
            return look_after(k_cut_again);
        }
        look_after(std::min<Clock::duration>(k_look, running_->deadline - now));
    }

    void end(const JobPtr& job, Answered answered) {
        if (stopped_ || running_ != job) return;
        running_ = nullptr;
        timer_.cancel();
        // Who is told may ask again, or destroy the lane.
        tell(*job, std::move(answered));
        start_next();
    }

    boost::asio::io_context& loop_;
    const LaneOptions options_;
    boost::asio::steady_timer timer_;
    bool stopped_ = false;
    std::deque<JobPtr> waiting_;
    JobPtr running_;
    std::shared_ptr<Line> line_;  ///< of the worker, the other owner
    std::shared_ptr<Desk> desk_;
    std::thread worker_;
};

class Lane final : public Requests {
public:
    Lane(boost::asio::io_context& loop, LaneOptions options)
        : state_(std::make_shared<LaneState>(loop, std::move(options))) {}
    ~Lane() override { state_->stop(); }
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    core::Subscription send(ServerRequest request, Done done) override {
        return state_->send(std::move(request), std::move(done));
    }

private:
    std::shared_ptr<LaneState> state_;  ///< the only owner; what waits in the loop holds weak ones
};

}  // namespace

std::string_view ServerAnswer::header(std::string_view name) const noexcept {
    for (const auto& [key, value] : headers)
        if (key.size() == name.size() && ::strncasecmp(key.data(), name.data(), name.size()) == 0)
            return value;
    return {};
}

std::unique_ptr<Requests> make_lane(boost::asio::io_context& loop, LaneOptions options) {
    return std::make_unique<Lane>(loop, std::move(options));
}

}  // namespace backplane::sync
