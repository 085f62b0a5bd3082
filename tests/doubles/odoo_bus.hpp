// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The notifications of the server's bus, and who gets which (protocol page, 4.2).
//
// Thread: any. They survive a restart of the server, as the database does.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace backplane::tests {

/// One line of what somebody listens to.
struct BusSubscription {
    std::vector<std::string> channels;
    std::int64_t last = 0;
};

class OdooBus {
public:
    /// `prefix` of the channels of boxes; every one of them gets what is sent to the channel "".
    explicit OdooBus(std::string prefix) : prefix_(std::move(prefix)) {}

    std::string channel_of(const std::string& identifier) const;
    /// From now on registration gives other channels, and nothing is sent on the old ones.
    void change_channels();
    bool is_for_box(const std::vector<std::string>& channels) const;

    std::int64_t add(std::string channel, boost::json::value message);
    std::int64_t newest() const;

    /// Where a subscription that asks for `last` begins: greater than the newest counts as 0, and 0 is what the last
    /// 50 s have brought.
    std::int64_t begin_of(std::int64_t last) const;
    /// What is newer than subscription.last, as the JSON list of a frame, and moves it on; empty when there is nothing.
    std::string next(BusSubscription& subscription) const;
    /// The same as values of {"id", "message"}.
    boost::json::array next_entries(BusSubscription& subscription) const;

    /// Moves the clock of the bus on.
    void pass(std::chrono::seconds time);

private:
    struct Entry {
        std::int64_t id = 0;
        std::chrono::steady_clock::time_point time;
        std::string channel;
        boost::json::value message;
    };
    std::chrono::steady_clock::time_point now() const {
        return std::chrono::steady_clock::now() + passed_;
    }
    std::string box_prefix() const { return prefix_ + std::to_string(generation_) + "-"; }

    mutable std::mutex mutex_;
    // guarded by mutex_
    std::string prefix_;
    int generation_ = 1;
    std::deque<Entry> entries_;
    // Not from 1: who takes 0 for "the beginning" and who takes it for "now" must differ.
    std::int64_t newest_ = 1000;
    std::chrono::seconds passed_{0};
};

}  // namespace backplane::tests
