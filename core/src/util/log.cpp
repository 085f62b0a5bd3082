// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <unistd.h>

#include <memory>

#include "util/log_book.hpp"
#include "util/utf8.hpp"

namespace backplane::core {
namespace {

/// Never destroyed: threads and destructors of other objects may still log while the process ends.
LogBook& book() {
    static LogBook& the_book = *new LogBook;
    return the_book;
}

spdlog::level::level_enum spdlog_level(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::error:
            return spdlog::level::err;
        case LogLevel::warning:
            return spdlog::level::warn;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::debug:
            return spdlog::level::debug;
    }
    return spdlog::level::info;
}

/// sd-daemon(3): the priority in front of a line tells journald the level.
std::string_view journal_prefix(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::error:
            return "<3>";
        case LogLevel::warning:
            return "<4>";
        case LogLevel::info:
            return "<6>";
        case LogLevel::debug:
            return "<7>";
    }
    return "<6>";
}

/// Lock-free sink: the book calls it under its own lock.
LogBook::Sink make_stderr_sink() {
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    auto logger = std::make_shared<spdlog::logger>(
        "backplane", std::make_shared<spdlog::sinks::stderr_sink_st>());
    logger->set_level(spdlog::level::trace);
    logger->set_pattern(terminal ? "%Y-%m-%d %H:%M:%S.%e %-7l %v" : "%v");
    // A stderr that cannot be written to leaves nowhere to say so; the ring still has the record.
    logger->set_error_handler([](const std::string&) {});
    return [logger, terminal](const LogRecord& record) {
        std::string line{terminal ? std::string_view{} : journal_prefix(record.level)};
        line += '[' + record.component + "] " + record.text();
        logger->log(record.time, spdlog::source_loc{}, spdlog_level(record.level), line);
    };
}

bool needs_quotes(std::string_view value) noexcept {
    return value.empty() || value.find_first_of(" =\"\\") != std::string_view::npos;
}

}  // namespace

std::string_view to_string(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::error:
            return "error";
        case LogLevel::warning:
            return "warning";
        case LogLevel::info:
            return "info";
        case LogLevel::debug:
            return "debug";
    }
    return "info";
}

bool parse_log_level(std::string_view text, LogLevel& out) noexcept {
    for (const LogLevel level :
         {LogLevel::error, LogLevel::warning, LogLevel::info, LogLevel::debug}) {
        if (text == to_string(level)) {
            out = level;
            return true;
        }
    }
    return false;
}

std::string LogRecord::text() const {
    std::string out = event;
    for (const auto& [name, value] : fields) {
        out += ' ';
        out += name;
        out += '=';
        if (!needs_quotes(value)) {
            out += to_printable(value, value.size() * 6);
            continue;
        }
        std::string quoted;
        for (const char c : value) {
            if (c == '"' || c == '\\') quoted += '\\';
            quoted += c;
        }
        out += '"' + to_printable(quoted, quoted.size() * 6) + '"';
    }
    return out;
}

void log(LogLevel level, std::string_view component, std::string_view event, LogFields fields) {
    if (!book().enabled(level, component)) return;
    try {
        book().write(level, component, event, fields);
    } catch (
        ...) {  // Out of memory: whoever logs has more important things to do than to handle that.
    }
}

bool log_enabled(LogLevel level, std::string_view component) noexcept {
    return book().enabled(level, component);
}

LogLevel log_level(std::string_view component) noexcept {
    return book().level(component);
}

void set_log_level(LogLevel level) {
    book().set_level(level);
}

void set_log_level(std::string_view component, LogLevel level) {
    book().set_level(component, level);
}

std::vector<LogRecord> recent_logs(std::uint64_t after, std::size_t most) {
    return book().recent(after, most);
}

void clear_log_level(std::string_view component) {
    book().clear_level(component);
}

std::vector<LogRecord> next_logs(std::uint64_t after, std::size_t most) {
    return book().next(after, most);
}

std::uint64_t last_log_seq() {
    return book().last_seq();
}

Subscription on_log(std::function<void()> kept) {
    return book().on_record(std::move(kept));
}

void log_flush_repeats() {
    book().flush_repeats();
}

void log_to_stderr(bool on) {
    book().set_sink(on ? make_stderr_sink() : LogBook::Sink{});
}

}  // namespace backplane::core
