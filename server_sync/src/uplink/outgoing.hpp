// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Bodies of requests that must reach the server: in order, on the disk, bounded.
//
// Owner: the uplink. Thread: the main loop's. What is pushed is on its way to the disk at once, before whatever its sender
// writes next: an answer is not lost between the two. While the disk is slow (64 writes under way), one write takes along
// all that has come meanwhile, and what has gone by then never touches it. A body stays in memory until it is written,
// then only those of the first few stay. A disk that fails costs the durability, not the sending.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backplane/sync/browser.hpp"
#include "store/sync_store.hpp"

namespace backplane::sync {

class Outgoing : public std::enable_shared_from_this<Outgoing> {
public:
    using Body = std::shared_ptr<const std::string>;

    Outgoing(SyncStore& store, TimerFactory timer, std::size_t most, std::size_t most_bytes);

    /// What a former life has left. Blocks: for the start only.
    void load();

    /// Returns how many of the oldest had to go for it.
    std::size_t push(std::string body);

    bool empty() const noexcept { return items_.empty(); }
    std::size_t size() const noexcept { return items_.size(); }
    std::size_t bytes() const noexcept { return bytes_; }
    std::int64_t first() const noexcept { return items_.front().number; }

    /// The first one's body, at once or later; `ready` is called when it can be asked again. Empty text: it is lost.
    std::optional<Body> body(std::function<void()> ready);
    /// It is not to be sent any more; nothing happens when it has gone already.
    void remove(std::int64_t number);

    /// Of another server. The disk forgets by itself (SyncStore::forget_server).
    void forget();

private:
    struct Item {
        std::int64_t number;
        std::size_t bytes;
        Body body;  ///< null: on the disk
        bool saved;
    };
    static constexpr std::size_t k_in_memory = 16;
    static constexpr std::size_t k_body_in_memory = 256u << 10;

    std::deque<Item>::iterator find(std::int64_t number);
    void erase(std::deque<Item>::iterator item);
    void flush();
    void flushed(const std::vector<std::int64_t>& inserted, std::vector<std::int64_t> erased,
                 const core::Result<void>& result);

    SyncStore& store_;
    TimerFactory timer_;
    const std::size_t most_, most_bytes_;
    std::deque<Item> items_;  // by number
    std::size_t bytes_ = 0;
    std::int64_t next_ = 1;
    std::int64_t last_queued_ = 0;        // up to here they are on the disk or on their way
    std::vector<std::int64_t> to_erase_;  // from the disk
    unsigned writes_ = 0;                 // under way
    bool reading_ = false;
    std::uint64_t epoch_ = 0;
    core::Subscription again_, read_again_;
};

}  // namespace backplane::sync
