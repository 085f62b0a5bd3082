// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The log without its place in the process: levels, bounds, redaction, repeats and the ring.
// log.hpp speaks to one LogBook for the whole process; tests make their own, with their own clock.
//
// Thread: any. Failure: out of memory costs the record.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/log.hpp"

namespace backplane::core {

class LogBook {
public:
    struct Limits {
        std::size_t records = 5'000;
        std::size_t bytes =
            8u << 20;  ///< of all kept records: 5,000 of the longest would be far more
        std::size_t value_bytes = 4u << 10;
        std::size_t name_bytes = 128;  ///< component, event, name of a field
        std::size_t fields = 32;
        std::size_t component_levels = 1'000;
        std::size_t watched_repeats = 64;
        std::chrono::milliseconds repeat_window{1'000};
    };
    using Now = std::function<std::chrono::steady_clock::time_point()>;
    /// Called under the lock, in the order of seq. Must not log and must not throw.
    using Sink = std::function<void(const LogRecord&)>;

    LogBook() : LogBook(Limits{}, &std::chrono::steady_clock::now) {}
    LogBook(Limits limits, Now now) : limits_(limits), now_(std::move(now)) {}

    bool enabled(LogLevel level, std::string_view component) const noexcept;
    LogLevel level(std::string_view component) const noexcept;
    void set_level(LogLevel level);
    void set_level(std::string_view component, LogLevel level);
    /// The component follows the default again.
    void clear_level(std::string_view component);

    /// Does not look at the level. The same record (level, component, event, fields) again within
    /// the window is counted only; the count is written as field "repeated" once the window is over
    /// and anything is written or read.
    void write(LogLevel level, std::string_view component, std::string_view event,
               LogFields fields);

    /// Writes the counts of all repeats now, whether or not their window is over.
    void flush_repeats();

    std::vector<LogRecord> recent(std::uint64_t after, std::size_t most);
    /// As recent(), but the oldest of them.
    std::vector<LogRecord> next(std::uint64_t after, std::size_t most);
    std::uint64_t last_seq();
    /// Called as the sink is. Ends before the book does, and not inside of the call.
    Subscription on_record(std::function<void()> kept);

    void set_sink(Sink sink);

private:
    struct Repeat {
        std::size_t hash = 0;
        std::chrono::steady_clock::time_point first{};
        LogRecord record;
        std::uint64_t suppressed = 0;
    };

    LogRecord bounded(LogLevel level, std::string_view component, std::string_view event,
                      LogFields fields) const;
    // These are called with mutex_ held.
    void keep(LogRecord record);
    void end_repeat(Repeat repeat);
    void end_repeats_before(std::chrono::steady_clock::time_point oldest);
    void update_highest_level();
    std::deque<LogRecord>::const_iterator first_after(std::uint64_t seq) const;

    const Limits limits_;
    const Now now_;

    // Read on each call of log_enabled(), so that a record that is off costs two loads.
    std::atomic<int> default_level_{static_cast<int>(LogLevel::info)};
    std::atomic<int> highest_level_{static_cast<int>(LogLevel::info)};
    std::atomic<bool> has_component_levels_{false};
    mutable std::shared_mutex levels_mutex_;
    std::map<std::string, LogLevel, std::less<>> component_levels_;  // guarded by levels_mutex_

    std::mutex mutex_;
    // guarded by mutex_
    std::uint64_t last_seq_ = 0;
    std::deque<LogRecord> ring_;
    std::size_t ring_bytes_ = 0;
    std::deque<Repeat> repeats_;  // in the order of `first`
    Sink sink_;
    std::map<std::uint64_t, std::function<void()>> listeners_;
    std::uint64_t last_listener_ = 0;
};

}  // namespace backplane::core
