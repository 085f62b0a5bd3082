// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Calls back soon: after the present call has returned, and not after its own end. What is given a callback uses this to
// answer, so that the caller is never entered again in the middle of its own work.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "backplane/sync/browser.hpp"
#include "browser/guarded.hpp"

namespace backplane::sync {

class Later {
public:
    explicit Later(TimerFactory timer) : timer_(std::move(timer)) {}

    void operator()(std::function<void()> call) {
        const auto number = ++calls_->last;
        auto subscription =
            timer_(std::chrono::milliseconds{0}, [weak = std::weak_ptr(calls_), number, call] {
                const auto calls = weak.lock();
                if (!calls) return;
                const auto self =
                    calls->waiting.extract(number);  // lives until the end of the call
                guarded("later", call)();
            });
        calls_->waiting.emplace(number, std::move(subscription));
    }

private:
    struct Calls {
        std::map<std::uint64_t, core::Subscription> waiting;
        std::uint64_t last = 0;
    };
    TimerFactory timer_;
    std::shared_ptr<Calls> calls_ = std::make_shared<Calls>();  ///< the only owner; calls are weak
};

}  // namespace backplane::sync
