// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Bytes of request bodies in memory, counted over all connections, so that many large requests at
// once cannot take all of it.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace backplane::core {

/// Bytes of request bodies in memory, of all connections together.
struct BodyBudget {
    std::size_t limit = 0;
    std::size_t used = 0;
};

/// One body's part of the budget.
class BodyLease {
public:
    explicit BodyLease(std::shared_ptr<BodyBudget> budget) noexcept : budget_(std::move(budget)) {}
    BodyLease(const BodyLease&) = delete;
    BodyLease& operator=(const BodyLease&) = delete;
    ~BodyLease() { budget_->used -= held_; }

    bool grow_to(std::size_t bytes) noexcept {
        if (bytes <= held_) return true;
        if (bytes - held_ > available()) return false;
        budget_->used += bytes - held_;
        held_ = bytes;
        return true;
    }
    std::size_t available() const noexcept {
        return budget_->limit > budget_->used ? budget_->limit - budget_->used : 0;
    }

private:
    std::shared_ptr<BodyBudget> budget_;  // shared with the server, which an exchange may outlive
    std::size_t held_ = 0;
};

}  // namespace backplane::core
