// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The log: event name and key=value, to stderr (journald, terminal) and to a ring that the CLI and the API read.
//
// Whatever looks like a secret is taken out before a record is kept (util/redaction.hpp); that is a net, no licence.
//
// Levels: error "lost something", warning "handled, look at it", info "operator", debug "developer". Never secrets,
// never contents of receipts. Thread: any.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backplane/core/subscription.hpp"

namespace backplane::core {

enum class LogLevel { error = 1, warning = 2, info = 3, debug = 4 };
std::string_view to_string(LogLevel level) noexcept;
/// False when the text names no level.
bool parse_log_level(std::string_view text, LogLevel& out) noexcept;

struct LogRecord {
    std::uint64_t seq = 0;
    std::chrono::system_clock::time_point time{};
    LogLevel level = LogLevel::info;
    std::string component;  ///< "http", "registry", or the name of a plug-in
    std::string event;      ///< stable name such as "device.ready"
    std::vector<std::pair<std::string, std::string>> fields;

    /// "event key=value key="two words"".
    std::string text() const;
};

using LogFields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Writes one record. Cheap when the level is off.
void log(LogLevel level, std::string_view component, std::string_view event, LogFields fields = {});
inline void log_error(std::string_view c, std::string_view e, LogFields f = {}) {
    log(LogLevel::error, c, e, f);
}
inline void log_warning(std::string_view c, std::string_view e, LogFields f = {}) {
    log(LogLevel::warning, c, e, f);
}
inline void log_info(std::string_view c, std::string_view e, LogFields f = {}) {
    log(LogLevel::info, c, e, f);
}
inline void log_debug(std::string_view c, std::string_view e, LogFields f = {}) {
    log(LogLevel::debug, c, e, f);
}

bool log_enabled(LogLevel level, std::string_view component) noexcept;
LogLevel log_level(std::string_view component) noexcept;

/// Default level, or the level of one component. For the owner of the levels: see log_levels.hpp.
void set_log_level(LogLevel level);
void set_log_level(std::string_view component, LogLevel level);
/// The component has no level of its own any more.
void clear_log_level(std::string_view component);

/// The last records (at most 5,000 are kept), oldest first; `after` leaves out everything up to that seq.
std::vector<LogRecord> recent_logs(std::uint64_t after = 0, std::size_t most = 5000);

/// As recent_logs(), but the oldest of them: for who takes them one portion after the other.
std::vector<LogRecord> next_logs(std::uint64_t after, std::size_t most);
/// Number of the newest record; they are numbered without a gap from 1.
std::uint64_t last_log_seq();

/// `kept` is called after each record that is kept, on the thread that wrote it and under the log's lock: it may set a
/// flag or post to a loop, and must not log, block, throw or end the subscription. Once the subscription has ended it is
/// not called any more.
[[nodiscard]] Subscription on_log(std::function<void()> kept);

/// The same record again within one second is counted, not written; the count follows as field "repeated" when the second
/// is over and something is logged or read. This writes the counts now: call it before the process ends.
void log_flush_repeats();

/// stderr: plain lines on a terminal, otherwise with the "<6>" prefixes that journald reads. Off in tests by default.
void log_to_stderr(bool on);

}  // namespace backplane::core
