// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// backplane.worker/1: a few threads for what blocks, started when the first work comes.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "context.hpp"

namespace backplane::core::host {

/// The threads of the process. Its destructor waits for running work; the program itself ends
/// without it.
class WorkerPool {
public:
    explicit WorkerPool(std::size_t most_threads = 8) : most_(most_threads) {}
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    ~WorkerPool();

    /// False when the system gives us no thread at all.
    bool submit(std::function<void()> work);

private:
    void run();

    const std::size_t most_;
    std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    std::deque<std::function<void()>> waiting_;
    std::size_t idle_ = 0;
    bool ending_ = false;
    std::vector<std::thread> threads_;
};

/// The work of one instance. Thread: the driver thread.
class Works : public std::enable_shared_from_this<Works> {
public:
    Works(Context& context, WorkerPool& pool, std::uint64_t instance, std::function<void()> on_idle)
        : context_(context), pool_(pool), instance_(instance), on_idle_(std::move(on_idle)) {}

    bp_status submit(bp_work_fn work, bp_work_done_fn done, void* user);
    std::size_t pending() const noexcept { return pending_; }

private:
    void finished(bp_work_done_fn done, void* user);

    Context& context_;
    WorkerPool& pool_;
    const std::uint64_t instance_;
    std::function<void()> on_idle_;
    std::size_t pending_ = 0;
};

}  // namespace backplane::core::host
