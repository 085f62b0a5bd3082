// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/delayed_answers.hpp"

#include "browser/guarded.hpp"

namespace backplane::sync {

void DelayedAnswers::send(const core::HttpExchangePtr& exchange, core::HttpResponse response) {
    if (waiting_.size() >= k_most) {  // better too early than never
        exchange->respond(std::move(response));
        return;
    }
    const auto number = ++last_;
    auto& entry = waiting_[number];
    entry.exchange = exchange;
    entry.response = std::move(response);
    entry.timer = timer_(k_delay, guarded("delayed answer", [this, number] { due(number); }));
    exchange->on_gone(guarded("client gone", [weak = weak_from_this(), number] {
        if (const auto self = weak.lock()) self->waiting_.erase(number);
    }));
}

void DelayedAnswers::due(std::uint64_t number) {
    const auto node = waiting_.extract(number);
    if (node.empty()) return;
    node.mapped().exchange->respond(std::move(node.mapped().response));
}

}  // namespace backplane::sync
