// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The state machine behind PluginRunner.
//
//   idle ──run()──► loading ──hello──► up ──shut_down()──► ending ──► idle
//     ▲                │ end            │ end                 │
//     │                ▼                ▼                     │
//   put_aside ◄── (too often) ◄── waiting for its restart ◄───┘
//
// Purpose: see plugin_runner.hpp. Owner: the PluginRunner that the registry holds; handlers hold a
// share only while they run. Thread: the main loop's. Failure: whatever the process does,
// plugin_down() with a reason.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/json_fields.hpp"
#include "ipc/outbox.hpp"
#include "ipc/status_page.hpp"
#include "supervisor/host_process.hpp"
#include "supervisor/output_reader.hpp"
#include "supervisor/plugin_runner.hpp"
#include "supervisor/rate_window.hpp"

namespace backplane::core {

class Runner : public std::enable_shared_from_this<Runner> {
public:
    using Clock = std::chrono::steady_clock;

    Runner(boost::asio::io_context& loop, std::string host_program,
           std::shared_ptr<const PluginImage> image, RunnerPolicy policy, RunnerListener& listener);
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;
    ~Runner() = default;

    /// The owner has gone: kill everything, call nobody any more.
    void close();

    void run();
    void shut_down();
    void release();
    void probe(InstanceSpec spec, std::chrono::milliseconds limit);
    void start(InstanceSpec spec);
    void start_probed(InstanceId id);
    void stop(InstanceId id);
    void quiesce(InstanceId id);
    void resume(InstanceId id);
    void begin(RunnerAction action);
    void cancel(InstanceId instance, std::uint64_t action);
    void set_log_level(LogLevel level);
    RunnerStatus status() const;
    const PluginImage& image() const { return *image_; }

private:
    enum class State { idle, loading, up, ending, waiting, put_aside };

    struct Instance {
        enum class State { probing, claimed, starting, started, quiescing, quiesced, stopping };
        State state = State::probing;
        bool was_started = false;
        bool settled = false;
        std::optional<Clock::time_point> answer_by;
        RateWindow said;
    };

    struct OpenAction {
        InstanceId instance = 0;
        std::size_t payload_bytes = 0;
        Clock::time_point give_up{};
        bool given_up = false;  // ended by us; its late answer is ignored
    };

    /// One process and all that ends with it.
    struct Life {
        explicit Life(boost::asio::io_context& loop) : socket(loop), exit(loop), pause(loop) {}
        HostProcess process;
        boost::asio::posix::stream_descriptor socket;
        boost::asio::posix::stream_descriptor exit;  // a second descriptor of the pidfd
        boost::asio::steady_timer pause;
        std::unique_ptr<ipc::Outbox> outbox;
        std::optional<ipc::StatusReader> page;
        std::shared_ptr<OutputReader> output;
        ipc::Packet packet;
        bool flushing = false;
        std::optional<ExitReason> reason;  // why we have ended it
        bool put_aside = false;            // and do not want it again
        std::string overdue;               // why it was sent SIGTERM
        Clock::time_point started{};
        Clock::time_point next_ping{};
        std::uint64_t ping = 0;
        std::optional<Clock::time_point> ping_sent;  // of the one that is not answered
        std::optional<Clock::time_point> terminate_at, kill_at, abandon_at, closed_at;
        Clock::time_point next_orphan_scan{};
        std::map<InstanceId, Instance> instances;
        std::map<std::uint64_t, OpenAction> actions;
        std::size_t open_payload_bytes = 0;
        RateWindow frames, event_bytes;
        Clock::time_point log_second{};
        unsigned log_lines = 0;
        std::uint64_t log_dropped = 0;
    };
    using LifePtr = std::shared_ptr<Life>;  // owners: the runner and the handler that runs

    // Calls to the listener; nothing after close().
    template <typename F>
    void tell(F&& call) noexcept;
    template <typename F>
    void tell_later(F call);

    // The process.
    void start_process();
    Result<LifePtr> make_process();
    void process_ended(const LifePtr& life, const std::optional<HostExit>& exit);
    void spawn_failed(const Error& error);
    void down(ExitReason reason, bool aside, bool counts);
    void restart_after(std::chrono::milliseconds pause);
    void end_process(ExitReason::Kind kind, std::string text, bool put_aside = false);
    void wait_for_exit(const LifePtr& life);

    // The watch.
    void arm_watch();
    void watch(const LifePtr& life);
    std::string place_of(const Life& life) const;

    // Frames.
    void wait_for_frames(const LifePtr& life);
    void receive(const LifePtr& life, std::size_t most_frames, std::size_t most_bytes, bool again);
    void on_frame(Life& life, ipc::Frame frame);
    void on_instance_frame(Life& life, ipc::Frame& frame, ipc::JsonFields& fields);
    void on_probed(Life& life, InstanceId id, bool claimed, const std::string& reason);
    void on_started(Life& life, InstanceId id, const Result<void>& result);
    void on_stopped(Life& life, InstanceId id);
    void on_quiesced(Life& life, InstanceId id, SavedState state);
    void on_action_ended(Life& life, InstanceId id, std::uint64_t action,
                         RunnerListener::ActionEnd end);
    void on_text_frame(Life& life, const ipc::Frame& frame, ipc::JsonFields& fields);
    bool count(Life& life, Instance& instance, std::size_t payload_bytes);
    void broken(std::string_view text);
    void broken(const ipc::Frame& frame, std::string_view text);
    void forget_instance(Life& life, InstanceId id, std::string_view why);
    void end_actions(Life& life, InstanceId id, std::string_view why);
    ipc::OutgoingFrame frame_with_state(ipc::FrameType type, InstanceSpec& spec,
                                        boost::json::object body);
    void send(ipc::OutgoingFrame frame);
    void arm_flush(const LifePtr& life, ipc::Outbox::Outcome outcome);

    Life* usable() const noexcept;  // null unless up and not being ended

    boost::asio::io_context& loop_;
    const std::string host_program_;
    const std::shared_ptr<const PluginImage> image_;
    const RunnerPolicy policy_;
    RunnerListener* listener_;  // null after close()

    State state_ = State::idle;
    bool run_again_ = false;
    LifePtr life_;
    boost::asio::steady_timer watch_timer_;
    boost::asio::steady_timer restart_timer_;
    std::deque<Clock::time_point> crashes_;
    unsigned spawn_failures_ = 0;
    std::optional<LogLevel> level_;
    RunnerStatus status_;
};

}  // namespace backplane::core
