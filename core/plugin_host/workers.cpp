// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "workers.hpp"

#include <boost/asio/post.hpp>

#include <system_error>

namespace backplane::core::host {
namespace {
constexpr std::size_t k_most_pending = 16;
}

WorkerPool::~WorkerPool() {
    {
        const std::lock_guard lock{mutex_};
        ending_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
}

bool WorkerPool::submit(std::function<void()> work) {
    const std::lock_guard lock{mutex_};
    if (idle_ <= waiting_.size() && threads_.size() < most_) {
        try {
            threads_.emplace_back([this] { run(); });
        } catch (const std::system_error&) {
            if (threads_.empty()) return false;  // otherwise those that there are do it later
        }
    }
    waiting_.push_back(std::move(work));
    changed_.notify_one();
    return true;
}

void WorkerPool::run() {
    std::unique_lock lock{mutex_};
    for (;;) {
        ++idle_;
        changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        --idle_;
        if (waiting_.empty()) return;
        auto work = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        work();
        work = nullptr;
        lock.lock();
    }
}

bp_status Works::submit(bp_work_fn work, bp_work_done_fn done, void* user) {
    if (work == nullptr || done == nullptr) return BP_E_INVALID;
    if (pending_ >= k_most_pending) return BP_E_NO_SPACE;
    const bool taken = pool_.submit([self = shared_from_this(), work, done, user]() mutable {
        try {
            work(user);
        } catch (...) {
            self->context_.link.fault(self->instance_,
                                      "let an exception through the C boundary in its work");
        }
        auto& loop = self->context_.loop;
        // Moved, so that the last owner lets go on the driver thread.
        boost::asio::post(loop,
                          [self = std::move(self), done, user] { self->finished(done, user); });
    });
    if (!taken) return BP_E_NO_SPACE;
    ++pending_;
    return BP_OK;
}

void Works::finished(bp_work_done_fn done, void* user) {
    call_plugin(context_, ipc::PluginCall::work_done, instance_, [&] { done(user); });
    --pending_;
    if (pending_ == 0 && on_idle_) on_idle_();
}

}  // namespace backplane::core::host
