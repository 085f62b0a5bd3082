// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A host for one instance of a plug-in, inside a unit test: no daemon, no process, no waiting.
//
//     FakeHost host(bp_plugin_entry, "org.example.scale");
//     FakePort port;
//     host.set_device(port.device());
//     ASSERT_EQ(host.create(), BP_OK) << host.error();
//     ASSERT_EQ(host.start(), BP_OK) << host.error();
//     port.answer("\x02 1.234\r");
//     host.advance(100ms);
//     EXPECT_THAT(host.events(), Contains(IsEvent("weight", HasMember("weight", 1.234))));
//     host.stop();
//     host.destroy();
//     EXPECT_THAT(host.faults(), IsEmpty());
//
// TIME. The plug-in's clock stands still until the test moves it: advance() and advance_until()
// fire timers in order and look at the file descriptors in between, so a test of a ten second wait
// takes no time and always goes the same way. A FakePort of the kind `socket` fits to that. With
// run_until() and run_real_time() real time passes instead, for what cannot be made to stand still:
// a pseudo terminal, a worker thread, another process.
//
// FAULTS. Whatever the plug-in does against the contract is refused as a real host refuses it, and
// written down in faults(). A test that ends with an empty list has checked the contract as well.
//
// Everything is for one thread, the one that made the FakeHost.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backplane/abi/abi.h"

namespace backplane::testkit {

namespace json = boost::json;
using namespace std::chrono_literals;
using Duration = std::chrono::nanoseconds;

struct Event {
    std::string kind;
    json::object data;
    std::uint32_t flags = 0;
    std::vector<std::uint8_t> payload;
};

struct LogLine {
    std::int32_t level = 0;
    std::string text;
};

struct DeviceReport {
    std::int32_t state = 0;  ///< BP_DEVICE_…
    std::string reason;
};

/// One call of an interface to backplane.bus/1.
struct BusReport {
    enum class Kind { added, removed, settled };
    Kind kind = Kind::settled;
    std::string key;
    json::object descriptor;  ///< of added
    bool with_fd = false;     ///< of added
};

struct ProbeResult {
    std::int32_t verdict = 0;  ///< BP_PROBE_…; 0: none before the deadline, or refused
    std::string reason;
};

struct ActionResult {
    bp_status status = BP_OK;
    json::value value;    ///< of a success
    std::string message;  ///< of a failure
};

/// What an instance leaves to its successor (backplane.state/1).
struct SavedState {
    std::uint32_t version = 0;
    std::vector<std::uint8_t> bytes;
};

using ActionId = std::uint64_t;

class FakeHost {
public:
    FakeHost(const bp_entry& entry, std::string plugin_id);
    ~FakeHost();  ///< stops and destroys what is still there
    FakeHost(const FakeHost&) = delete;
    FakeHost& operator=(const FakeHost&) = delete;

    // Before create():
    void set_descriptor(json::object descriptor);
    /// Checked and with the defaults filled in, as core hands them over.
    void set_settings(json::object settings);
    /// Stays the test's; is made non-blocking and close-on-exec, as core opens devices.
    void set_device(int fd);
    /// As if this host were older and did not have the extension.
    void without_extension(std::string id);
    /// As if the note said "concurrent_actions": begin actions while others are open.
    void allow_concurrent_actions() { concurrent_actions_ = true; }
    void set_log_level(std::int32_t level) { log_table_.level = level; }

    // The life of the instance. A failure's text is in error().
    [[nodiscard]] bp_status create();
    [[nodiscard]] bp_status start();
    /// Moves the clock until the plug-in has answered, at most by `limit` (then cancel(), verdict
    /// 0).
    ProbeResult probe(Duration limit = 5s);
    /// The same in real time.
    ProbeResult probe_real_time(Duration limit = 5s);
    void interrupt();  ///< backplane.interrupt/1, if the plug-in has it; stop() calls it too
    void stop();
    /// stop(), wait for the workers, and what is left to a successor; nullopt: nothing. Then comes
    /// destroy(), or start() as after a swap that failed.
    std::optional<SavedState> quiesce();
    /// Between create() and start(): what a predecessor has left. BP_E_UNSUPPORTED, also when the
    /// plug-in has no backplane.state/1: the instance starts without it.
    [[nodiscard]] bp_status restore(const SavedState& state);
    void destroy();
    /// New settings while running: tells the plug-in, or stops and starts it if it does not want to
    /// know.
    [[nodiscard]] bp_status change_settings(json::object settings);

    const std::string& error() const { return error_; }
    bp_status error_code() const { return error_code_; }

    // Time and files.
    Duration now() const { return Duration{now_.load()}; }
    void advance(Duration time);
    /// Moves the clock from timer to timer until `done`, at most by `limit`; false: not done.
    bool advance_until(const std::function<bool()>& done, Duration limit);
    /// Waits for file descriptors and workers until `done`, at most for `limit` of real time. The
    /// clock of the plug-in stands still unless follow_real_time().
    bool run_until(const std::function<bool()>& done, Duration limit = 10s);
    void run_real_time(Duration time);  ///< the plug-in's clock follows
    void follow_real_time(bool follow) { follow_real_time_ = follow; }
    /// Serves what is ready now: file descriptors, workers that are done, waiting actions.
    void pump();

    // The world around the plug-in, on the same clock and in the same loop; not counted as the
    // plug-in's own.
    void after(Duration delay, std::function<void()> call);
    void on_readable(int fd, std::function<void()> call);  ///< of the test's side
    void forget_readable(int fd);

    // Actions.
    ActionId action(std::string name, json::object data = {},
                    std::vector<std::uint8_t> payload = {}, Duration time_limit = 10s);
    std::optional<ActionResult> result(ActionId id) const;
    void cancel(ActionId id);

    // What the plug-in did.
    const std::vector<Event>& events() const { return events_; }
    void clear_events() { events_.clear(); }
    const std::vector<DeviceReport>& reports() const { return reports_; }
    /// The state reported last, 0 before the first report.
    std::int32_t device_state() const { return reports_.empty() ? 0 : reports_.back().state; }
    const std::vector<json::object>& descriptions() const { return descriptions_; }
    const std::vector<BusReport>& bus() const { return bus_; }
    /// Descriptors of the devices that are on the bus now, by key.
    const std::map<std::string, json::object>& devices() const { return devices_; }
    std::vector<LogLine> log() const;
    std::size_t timers() const { return timers_.size(); }
    std::size_t watches() const { return watches_.size(); }
    std::size_t open_actions() const;

    /// Breaches of the contract, in words.
    std::vector<std::string> faults() const;

private:
    enum class State { none, stopped, probing, starting, started, stopping };
    struct TimerEntry {
        std::uint64_t due = 0, period = 0, order = 0;
        bp_timer_fn fn = nullptr;
        void* user = nullptr;
    };
    struct WatchEntry {
        int fd = -1;
        std::uint32_t events = 0;
        bp_fd_fn fn = nullptr;
        void* user = nullptr;
    };
    struct WorldTimer {
        std::uint64_t order = 0;
        std::function<void()> call;
    };
    struct OpenAction {
        std::string name, data;
        std::vector<std::uint8_t> payload;
        std::uint64_t deadline = 0;
        bool begun = false, cancelled = false;
        std::optional<ActionResult> result;
    };
    struct Job {
        bp_work_fn work = nullptr;
        bp_work_done_fn done = nullptr;
        void* user = nullptr;
        bool finished = false;  // guarded by Workers::mutex
        std::jthread thread;
    };
    struct Workers;

    static FakeHost& of(const bp_host* host) { return *static_cast<FakeHost*>(host->host_data); }
    void fault(std::string text) const;
    bool on_driver_thread(const char* call) const;
    bool active() const {
        return state_ == State::starting || state_ == State::started || state_ == State::stopping;
    }
    bool allowed(bool condition, const char* call, const char* needed) const;
    const void* plugin_extension(const char* id);
    void check_leftovers(const char* when);
    ProbeResult run_probe(Duration limit, bool real_time);
    bool finish_jobs();
    bool serve_descriptors(Duration wait);
    bool serve_jobs();
    bool begin_waiting_actions();
    void cancel_late_actions();
    bool fire_due();
    bool pump_round();
    std::optional<std::uint64_t> next_due() const;
    void begin(ActionId id);
    static json::object parse(std::string_view text, std::string& problem);

    // Slots of the host's tables.
    static const void* get_extension(const bp_host*, const char* id);
    static void set_error(const bp_host*, bp_status, bp_str);
    static void log_write(const bp_host*, std::int32_t, bp_str);
    static std::uint64_t timer_now(const bp_host*);
    static bp_status timer_start(const bp_host*, std::uint64_t, std::uint64_t, bp_timer_fn, void*,
                                 std::uint64_t*);
    static bp_status timer_cancel(const bp_host*, std::uint64_t);
    static bp_status fd_watch(const bp_host*, std::int32_t, std::uint32_t, bp_fd_fn, void*,
                              std::uint64_t*);
    static bp_status fd_modify(const bp_host*, std::uint64_t, std::uint32_t);
    static bp_status fd_unwatch(const bp_host*, std::uint64_t);
    static bp_status worker_submit(const bp_host*, bp_work_fn, bp_work_done_fn, void*);
    static bp_status events_emit(const bp_host*, const bp_event*);
    static bp_status actions_complete(const bp_host*, std::uint64_t, bp_status, bp_str, bp_str);
    static bp_str device_descriptor(const bp_host*);
    static std::int32_t device_fd(const bp_host*);
    static bp_status device_report(const bp_host*, std::int32_t, bp_str);
    static bp_status device_describe(const bp_host*, bp_str);
    static bp_status bus_added(const bp_host*, bp_str, std::int32_t);
    static bp_status bus_removed(const bp_host*, bp_str);
    static bp_status bus_settled(const bp_host*);
    static bp_status probe_finish(const bp_host*, std::int32_t, bp_str);
    static bp_str settings_get(const bp_host*);
    static bp_status state_put(const bp_host*, bp_bytes);

    const bp_entry& entry_;
    const std::string plugin_id_;
    const std::thread::id thread_ = std::this_thread::get_id();
    bp_host c_{};
    bp_host_log log_table_{};
    bp_instance* instance_ = nullptr;
    State state_ = State::none;

    std::string descriptor_ = "{}", settings_ = "{}";
    int device_ = -1;
    std::set<std::string> missing_;
    bool concurrent_actions_ = false, follow_real_time_ = false;
    std::string error_;
    bp_status error_code_ = BP_OK;

    std::atomic<std::uint64_t> now_{1'000'000'000'000};
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, TimerEntry> timers_;
    std::map<std::uint64_t, WatchEntry> watches_;
    std::multimap<std::uint64_t, WorldTimer> world_timers_;
    std::map<int, std::function<void()>> world_fds_;
    std::shared_ptr<Workers> workers_;  // shared with its threads: one may not come back

    std::map<ActionId, OpenAction> actions_;
    std::deque<ActionId> waiting_actions_;
    std::optional<ProbeResult> probe_result_;
    bool settled_ = false;
    std::optional<std::vector<std::uint8_t>> saving_;  // inside save()
    bool saved_all_ = true;
    std::deque<std::uint64_t> recent_events_;

    std::vector<Event> events_;
    std::vector<DeviceReport> reports_;
    std::vector<json::object> descriptions_;
    std::vector<BusReport> bus_;
    std::map<std::string, json::object> devices_;

    mutable std::mutex mutex_;
    mutable std::vector<LogLine> log_;         // guarded by mutex_
    mutable std::vector<std::string> faults_;  // guarded by mutex_
};

}  // namespace backplane::testkit
