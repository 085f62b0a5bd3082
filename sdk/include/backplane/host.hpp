// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a plug-in has from its host: the clock, timers, file descriptor watches, workers, the log, settings.
//
// Everything here belongs to the driver's thread unless it says otherwise. Timer, FdWatch and Action are RAII: what is
// destroyed does not call back any more.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "backplane/abi/abi.h"

namespace backplane::sdk {

namespace json = boost::json;
using namespace std::chrono_literals;

/// Monotonic time of the host (in a test: the test's clock).
struct HostClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<HostClock>;
    static constexpr bool is_steady = true;
};
using TimePoint = HostClock::time_point;

/// Thrown in a plug-in, becomes a status and a text at the boundary. Say what was attempted, on what, what happened and
/// what the user can do.
class Failure : public std::runtime_error {
public:
    Failure(bp_status status, const std::string& text)
        : std::runtime_error(text), status_(status) {}
    bp_status status() const noexcept { return status_; }

private:
    bp_status status_;
};

inline bp_str view(std::string_view text) noexcept {
    return {text.data(), text.size()};
}
inline std::string_view view(bp_str text) noexcept {
    return text.size ? std::string_view{text.data, text.size} : "";
}

enum class LogLevel : std::int32_t {
    error = BP_LOG_ERROR,
    warning = BP_LOG_WARNING,
    info = BP_LOG_INFO,
    debug = BP_LOG_DEBUG
};

class Host {
public:
    /// Throws Failure when the host lacks what every plug-in needs (log and timer).
    explicit Host(const bp_host* host)
        : host_(host),
          log_(extension<bp_host_log>(BP_EXT_LOG)),
          timer_(extension<bp_host_timer>(BP_EXT_TIMER)) {
        if (!log_ || !timer_)
            throw Failure(BP_E_UNSUPPORTED, "the host has no log or no timer extension");
    }

    const bp_host* raw() const noexcept { return host_; }

    /// An extension of the host by its id, or null. `Table` is its struct in abi/ext/. [any-thread]
    template <typename Table>
    const Table* extension(const char* id) const noexcept {
        return static_cast<const Table*>(host_->get_extension(host_, id));
    }
    /// The same for one that the plug-in cannot do without.
    template <typename Table>
    const Table& require(const char* id) const {
        if (const Table* table = extension<Table>(id)) return *table;
        throw Failure(BP_E_UNSUPPORTED,
                      std::string("the host has no extension ") + id + ": update the box");
    }

    // [any-thread]
    void log(LogLevel level, std::string_view text) const noexcept {
        if (static_cast<std::int32_t>(level) <= log_->level)
            log_->write(host_, static_cast<std::int32_t>(level), view(text));
    }
    void log_error(std::string_view text) const noexcept { log(LogLevel::error, text); }
    void log_warning(std::string_view text) const noexcept { log(LogLevel::warning, text); }
    void log_info(std::string_view text) const noexcept { log(LogLevel::info, text); }
    void log_debug(std::string_view text) const noexcept { log(LogLevel::debug, text); }

    // [any-thread]
    TimePoint now() const noexcept {
        return TimePoint{std::chrono::nanoseconds{static_cast<std::int64_t>(timer_->now(host_))}};
    }

    /// What the user configured; an empty object when the host has no settings for us.
    json::object settings() const {
        const auto* table = extension<bp_host_settings>(BP_EXT_SETTINGS);
        return table ? parse_object(view(table->get(host_)), "settings") : json::object{};
    }

    const bp_host_timer& timer() const noexcept { return *timer_; }

    /// Id of the action that is being begun right now, else 0. Of the wrapper, not of authors.
    std::uint64_t beginning_action = 0;

    /// An exception that nobody can be told of: it is a bug of the plug-in, and the box's log is the place for it.
    void report_exception(std::string_view where) const noexcept {
        try {
            try {
                throw;
            } catch (const std::exception& error) {
                log_error(std::string("exception in ") + std::string(where) + ": " + error.what());
            } catch (...) {
                log_error(std::string("unknown exception in ") + std::string(where));
            }
        } catch (...) {
            log_error("exception in a callback");
        }
    }

    static json::object parse_object(std::string_view text, const char* what) {
        if (text.empty()) return {};
        boost::system::error_code error;
        json::value value = json::parse(text, error);
        if (error || !value.is_object())
            throw Failure(BP_E_INVALID, std::string("the ") + what + " are not a JSON object");
        return std::move(value.get_object());
    }

private:
    const bp_host* host_;
    const bp_host_log* log_;
    const bp_host_timer* timer_;
};

/// Throws Failure for a status that is not BP_OK.
inline void check(bp_status status, const char* what) {
    if (status != BP_OK)
        throw Failure(status, std::string(what) + " failed with status " + std::to_string(status));
}

/// Calls a function later, once or again and again. One call at a time is pending; starting anew replaces it.
class Timer {
public:
    Timer(Host& host, std::function<void()> fire)
        : state_(std::make_unique<State>(&host, std::move(fire))) {}
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void start_once(std::chrono::nanoseconds delay) { start(delay, 0ns); }
    void start_every(std::chrono::nanoseconds period) { start(period, period); }
    void cancel() noexcept {
        if (state_->id)
            state_->host->timer().cancel(state_->host->raw(), std::exchange(state_->id, 0));
    }
    bool pending() const noexcept { return state_->id != 0; }

private:
    struct State {
        State(Host* h, std::function<void()> f)
            : host(h), fire(std::make_shared<std::function<void()>>(std::move(f))) {}
        Host* host;
        std::shared_ptr<std::function<void()>> fire;  // shared: the call may destroy the timer
        std::uint64_t id = 0;
        bool repeats = false;
    };
    void start(std::chrono::nanoseconds delay, std::chrono::nanoseconds period) {
        cancel();
        state_->repeats = period > 0ns;
        check(state_->host->timer().start(state_->host->raw(), count(delay), count(period),
                                          &Timer::fired, state_.get(), &state_->id),
              "starting a timer");
    }
    static std::uint64_t count(std::chrono::nanoseconds time) noexcept {
        return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
    }
    static void fired(void* user, std::uint64_t) noexcept {
        auto* state = static_cast<State*>(user);
        if (!state->repeats) state->id = 0;
        Host& host = *state->host;
        const auto fire = state->fire;
        try {
            (*fire)();
        } catch (...) {
            host.report_exception("a timer");
        }
    }
    std::unique_ptr<State> state_;
};

/// Calls a function while a file descriptor can be read (BP_FD_READ) or written (BP_FD_WRITE). Does not own it.
class FdWatch {
public:
    FdWatch(Host& host, int fd, std::uint32_t events,
            std::function<void(std::uint32_t events)> ready)
        : state_(std::make_unique<State>(&host, &host.require<bp_host_fd>(BP_EXT_FD),
                                         std::move(ready))) {
        check(state_->table->watch(host.raw(), fd, events, &FdWatch::fired, state_.get(),
                                   &state_->id),
              "watching a file descriptor");
    }
    ~FdWatch() { state_->table->unwatch(state_->host->raw(), state_->id); }
    FdWatch(const FdWatch&) = delete;
    FdWatch& operator=(const FdWatch&) = delete;

    void modify(std::uint32_t events) {
        check(state_->table->modify(state_->host->raw(), state_->id, events), "changing a watch");
    }

private:
    struct State {
        State(Host* h, const bp_host_fd* t, std::function<void(std::uint32_t)> f)
            : host(h),
              table(t),
              ready(std::make_shared<std::function<void(std::uint32_t)>>(std::move(f))) {}
        Host* host;
        const bp_host_fd* table;
        std::shared_ptr<std::function<void(std::uint32_t)>>
            ready;  // shared: the call may destroy the watch
        std::uint64_t id = 0;
    };
    static void fired(void* user, std::uint64_t, std::int32_t, std::uint32_t events) noexcept {
        auto* state = static_cast<State*>(user);
        Host& host = *state->host;
        const auto ready = state->ready;
        try {
            (*ready)(events);
        } catch (...) {
            host.report_exception("a file descriptor watch");
        }
    }
    std::unique_ptr<State> state_;
};

/// Runs `work` on a worker thread, then `done` on the driver's thread. `work` must not touch the plug-in's state.
inline void run_on_worker(Host& host, std::function<void()> work, std::function<void()> done) {
    struct Job {
        Host* host;
        std::function<void()> work, done;
        std::exception_ptr error;
    };
    auto job = std::make_unique<Job>(Job{&host, std::move(work), std::move(done), nullptr});
    const auto& worker = host.require<bp_host_worker>(BP_EXT_WORKER);
    check(worker.submit(
              host.raw(),
              [](void* user) noexcept {
                  auto* j = static_cast<Job*>(user);
                  try {
                      j->work();
                  } catch (...) {
                      j->error = std::current_exception();
                  }
              },
              [](void* user) noexcept {
                  std::unique_ptr<Job> j{static_cast<Job*>(user)};
                  try {
                      if (j->error) std::rethrow_exception(j->error);
                      j->done();
                  } catch (...) {
                      j->host->report_exception("a worker");
                  }
              },
              job.get()),
          "handing over work");
    (void)job.release();  // the done callback owns it now
}

}  // namespace backplane::sdk
