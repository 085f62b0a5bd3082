// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "util/log_book.hpp"

#include <algorithm>
#include <functional>

#include "util/redaction.hpp"
#include "util/utf8.hpp"

namespace backplane::core {
namespace {

/// What is looked at for secrets, of a value that is kept up to `most` bytes: enough for what redaction makes shorter.
std::string_view window_of(std::string_view value, std::size_t most) {
    if (value.size() <= 4 * most) return value;
    value = value.substr(0, 4 * most);
    // A secret that is cut in two may not look like one any more.
    const std::size_t blank = value.find_last_of(" \n\t\"");
    return value.substr(0, blank == std::string_view::npos ? 0 : blank);
}

std::string kept_value(std::string_view name, std::string_view value, std::size_t most) {
    const std::string_view window =
        meaning_of(name) == NameMeans::contents ? value : window_of(value, most);
    if (window.empty() && !value.empty())
        return "(" + std::to_string(value.size()) + " bytes left out)";
    std::string shown = redacted_value(name, window);
    if (window.size() < value.size()) shown += "\xE2\x80\xA6";
    return to_valid_utf8(shown, most);
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

void LogBook::clear_level(std::string_view component) {
    const std::unique_lock lock{levels_mutex_};
    if (const auto it = component_levels_.find(component); it != component_levels_.end())
        component_levels_.erase(it);
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
        record.fields.emplace_back(to_printable(name, limits_.name_bytes),
                                   kept_value(name, value, limits_.value_bytes));
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
    auto first = first_after(after);
    const auto count = static_cast<std::size_t>(ring_.cend() - first);
    if (count > most) first += static_cast<std::ptrdiff_t>(count - most);
    return {first, ring_.cend()};
}

std::vector<LogRecord> LogBook::next(std::uint64_t after, std::size_t most) {
    const std::lock_guard lock{mutex_};
    end_repeats_before(now_() - limits_.repeat_window);
    const auto first = first_after(after);
    const auto count = static_cast<std::size_t>(ring_.cend() - first);
    return {first, first + static_cast<std::ptrdiff_t>(std::min(count, most))};
}

std::uint64_t LogBook::last_seq() {
    const std::lock_guard lock{mutex_};
    end_repeats_before(now_() - limits_.repeat_window);
    return last_seq_;
}

std::deque<LogRecord>::const_iterator LogBook::first_after(std::uint64_t seq) const {
    return std::upper_bound(
        ring_.begin(), ring_.end(), seq,
        [](std::uint64_t wanted, const LogRecord& record) { return wanted < record.seq; });
}

Subscription LogBook::on_record(std::function<void()> kept) {
    const std::lock_guard lock{mutex_};
    const std::uint64_t id = ++last_listener_;
    listeners_.emplace(id, std::move(kept));
    return Subscription{[this, id] {
        const std::lock_guard ending{mutex_};
        listeners_.erase(id);
    }};
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
    for (const auto& [id, kept] : listeners_) kept();
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
