// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The update engine on a thread of its own: it waits for the disk, and the main loop must not.
//
// Calls run one after the other in the order of run(); what the engine knows is copied after each of them, so that lists
// are answered without asking it. Owner: the updater. Failure: an engine that could not be opened answers every call
// with the reason.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "backplane/core/result.hpp"
#include "update/alive.hpp"
#include "update/update_engine.hpp"

namespace backplane::core {

class EngineWorker {
public:
    struct Facts {
        std::vector<PluginRecord> plugins;
        std::vector<std::string> warnings;
    };

    EngineWorker(boost::asio::io_context& loop, Result<std::unique_ptr<UpdateEngine>> engine)
        : loop_(loop) {
        if (engine) {
            engine_ = std::move(*engine);
            facts_ = look(*engine_);
        } else {
            problem_ = std::move(engine).error();
        }
    }
    /// Waits for the call that runs; those behind it are dropped.
    ~EngineWorker() {
        pool_.stop();
        pool_.join();
    }
    EngineWorker(const EngineWorker&) = delete;
    EngineWorker& operator=(const EngineWorker&) = delete;

    bool usable() const noexcept { return engine_ != nullptr; }
    const Error& problem() const noexcept { return problem_; }
    /// For the start of the box, before the first run(): blocks.
    template <typename Job>
    auto now(Job job) -> std::invoke_result_t<Job, UpdateEngine&> {
        if (!engine_) return failure(problem_.code, problem_.text);
        auto result = guarded(*engine_, job);
        facts_ = look(*engine_);
        return result;
    }
    /// No engine from now on. Before the first run() only.
    void give_up(Error problem) {
        engine_.reset();
        problem_ = std::move(problem);
        facts_ = {};
    }

    const Facts& facts() const noexcept { return facts_; }
    /// Called on the main loop whenever facts() may have changed.
    void on_facts(std::function<void()> changed) { changed_ = std::move(changed); }

    /// `job` takes the engine and returns a Result; `then` gets it on the main loop.
    template <typename Job, typename Then>
    void run(Job job, Then then) {
        using Outcome = std::invoke_result_t<Job, UpdateEngine&>;
        if (!engine_) {
            boost::asio::post(loop_, alive_.guard([this, then = std::move(then)]() mutable {
                then(Outcome(failure(problem_.code, problem_.text)));
            }));
            return;
        }
        auto deliver =
            alive_.guard([this, then = std::move(then)](Outcome outcome, Facts facts) mutable {
                facts_ = std::move(facts);
                if (changed_) changed_();
                then(std::move(outcome));
            });
        boost::asio::post(pool_, [&loop = loop_, engine = engine_.get(), job = std::move(job),
                                  deliver = std::move(deliver),
                                  busy = boost::asio::make_work_guard(loop_)]() mutable {
            Outcome outcome = guarded(*engine, job);
            boost::asio::post(loop, [deliver = std::move(deliver), outcome = std::move(outcome),
                                     facts = look(*engine)]() mutable {
                deliver(std::move(outcome), std::move(facts));
            });
        });
    }

private:
    /// No exception leaves the thread.
    template <typename Job>
    static auto guarded(UpdateEngine& engine, Job& job)
        -> std::invoke_result_t<Job, UpdateEngine&> {
        try {
            return job(engine);
        } catch (const std::exception& problem) {
            return failure("update.state",
                           "the update was ended by an error that nobody expected: " +
                               std::string(problem.what()) +
                               ": try again, and report it if it stays");
        }
    }
    static Facts look(const UpdateEngine& engine) {
        try {
            return {engine.plugins(), engine.warnings()};
        } catch (const std::exception&) {
            return {};
        }
    }

    boost::asio::io_context& loop_;
    std::unique_ptr<UpdateEngine> engine_;
    Error problem_;
    Facts facts_;
    std::function<void()> changed_;
    Alive alive_;
    boost::asio::thread_pool pool_{1};  // last: ends before what its calls use
};

}  // namespace backplane::core
