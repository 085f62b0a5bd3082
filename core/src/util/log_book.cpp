// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "util/log_book.hpp"

#include <algorithm>
#include <array>
#include <functional>

#include "util/utf8.hpp"

namespace backplane::core {
namespace {

/// "token", "access_token", "api-key", "Password": the last word of the name decides.
bool is_secret(std::string_view field) {
    constexpr std::array<std::string_view, 5> k_words{"token", "password", "secret", "key",
                                                      "receipt"};
    const auto same = [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
    };
    return std::any_of(k_words.begin(), k_words.end(), [&](std::string_view word) {
        if (field.size() < word.size()) return false;
        const std::string_view tail = field.substr(field.size() - word.size());
        if (!std::equal(tail.begin(), tail.end(), word.begin(), same)) return false;
        if (field.size() == word.size()) return true;
        const char before = field[field.size() - word.size() - 1];
        return before == '_' || before == '-' || before == '.';
    });
}

std::size_t bytes_of(const LogRecord& record) noexcept {
    std::size_t bytes = sizeof(LogRecord) + record.component.size() + record.event.size();
    for (const auto& [name, value] : record.fields) {
        bytes += sizeof(record.fields.front()) + name.size() + value.size();
    }
    return bytes;
}

std::size_t hash_of(const LogRecord& record) noexcept {
    const std::hash<std::string_view> hash;
    std::size_t all = static_cast<std::size_t>(record.level);
    const auto mix = [&](std::string_view text) { all = all * 31 + hash(text); };
    mix(record.component);
    mix(record.event);
    for (const auto& [name, value] : record.fields) {
        mix(name);
        mix(value);
    }
    return all;
}

bool same_record(const LogRecord& a, const LogRecord& b) noexcept {
    return a.level == b.level && a.component == b.component && a.event == b.event &&
           a.fields == b.fields;
}

}  // namespace

bool LogBook::enabled(LogLevel wanted, std::string_view component) const noexcept {
    if (static_cast<int>(wanted) > highest_level_.load(std::memory_order_relaxed)) return false;
    return wanted <= level(component);
}

LogLevel LogBook::level(std::string_view component) const noexcept {
    if (has_component_levels_.load(std::memory_order_acquire)) {
        const std::shared_lock lock{levels_mutex_};
        if (const auto it = component_levels_.find(component); it != component_levels_.end())
            return it->second;
    }
    return static_cast<LogLevel>(default_level_.load(std::memory_order_relaxed));
}

void LogBook::set_level(LogLevel level) {
    const std::unique_lock lock{levels_mutex_};
    default_level_.store(static_cast<int>(level), std::memory_order_relaxed);
    update_highest_level();
}

void LogBook::set_level(std::string_view component, LogLevel level) {
    const std::unique_lock lock{levels_mutex_};
    const auto it = component_levels_.find(component);
    if (it != component_levels_.end()) {
        it->second = level;
    } else if (component_levels_.size() < limits_.component_levels) {
        component_levels_.emplace(component, level);
    }
    has_component_levels_.store(!component_levels_.empty(), std::memory_order_release);
    update_highest_level();
}

void LogBook::update_highest_level() {
    int highest = default_level_.load(std::memory_order_relaxed);
    for (const auto& [component, level] : component_levels_)
        highest = std::max(highest, static_cast<int>(level));
    highest_level_.store(highest, std::memory_order_relaxed);
}

LogRecord LogBook::bounded(LogLevel level, std::string_view component, std::string_view event,
                           LogFields fields) const {
    LogRecord record;
    record.time = std::chrono::system_clock::now();
    record.level = level;
    record.component = to_printable(component, limits_.name_bytes);
    record.event = to_printable(event, limits_.name_bytes);
    record.fields.reserve(std::min(fields.size(), limits_.fields));
    for (const auto& [name, value] : fields) {
        if (record.fields.size() == limits_.fields) break;
        record.fields.emplace_back(
            to_printable(name, limits_.name_bytes),
            is_secret(name) ? "***" : to_valid_utf8(value, limits_.value_bytes));
    }
    return record;
}

void LogBook::write(LogLevel level, std::string_view component, std::string_view event,
                    LogFields fields) {
    LogRecord record = bounded(level, component, event, fields);
    const std::size_t hash = hash_of(record);
    const std::lock_guard lock{mutex_};
    const auto now = now_();
    end_repeats_before(now - limits_.repeat_window);
    const auto known = std::find_if(repeats_.begin(), repeats_.end(), [&](const Repeat& repeat) {
        return repeat.hash == hash && same_record(repeat.record, record);
    });
    if (known != repeats_.end()) {
        ++known->suppressed;
        return;
    }
    if (repeats_.size() >= limits_.watched_repeats && !repeats_.empty()) {
        Repeat oldest = std::move(repeats_.front());
        repeats_.pop_front();
        end_repeat(std::move(oldest));
    }
    if (limits_.watched_repeats > 0) repeats_.push_back(Repeat{hash, now, record, 0});
    keep(std::move(record));
}

void LogBook::flush_repeats() {
    const std::lock_guard lock{mutex_};
    end_repeats_before(std::chrono::steady_clock::time_point::max());
}

std::vector<LogRecord> LogBook::recent(std::uint64_t after, std::size_t most) {
    const std::lock_guard lock{mutex_};
    end_repeats_before(now_() - limits_.repeat_window);
    auto first = std::upper_bound(
        ring_.begin(), ring_.end(), after,
        [](std::uint64_t seq, const LogRecord& record) { return seq < record.seq; });
    const auto count = static_cast<std::size_t>(ring_.end() - first);
    if (count > most) first += static_cast<std::ptrdiff_t>(count - most);
    return {first, ring_.end()};
}

void LogBook::set_sink(Sink sink) {
    const std::lock_guard lock{mutex_};
    sink_ = std::move(sink);
}

void LogBook::keep(LogRecord record) {
    record.seq = ++last_seq_;
    if (sink_) sink_(record);
    ring_bytes_ += bytes_of(record);
    ring_.push_back(std::move(record));
    while (ring_.size() > limits_.records || (ring_bytes_ > limits_.bytes && ring_.size() > 1)) {
        ring_bytes_ -= bytes_of(ring_.front());
        ring_.pop_front();
    }
}

void LogBook::end_repeat(Repeat repeat) {
    if (repeat.suppressed == 0) return;
    repeat.record.time = std::chrono::system_clock::now();
    repeat.record.fields.emplace_back(
        "repeated",
        std::to_string(repeat.suppressed) + (repeat.suppressed == 1 ? " time" : " times"));
    keep(std::move(repeat.record));
}

void LogBook::end_repeats_before(std::chrono::steady_clock::time_point oldest) {
    while (!repeats_.empty() && repeats_.front().first <= oldest) {
        Repeat repeat = std::move(repeats_.front());
        repeats_.pop_front();
        end_repeat(std::move(repeat));
    }
}

}  // namespace backplane::core
