// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Log levels that somebody changed while the box runs: for a time, after which the configuration counts again.
//
// Nobody remembers to switch "debug" off, so each change ends by itself, after 7 days unless told otherwise. What is
// left of that time is kept in a small file of the state folder. Time is counted on the monotonic clock while the box
// runs; the wall clock is asked only about the time between two runs. A clock that is wrong at the start of a box
// (they have no battery) therefore neither ends a change at once nor keeps it for ever: a change that would be over
// gets one more hour in which the clock may be set, and a clock that went back counts as ten minutes.
//
// Owner: the box. Thread: the main loop's; the file is written on a thread of its own. Failure: a file that cannot be
// read or written costs the memory of the changes, and problem() says so; the levels themselves always take effect.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/log.hpp"
#include "backplane/core/result.hpp"
#include "backplane/core/subscription.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::core {

inline constexpr std::chrono::hours k_log_level_time{7 * 24};

class LogLevels {
public:
    struct Setup {
        boost::asio::io_context& loop;
        std::string file;  ///< "/var/lib/backplane/log-levels.json"; empty: nothing is remembered
        LogLevel level = LogLevel::info;               ///< of the configuration
        std::map<std::string, LogLevel> components{};  ///< of the configuration
        // Empty: the system's.
        std::function<std::chrono::steady_clock::time_point()> steady{};
        std::function<std::chrono::system_clock::time_point()> wall{};
    };
    /// Reads the file (blocks) and sets the levels of the process: those of the configuration, and the changes.
    explicit LogLevels(Setup setup);
    /// Writes what is left, for at most 2 s. The levels of the process stay as they are.
    ~LogLevels();
    LogLevels(const LogLevels&) = delete;
    LogLevels& operator=(const LogLevels&) = delete;

    struct Entry {
        std::string
            component;  ///< or name of a plug-in; empty: all that have no level of their own
        LogLevel level = LogLevel::info;       ///< that counts now
        std::optional<LogLevel> configured{};  ///< nothing: none of its own, it follows the root
        /// When the change ends, on the wall clock as it goes now. Nothing: it is not changed.
        std::optional<std::chrono::system_clock::time_point> until{};
    };
    /// The root first; then those with a level of their own, from the configuration or changed, by name.
    std::vector<Entry> list() const;
    /// One of them, also one that has no level of its own.
    Entry entry(std::string_view component) const;

    /// From now on, for this long (a second to 30 days). Errors: "logs.component" (a name is 1 to 128 characters of
    /// A-Z, a-z, 0-9, '_', '-', '.'), "logs.time", "logs.too_many" (200 changes).
    Result<void> set(std::string_view component, LogLevel level,
                     std::chrono::seconds time = k_log_level_time);
    /// Back to the configuration. Nothing when it was not changed.
    void clear(std::string_view component);

    /// Called after each change of a level, also when one has ended by itself.
    Subscription on_change(std::function<void()> changed);

    /// Ends what is over. A timer does this; tests with a clock of their own do, too.
    void end_what_is_over();
    /// Waits until the file is as it should be. False: not within this time, or it cannot be written.
    bool flush(std::chrono::milliseconds limit);
    /// For people, when changes are not remembered; mostly empty.
    std::string problem() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::core
