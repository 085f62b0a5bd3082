// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Runs one plug-in in a process of its own, and speaks for it.
//
// Purpose: the registry says which instances should live; the runner keeps a backplane-plugin-host for them, restarts it
// after a crash with back-off, puts the plug-in aside after too many, and turns whatever a bad plug-in does into one of
// the calls below. Thread: the main loop's. Failure: never an exception, never a wait; a dead process is plugin_down().
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backplane/core/fd.hpp"
#include "backplane/core/log.hpp"
#include "backplane/core/result.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::core {

/// Chosen by the registry; unique in the box, never reused.
using InstanceId = std::uint64_t;

/// One version of one plug-in, ready to run.
struct PluginImage {
    std::string name;     ///< "acme_scale"
    std::string id;       ///< "com.acme.scale"
    std::string version;  ///< "1.0.0"
    std::string kind;     ///< "driver" or "interface"
    std::string path;     ///< where the bytes came from, for messages
    Fd bytes;             ///< sealed memfd with the verified bytes; this is what is loaded
    boost::json::object note;
};

/// What an instance leaves to the one that takes over its device (backplane.state/1).
struct SavedState {
    std::uint32_t version = 0;  ///< of the format, chosen by the plug-in; 0: there is none
    std::vector<std::uint8_t> bytes;
};

struct InstanceSpec {
    InstanceId id = 0;
    boost::json::object descriptor;  ///< of the device; empty for an interface
    boost::json::object settings;
    Fd device;  ///< open device, or empty
    SavedState state;  ///< of the predecessor; offered before start(), which may decline it
};

/// Why a process ended or was ended, for people and for metrics.
struct ExitReason {
    enum class Kind { requested, exited, signal, hung, protocol, flood, load_failed, spawn_failed };
    Kind kind = Kind::exited;
    std::string
        text;  ///< "killed by SIGSEGV in probe()", "did not answer for 4 s, hung in start()"
};
std::string_view to_string(ExitReason::Kind kind) noexcept;

struct RunnerAction {
    InstanceId instance = 0;
    std::uint64_t id = 0;  ///< chosen by the caller, unique in the box
    std::string name;
    boost::json::object data;
    std::vector<std::uint8_t> payload;
    std::chrono::milliseconds deadline{};
};

struct RunnerEvent {
    std::string kind;
    boost::json::object data;
    std::vector<std::uint8_t> payload;
    bool transient = false;
};

/// What a plug-in says. All calls on the main loop, never from inside a call to the runner.
class RunnerListener {
public:
    virtual ~RunnerListener() = default;

    /// The process is there and has loaded the plug-in: instances may be created. After the start and each restart.
    virtual void plugin_up() = 0;
    /// The process has ended; all its instances are gone. It comes back after `restart_in`; nullopt: it was asked to
    /// end, or the plug-in was put aside.
    virtual void plugin_down(const ExitReason& reason,
                             std::optional<std::chrono::milliseconds> restart_in) = 0;
    /// Too many crashes, or it broke the contract: not started again until release() or a new version.
    virtual void plugin_put_aside(const std::string& reason) = 0;

    virtual void instance_probed(InstanceId id, bool claimed, const std::string& reason) = 0;
    virtual void instance_started(
        InstanceId id, const Result<void>& result) = 0;  ///< create() or start() failed: error
    virtual void instance_stopped(InstanceId id) = 0;    ///< destroyed; the id is over
    /// stop() has returned and everything it said before has been told: it touches its device no more.
    virtual void instance_quiesced(InstanceId id, SavedState state) = 0;

    enum class DeviceReport { ready, unreachable, lost, failed };
    virtual void device_reported(InstanceId id, DeviceReport report, const std::string& reason) = 0;
    virtual void device_described(InstanceId id, const boost::json::object& description) = 0;
    virtual void event_emitted(InstanceId id, RunnerEvent event) = 0;

    struct ActionEnd {
        bool success = false;
        boost::json::value result;
        std::string message;  ///< of a failure
        std::string code;     ///< of a failure: "BUSY", "NO_DEVICE", …
    };
    virtual void action_ended(InstanceId id, std::uint64_t action, ActionEnd end) = 0;

    // Of interfaces:
    virtual void device_added(InstanceId id, boost::json::object descriptor, Fd fd) = 0;
    virtual void device_removed(InstanceId id, const std::string& key) = 0;
    virtual void bus_settled(InstanceId id) = 0;
};

struct RunnerPolicy {
    std::vector<std::chrono::milliseconds> backoff{
        std::chrono::milliseconds{0},   std::chrono::milliseconds{100},
        std::chrono::milliseconds{300}, std::chrono::seconds{1},
        std::chrono::seconds{3},        std::chrono::seconds{10},
        std::chrono::seconds{30}};
    unsigned crashes = 5;  ///< so many within the window put the plug-in aside
    std::chrono::milliseconds window{60'000};
    std::chrono::milliseconds ping_period{1'000};
    std::chrono::milliseconds hang_limit{4'000};  ///< no sign of life for so long: killed
    std::chrono::milliseconds load_limit{5'000};  ///< from spawn to plugin_up()
    std::chrono::milliseconds stop_limit{2'000};
    std::size_t events_per_second = 2'000;  ///< averaged over 10 s; more puts the plug-in aside
    std::size_t queued_bytes = 64u << 20;   ///< unsent towards the plug-in
    std::size_t memory_mib = 256;           ///< private memory of the process
};

struct RunnerStatus {
    bool running = false;
    bool up = false;
    bool put_aside = false;
    int pid = 0;
    std::uint64_t starts = 0, crashes = 0, events = 0, actions = 0, slow_calls = 0;
    std::uint64_t faults = 0;          ///< breaches of the contract that the host has reported
    std::uint64_t dropped_events = 0;  ///< left out by the host because they came too fast
    std::string reason;                ///< of the last end, or why it was put aside
};

class PluginRunner {
public:
    /// Nothing is started. `host_program` is the path of backplane-plugin-host. The listener outlives the runner.
    static std::unique_ptr<PluginRunner> create(boost::asio::io_context& loop,
                                                std::string host_program,
                                                std::shared_ptr<const PluginImage> image,
                                                RunnerPolicy policy, RunnerListener& listener);
    virtual ~PluginRunner() =
        default;  ///< kills the process and everything it has forked, without waiting

    /// Start the process unless it runs, waits for its restart or is put aside.
    virtual void run() = 0;
    /// stop() and destroy() all instances, end the process; plugin_down() follows within stop_limit.
    virtual void shut_down() = 0;
    /// Forget the crashes; a plug-in that was put aside may run again.
    virtual void release() = 0;

    // Only while up; otherwise they do nothing (plugin_down() has said or will say so). Each gets its answer above.
    virtual void probe(
        InstanceSpec spec,
        std::chrono::milliseconds limit) = 0;   ///< create() and probe; → instance_probed
    virtual void start(InstanceSpec spec) = 0;  ///< create() and start(); → instance_started
    virtual void start_probed(
        InstanceId id) = 0;  ///< start() of an instance that claimed; → instance_started
    virtual void stop(InstanceId id) = 0;  ///< stop() and destroy(); → instance_stopped
    /// stop() without destroy(), and what it would leave to a successor; → instance_quiesced
    virtual void quiesce(InstanceId id) = 0;
    virtual void resume(
        InstanceId id) = 0;  ///< start() of a quiesced instance; → instance_started
    virtual void begin(
        RunnerAction
            action) = 0;  ///< → action_ended, exactly once unless plugin_down() comes first
    virtual void cancel(InstanceId instance, std::uint64_t action) = 0;
    virtual void set_log_level(LogLevel level) = 0;

    virtual RunnerStatus status() const = 0;
    virtual const PluginImage& image() const = 0;
};

}  // namespace backplane::core
