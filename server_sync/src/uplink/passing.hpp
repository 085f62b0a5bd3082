// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Events that matter now or never: weights, keys, states. Shared with the ring, bounded, counted when they go unsent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "backplane/core/event_ring.hpp"

namespace backplane::sync {

class Passing {
public:
    Passing(std::size_t most, std::size_t most_bytes, std::chrono::milliseconds age)
        : most_(most), most_bytes_(most_bytes), age_(age) {}

    void push(const core::EventPtr& event);
    /// Drops what is at least as old as this event of the ring.
    void drop_until(core::EventSeq seq);
    core::EventPtr pop();
    void clear();

    bool empty() const noexcept { return items_.empty(); }
    std::size_t size() const noexcept { return items_.size(); }
    std::size_t bytes() const noexcept { return bytes_; }
    const std::map<std::string, std::uint64_t>& dropped() const noexcept { return dropped_; }
    void count_dropped(const core::Event& event);

private:
    struct Item {
        core::EventPtr event;
        std::size_t bytes;
    };
    void drop_first();

    const std::size_t most_, most_bytes_;
    const std::chrono::milliseconds age_;
    std::deque<Item> items_;
    std::size_t bytes_ = 0;
    std::map<std::string, std::uint64_t> dropped_;
};

}  // namespace backplane::sync
