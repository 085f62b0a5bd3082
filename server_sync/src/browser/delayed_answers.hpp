// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Answers that go out a moment later.
//
// Purpose: the browser client polls again at once after every answer that it can read; an answer
// that tells it nothing (an error, a replaced poll) would make it and the box spin. Bounded;
// whoever hangs up is forgotten at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "backplane/sync/browser.hpp"

namespace backplane::sync {

class DelayedAnswers : public std::enable_shared_from_this<DelayedAnswers> {
public:
    static constexpr std::chrono::milliseconds k_delay{1000};
    static constexpr std::size_t k_most = 1024;

    explicit DelayedAnswers(TimerFactory timer) : timer_(std::move(timer)) {}

    void send(const core::HttpExchangePtr& exchange, core::HttpResponse response);
    std::size_t size() const noexcept { return waiting_.size(); }

private:
    struct Entry {
        core::HttpExchangePtr exchange;
        core::HttpResponse response;
        core::Subscription timer;
    };
    void due(std::uint64_t number);

    TimerFactory timer_;
    std::unordered_map<std::uint64_t, Entry> waiting_;
    std::uint64_t last_ = 0;
};

}  // namespace backplane::sync
