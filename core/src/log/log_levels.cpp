// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/log_levels.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cctype>
#include <utility>

#include "log/log_levels_file.hpp"

namespace backplane::core {

using namespace std::chrono_literals;
using std::chrono::seconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

namespace {

constexpr std::size_t k_most_changes = 200;
constexpr std::size_t k_name_bytes = 128;
constexpr seconds k_longest{30 * 24 * 3600};
// How often the time that is left is written down: a box that loses its power loses no more than that of the count.
constexpr seconds k_save_every{10min};
// For a clock that is not set yet to be set, before a change ends on its word.
constexpr seconds k_grace{1h};

bool is_component(std::string_view name) {
    return name.size() <= k_name_bytes && std::all_of(name.begin(), name.end(), [](char c) {
               return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' ||
                      c == '.';
           });
}

}  // namespace

struct LogLevels::State : std::enable_shared_from_this<State> {
    struct Change {
        LogLevel level;
        steady_clock::time_point ends;
        /// The wall clock said at the start that it is over since then: asked again when it ends.
        std::optional<system_clock::time_point> doubted{};
        system_clock::time_point saved{};  ///< of a doubted one
    };

    explicit State(Setup s) : setup(std::move(s)), timer(setup.loop) {
        if (!setup.steady) setup.steady = &steady_clock::now;
        if (!setup.wall) setup.wall = &system_clock::now;
        if (!setup.file.empty()) writer = std::make_unique<LevelsWriter>(setup.file);
    }

    void load();
    void apply(std::string_view component) const;
    void changed();
    void save();
    void arm();
    bool end_over();

    Setup setup;
    std::map<std::string, Change, std::less<>> changes;
    std::map<std::uint64_t, std::function<void()>> listeners;
    std::uint64_t last_listener = 0;
    std::string read_problem;
    std::unique_ptr<LevelsWriter> writer;
    boost::asio::steady_timer timer;
};

void LogLevels::State::load() {
    if (setup.file.empty()) return;
    auto remembered = read_levels(setup.file);
    if (!remembered) {
        // The next change writes it anew.
        read_problem = "changed log levels were forgotten: cannot read " + setup.file + ": " +
                       remembered.error().text;
        log_warning("log", "levels.unreadable",
                    {{"file", setup.file}, {"reason", remembered.error().text}});
        return;
    }
    const auto now = setup.wall();
    const auto off = std::chrono::floor<seconds>(now - remembered->saved);
    for (RememberedLevel& level : remembered->levels) {
        if (!is_component(level.component)) continue;
        Change change{level.level, {}};
        if (off < 0s) {
            change.ends = setup.steady() + std::max(level.left - k_save_every, 1s);
        } else if (off < level.left) {
            change.ends = setup.steady() + (level.left - off);
        } else {
            change.ends = setup.steady() + std::min(level.left, k_grace);
            change.doubted = remembered->saved + level.left;
            change.saved = remembered->saved;
        }
        changes.insert_or_assign(std::move(level.component), change);
    }
}

void LogLevels::State::apply(std::string_view component) const {
    const auto change = changes.find(component);
    if (component.empty())
        return set_log_level(change == changes.end() ? setup.level : change->second.level);
    if (change != changes.end()) return set_log_level(component, change->second.level);
    const auto configured = setup.components.find(std::string(component));
    if (configured != setup.components.end()) return set_log_level(component, configured->second);
    clear_log_level(component);
}

void LogLevels::State::changed() {
    save();
    arm();
    // A listener may come or go meanwhile.
    std::vector<std::uint64_t> ids;
    for (const auto& [id, listener] : listeners) ids.push_back(id);
    for (const std::uint64_t id : ids) {
        const auto it = listeners.find(id);
        if (it == listeners.end()) continue;
        const auto listener = it->second;
        listener();
    }
}

void LogLevels::State::save() {
    if (!writer) return;
    read_problem.clear();
    RememberedLevels out;
    out.saved = setup.wall();
    for (const auto& [component, change] : changes) {
        RememberedLevel level{component, change.level,
                              std::chrono::ceil<seconds>(change.ends - setup.steady())};
        if (level.left > 0s) out.levels.push_back(std::move(level));
    }
    writer->write(to_text(out));
}

void LogLevels::State::arm() {
    timer.cancel();
    if (changes.empty()) return;
    auto next = setup.steady() + k_save_every;
    for (const auto& [component, change] : changes) next = std::min(next, change.ends);
    timer.expires_after(std::max<steady_clock::duration>(next - setup.steady(), 1s));
    timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto state = weak.lock();
        if (error || !state) return;
        if (state->end_over()) return state->changed();
        state->save();
        state->arm();
    });
}

bool LogLevels::State::end_over() {
    const auto now = setup.steady();
    const auto wall = setup.wall();
    bool any = false;
    for (auto it = changes.begin(); it != changes.end();) {
        Change& change = it->second;
        if (change.doubted && wall >= change.saved && wall < *change.doubted) {
            // The clock was wrong at the start, and has been set since.
            change.ends = now + std::chrono::floor<seconds>(*change.doubted - wall);
            change.doubted.reset();
        }
        if (change.ends > now) {
            ++it;
            continue;
        }
        const std::string component = it->first;
        it = changes.erase(it);
        apply(component);
        any = true;
        log_info("log", "level.ended", {{"component", component.empty() ? "all" : component}});
    }
    return any;
}

LogLevels::LogLevels(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {
    set_log_level(state_->setup.level);
    for (const auto& [component, level] : state_->setup.components) set_log_level(component, level);
    state_->load();
    for (const auto& [component, change] : state_->changes) state_->apply(component);
    if (!state_->changes.empty()) {
        state_->save();
        state_->arm();
    }
}

LogLevels::~LogLevels() {
    state_->timer.cancel();
    state_->listeners.clear();
    if (!state_->changes.empty()) state_->save();
    state_->writer.reset();
}

std::vector<LogLevels::Entry> LogLevels::list() const {
    std::vector<Entry> out{entry("")};
    std::map<std::string, int, std::less<>> names;
    for (const auto& [component, level] : state_->setup.components) names[component];
    for (const auto& [component, change] : state_->changes) names[component];
    for (const auto& [name, unused] : names)
        if (!name.empty()) out.push_back(entry(name));
    return out;
}

LogLevels::Entry LogLevels::entry(std::string_view component) const {
    Entry out;
    out.component = component;
    if (component.empty()) {
        out.configured = state_->setup.level;
    } else if (const auto it = state_->setup.components.find(std::string(component));
               it != state_->setup.components.end()) {
        out.configured = it->second;
    }
    if (const auto it = state_->changes.find(component); it != state_->changes.end()) {
        out.level = it->second.level;
        out.until = state_->setup.wall() + std::chrono::duration_cast<system_clock::duration>(
                                               it->second.ends - state_->setup.steady());
    } else {
        out.level = out.configured ? *out.configured : entry("").level;
    }
    return out;
}

Result<void> LogLevels::set(std::string_view component, LogLevel level, seconds time) {
    if (!is_component(component))
        return failure(
            "logs.component",
            "cannot set this log level: a component or plug-in has a name of at most 128 "
            "letters, digits, '_', '-' and '.'");
    if (time < 1s || time > k_longest)
        return failure("logs.time",
                       "cannot set this log level: say for how long, a second to 30 days");
    const auto known = state_->changes.find(component);
    if (known == state_->changes.end() && state_->changes.size() >= k_most_changes)
        return failure("logs.too_many",
                       "cannot set this log level: " + std::to_string(k_most_changes) +
                           " others are changed: take some of them back first");
    // Said while both levels are known; a change to "error" would hide it.
    log_info("log", "level.set",
             {{"component", component.empty() ? "all" : component},
              {"level", to_string(level)},
              {"seconds", std::to_string(time.count())}});
    state_->changes.insert_or_assign(std::string(component),
                                     State::Change{level, state_->setup.steady() + time});
    state_->apply(component);
    state_->changed();
    return {};
}

void LogLevels::clear(std::string_view component) {
    const auto it = state_->changes.find(component);
    if (it == state_->changes.end()) return;
    state_->changes.erase(it);
    state_->apply(component);
    log_info("log", "level.cleared", {{"component", component.empty() ? "all" : component}});
    state_->changed();
}

Subscription LogLevels::on_change(std::function<void()> changed) {
    const std::uint64_t id = ++state_->last_listener;
    state_->listeners.emplace(id, std::move(changed));
    return Subscription{[weak = std::weak_ptr(state_), id] {
        if (const auto state = weak.lock()) state->listeners.erase(id);
    }};
}

void LogLevels::end_what_is_over() {
    if (state_->end_over()) state_->changed();
}

bool LogLevels::flush(std::chrono::milliseconds limit) {
    return !state_->writer || state_->writer->flush(limit);
}

std::string LogLevels::problem() const {
    if (!state_->writer) return {};
    if (const std::string problem = state_->writer->problem(); !problem.empty())
        return "changed log levels are not kept over a restart: " + problem;
    return state_->read_problem;
}

}  // namespace backplane::core
