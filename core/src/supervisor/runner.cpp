// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "supervisor/runner.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include <fcntl.h>
#include <unistd.h>

#include "util/utf8.hpp"

namespace backplane::core {
namespace json = boost::json;
using boost::asio::posix::stream_descriptor;
using ipc::Frame;
using ipc::FrameType;
using ipc::make_frame;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t k_frames_per_turn = 64;
constexpr std::size_t k_bytes_per_turn = std::size_t{1} << 20;
constexpr std::size_t k_last_frames = 4096;
constexpr std::size_t k_last_bytes = std::size_t{64} << 20;
constexpr std::size_t k_open_actions = 1024;
constexpr std::uint64_t k_event_bytes_per_second = std::uint64_t{64} << 20;
constexpr std::uint64_t k_other_frames_per_second = 5'000;
constexpr unsigned k_log_lines_per_second = 1000;
constexpr milliseconds k_action_grace{
    4'000};  // the host gives up 1 s after the deadline, and it must have told us
constexpr milliseconds k_term_grace{200};
constexpr milliseconds k_closed_grace{1'000};
constexpr milliseconds k_abandon_after{5'000};
constexpr milliseconds k_starved_pause{20};
constexpr std::chrono::seconds k_orphan_period{10};
constexpr int k_exit_not_loaded = 65;  // of the host, docs/reference/host-protocol.md

std::string seconds(std::chrono::nanoseconds time) {
    const auto tenths = std::chrono::duration_cast<milliseconds>(time).count() / 100;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

LogLevel level_of(std::uint64_t level) {
    return static_cast<LogLevel>(static_cast<int>(level));
}

}  // namespace

std::string_view to_string(ExitReason::Kind kind) noexcept {
    switch (kind) {
        case ExitReason::Kind::requested:
            return "requested";
        case ExitReason::Kind::exited:
            return "exited";
        case ExitReason::Kind::signal:
            return "signal";
        case ExitReason::Kind::hung:
            return "hung";
        case ExitReason::Kind::protocol:
            return "protocol";
        case ExitReason::Kind::flood:
            return "flood";
        case ExitReason::Kind::load_failed:
            return "load_failed";
        case ExitReason::Kind::spawn_failed:
            return "spawn_failed";
    }
    return "unknown";
}

Runner::Runner(boost::asio::io_context& loop, std::string host_program,
               std::shared_ptr<const PluginImage> image, RunnerPolicy policy,
               RunnerListener& listener)
    : loop_(loop),
      host_program_(std::move(host_program)),
      image_(std::move(image)),
      policy_(std::move(policy)),
      listener_(&listener),
      watch_timer_(loop),
      restart_timer_(loop) {}

void Runner::close() {
    listener_ = nullptr;
    watch_timer_.cancel();
    restart_timer_.cancel();
    if (life_) {
        const auto life = std::exchange(life_, nullptr);
        life->socket.close();
        life->exit.close();
        life->pause.cancel();
        if (life->output) life->output->finish();
        life->process.abandon(loop_);
    }
    state_ = State::idle;
}

template <typename F>
void Runner::tell(F&& call) noexcept {
    if (listener_ == nullptr) return;
    try {
        call(*listener_);
    } catch (const std::exception& error) {
        log_error("supervisor", "listener.failed",
                  {{"plugin", image_->name}, {"error", error.what()}});
    } catch (...) {
        log_error("supervisor", "listener.failed", {{"plugin", image_->name}});
    }
}

template <typename F>
void Runner::tell_later(F call) {
    boost::asio::post(loop_, [weak = weak_from_this(), call = std::move(call)]() mutable {
        if (const auto self = weak.lock()) self->tell(call);
    });
}

// ---- the process
// -----------------------------------------------------------------------------------------------------

void Runner::run() {
    if (state_ == State::ending) run_again_ = true;
    if (state_ == State::idle && listener_ != nullptr) start_process();
}

Result<Runner::LifePtr> Runner::make_process() {
    auto life = std::make_shared<Life>(loop_);
    auto sockets = ipc::make_socket_pair();
    if (!sockets) return Unexpected<Error>{sockets.error()};
    auto status_file = ipc::make_status_file();
    if (!status_file) return Unexpected<Error>{status_file.error()};
    auto page = ipc::StatusReader::map(*status_file);
    if (!page) return Unexpected<Error>{page.error()};
    std::array<int, 2> pipe_ends{};
    if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) {
        return failure("supervisor.spawn_failed",
                       std::string{"cannot create a pipe: "} + std::strerror(errno));
    }
    Fd output_read{pipe_ends[0]};
    const Fd output_write{pipe_ends[1]};
    auto process = HostProcess::start(HostStart{
        .program = host_program_,
        .arguments = {"--kind", image_->kind == "interface" ? "interface" : "driver", "--name",
                      image_->name, "--id", image_->id, "--memory-mib",
                      std::to_string(policy_.memory_mib)},
        .socket = sockets->second,
        .library = image_->bytes,
        .status = *status_file,
        .output = output_write,
    });
    if (!process) return Unexpected<Error>{process.error()};
    Fd exit_watch{::fcntl(process->pidfd(), F_DUPFD_CLOEXEC, 3)};
    if (!exit_watch) {
        process->abandon(loop_);
        return failure("supervisor.spawn_failed",
                       std::string{"cannot watch the process: "} + std::strerror(errno));
    }
    life->process = std::move(*process);
    life->page.emplace(std::move(*page));
    life->outbox = std::make_unique<ipc::Outbox>(
        sockets->first.get(),
        ipc::Outbox::Limits{policy_.queued_bytes, std::size_t{1} << 20, policy_.queued_bytes});
    life->socket.assign(sockets->first.release());
    life->exit.assign(exit_watch.release());
    life->output = std::make_shared<OutputReader>(
        loop_, std::move(output_read),
        [name = image_->name](const std::string& line, std::uint64_t dropped) {
            if (dropped != 0) {
                log_warning(name, "plugin.stderr",
                            {{"text", line}, {"dropped", std::to_string(dropped)}});
            } else {
                log_warning(name, "plugin.stderr", {{"text", line}});
            }
        });
    return life;
}

void Runner::start_process() {
    state_ = State::loading;
    run_again_ = false;
    auto life = [this]() -> Result<LifePtr> {
        try {
            return make_process();
        } catch (const std::exception& error) {
            return failure("supervisor.spawn_failed",
                           std::string{"cannot watch the process: "} + error.what());
        }
    }();
    if (!life) {
        // The listener may be the one who called us.
        boost::asio::post(loop_, [weak = weak_from_this(), error = life.error()] {
            if (const auto self = weak.lock()) self->spawn_failed(error);
        });
        return;
    }
    spawn_failures_ = 0;
    life_ = *life;
    ++status_.starts;
    life_->started = Clock::now();
    life_->next_orphan_scan = life_->started + k_orphan_period;
    life_->output->start();
    wait_for_frames(life_);
    wait_for_exit(life_);
    arm_watch();
}

void Runner::wait_for_exit(const LifePtr& life) {
    life->exit.async_wait(stream_descriptor::wait_read,
                          [weak = weak_from_this(), life](const boost::system::error_code& error) {
                              const auto self = weak.lock();
                              if (!self || error || self->life_ != life) return;
                              if (!has_ended(life->process.pidfd()))
                                  return self->wait_for_exit(life);
                              // Its last words first: why it could not be loaded, the log lines
                              // before the crash.
                              self->receive(life, k_last_frames, k_last_bytes, false);
                              if (self->life_ != life) return;
                              self->process_ended(life, life->process.reap());
                          });
}

void Runner::process_ended(const LifePtr& life, const std::optional<HostExit>& exit) {
    const std::string place = life->page ? life->page->place() : std::string{};
    const bool loading = state_ == State::loading;
    const bool was_asked = state_ == State::ending;
    // From here on none of its handlers finds it any more.
    life_.reset();
    watch_timer_.cancel();
    life->output->finish();
    life->socket.close();
    life->exit.close();
    life->pause.cancel();
    if (!exit) life->process.abandon(loop_);

    ExitReason reason;
    if (life->reason) {
        reason = *life->reason;
    } else if (was_asked && exit && !exit->by_signal && exit->value == 0) {
        reason = {ExitReason::Kind::requested, "asked to end"};
    } else if (!life->overdue.empty()) {
        reason = {ExitReason::Kind::hung, life->overdue};
    } else if (exit && exit->by_signal) {
        reason = {ExitReason::Kind::signal, exit->text() + (place.empty() ? "" : " " + place)};
    } else if (exit && loading && exit->value == k_exit_not_loaded) {
        reason = {ExitReason::Kind::load_failed, "it could not be loaded"};
    } else {
        reason = {ExitReason::Kind::exited,
                  "ended by itself" +
                      (exit ? " with exit status " + std::to_string(exit->value) : std::string{}) +
                      (place.empty() ? "" : " " + place)};
    }
    const bool requested = was_asked || reason.kind == ExitReason::Kind::requested;
    down(std::move(reason), life->put_aside, !requested);
    // After the restart has begun: this may read many files of /proc.
    boost::asio::post(loop_, [&loop = loop_] { reap_orphans(loop); });
}

void Runner::spawn_failed(const Error& error) {
    if (state_ != State::loading || life_) return;
    ++spawn_failures_;
    down({ExitReason::Kind::spawn_failed, error.text}, false, false);
}

void Runner::down(ExitReason reason, bool aside, bool counts) {
    const auto self = shared_from_this();  // the listener may destroy our owner
    const bool asked = state_ == State::ending;
    const bool again = run_again_;
    run_again_ = false;
    status_.reason = reason.text;
    const auto now = Clock::now();
    if (counts) {
        ++status_.crashes;
        crashes_.push_back(now);
        while (!crashes_.empty() && now - crashes_.front() > policy_.window) crashes_.pop_front();
    }
    std::string aside_reason;
    const std::string who = "plug-in " + image_->name + " " + image_->version;
    if (aside) {
        aside_reason = who + " was put aside: " + reason.text;
    } else if (counts && crashes_.size() >= policy_.crashes) {
        aside_reason = who + " was put aside after " + std::to_string(crashes_.size()) +
                       (crashes_.size() == 1 ? " crash within " : " crashes within ") +
                       seconds(policy_.window) + ", the last: " + reason.text +
                       ". Install another version of it, or release it to try again";
    }
    std::optional<milliseconds> restart;
    if (!aside_reason.empty()) {
        state_ = State::put_aside;
        status_.reason = aside_reason;
    } else if (asked && !again) {
        state_ = State::idle;
    } else {
        state_ = State::waiting;
        if (asked) {
            restart = milliseconds{0};
        } else {
            const std::size_t step = counts ? crashes_.size() - 1 : std::max(1u, spawn_failures_);
            restart = policy_.backoff.empty()
                          ? milliseconds{1000}
                          : policy_.backoff[std::min(step, policy_.backoff.size() - 1)];
        }
    }
    const auto level =
        reason.kind == ExitReason::Kind::requested ? LogLevel::info : LogLevel::warning;
    log(level, "supervisor", "plugin.down",
        {{"plugin", image_->name}, {"kind", to_string(reason.kind)}, {"reason", reason.text}});
    tell([&](RunnerListener& l) { l.plugin_down(reason, restart); });
    if (state_ == State::put_aside && !aside_reason.empty()) {
        log_error("supervisor", "plugin.put_aside",
                  {{"plugin", image_->name}, {"reason", aside_reason}});
        tell([&](RunnerListener& l) { l.plugin_put_aside(aside_reason); });
    } else if (state_ == State::waiting && restart && listener_ != nullptr) {
        restart_after(*restart);
    }
}

void Runner::restart_after(milliseconds pause) {
    if (pause.count() == 0) return start_process();
    restart_timer_.expires_after(pause);
    restart_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self && !error && self->state_ == State::waiting) self->start_process();
    });
}

void Runner::shut_down() {
    run_again_ = false;
    switch (state_) {
        case State::idle:
        case State::put_aside:
        case State::ending:
            return;
        case State::waiting:
            restart_timer_.cancel();
            state_ = State::idle;
            // It was announced to come back.
            tell_later([](RunnerListener& l) {
                l.plugin_down({ExitReason::Kind::requested, "asked to end"}, std::nullopt);
            });
            return;
        case State::loading:
        case State::up:
            break;
    }
    if (!life_) {  // the failed start is about to be reported
        state_ = State::ending;
        boost::asio::post(loop_, [weak = weak_from_this()] {
            const auto self = weak.lock();
            if (self && self->state_ == State::ending && !self->life_) {
                self->down({ExitReason::Kind::requested, "asked to end"}, false, false);
            }
        });
        return;
    }
    state_ = State::ending;
    send(make_frame(FrameType::shut_down));
    if (life_) life_->terminate_at = Clock::now() + policy_.stop_limit;
    arm_watch();
}

void Runner::release() {
    crashes_.clear();
    spawn_failures_ = 0;
    if (state_ == State::put_aside) state_ = State::idle;
}

void Runner::end_process(ExitReason::Kind kind, std::string text, bool put_aside) {
    if (!life_ || life_->reason) return;
    life_->reason = ExitReason{kind, std::move(text)};
    life_->put_aside = put_aside;
    life_->abandon_at = Clock::now() + k_abandon_after;
    life_->process.kill();
    arm_watch();
}

// ---- the watch
// ----------------------------------------------------------------------------------------------------

void Runner::arm_watch() {
    if (!life_) return;
    const Life& life = *life_;
    auto next = Clock::time_point::max();
    const auto consider = [&next](const std::optional<Clock::time_point>& at) {
        if (at) next = std::min(next, *at);
    };
    if (life.reason) {
        consider(life.abandon_at);
    } else {
        consider(life.closed_at);
        consider(life.terminate_at);
        consider(life.kill_at);
        if (state_ == State::loading) consider(life.started + policy_.load_limit);
        if (state_ == State::up || state_ == State::ending) {
            consider(life.next_ping);
            if (life.ping_sent) consider(*life.ping_sent + policy_.hang_limit);
        }
        for (const auto& [id, instance] : life.instances) consider(instance.answer_by);
    }
    watch_timer_.expires_at(next);
    watch_timer_.async_wait(
        [weak = weak_from_this(), life = life_](const boost::system::error_code& error) {
            const auto self = weak.lock();
            if (self && !error && self->life_ == life) self->watch(life);
        });
}

std::string Runner::place_of(const Life& life) const {
    const std::string place = life.page ? life.page->place() : std::string{};
    if (place.empty()) return {};
    const auto running = life.page->running_for(ipc::monotonic_now());
    return ", hung " + place + (running.count() > 0 ? " for " + seconds(running) : std::string{});
}

void Runner::watch(const LifePtr& life) {
    // We may be the ones who were late (a busy machine): what it has said in time counts.
    receive(life, 8 * k_frames_per_turn, 8 * k_bytes_per_turn, false);
    if (life_ != life) return;
    const auto now = Clock::now();
    const auto due = [now](const std::optional<Clock::time_point>& at) { return at && *at <= now; };
    if (life->reason) {
        if (due(life->abandon_at)) {
            life->reason->text += "; the system cannot end it, it is left to itself";
            return process_ended(life, std::nullopt);
        }
        return arm_watch();
    }
    if (due(life->closed_at)) {
        end_process(ExitReason::Kind::protocol,
                    "closed its connection but went on running" + place_of(*life));
    } else if (state_ == State::loading && now >= life->started + policy_.load_limit) {
        end_process(ExitReason::Kind::load_failed,
                    "was not loaded within " + seconds(policy_.load_limit) + place_of(*life));
    } else if (due(life->kill_at)) {
        end_process(ExitReason::Kind::hung, life->overdue);
    } else if (due(life->terminate_at)) {
        life->terminate_at.reset();
        life->kill_at = now + k_term_grace;
        // Noted before the signal, which takes the place away; SIGTERM is a courtesy to plug-ins
        // that catch it.
        life->overdue = "did not end within " + seconds(policy_.stop_limit) + place_of(*life);
        life->process.terminate();
    } else if (life->ping_sent && now >= *life->ping_sent + policy_.hang_limit) {
        const std::string place = place_of(*life);
        end_process(ExitReason::Kind::hung,
                    "did not answer for " + seconds(now - *life->ping_sent) +
                        (place.empty() ? ", busy outside of the plug-in's functions" : place));
    } else {
        for (const auto& [id, instance] : life->instances) {
            if (!due(instance.answer_by)) continue;
            const char* what = instance.state == Instance::State::probing     ? "a probe of"
                               : instance.state == Instance::State::stopping  ? "the stop of"
                               : instance.state == Instance::State::quiescing ? "the quiesce of"
                                                                              : "the start of";
            end_process(ExitReason::Kind::hung, std::string{"did not finish "} + what +
                                                    " instance " + std::to_string(id) + " in time" +
                                                    place_of(*life));
            break;
        }
    }
    if (life->reason) return;
    if ((state_ == State::up || state_ == State::ending) && now >= life->next_ping) {
        if (!life->ping_sent) {
            life->ping_sent = now;
            send(make_frame(FrameType::ping, 0, ++life->ping));
            if (life_ != life) return;
        }
        life->next_ping = now + policy_.ping_period;
        for (auto& [id, action] : life->actions) {
            if (action.given_up || action.give_up > now) continue;
            action.given_up = true;
            tell([&, instance = action.instance, number = id](RunnerListener& l) {
                l.action_ended(instance, number,
                               {false, nullptr, "the driver did not finish in time", "TIMEOUT"});
            });
            if (life_ != life) return;
        }
        if (now >= life->next_orphan_scan) {
            life->next_orphan_scan = now + k_orphan_period;
            reap_orphans(loop_);
        }
    }
    arm_watch();
}

// ---- frames out
// ---------------------------------------------------------------------------------------------------

Runner::Life* Runner::usable() const noexcept {
    return state_ == State::up && life_ && !life_->reason ? life_.get() : nullptr;
}

void Runner::send(ipc::OutgoingFrame frame) {
    if (!life_ || life_->reason) return;
    const auto type = frame.type;
    const auto outcome = life_->outbox->push(std::move(frame), ipc::Importance::needed);
    if (outcome == ipc::Outbox::Outcome::full) {
        return end_process(ExitReason::Kind::hung,
                           "does not read: " + std::to_string(life_->outbox->waiting_bytes()) +
                               " bytes wait for it, " + std::string{ipc::to_string(type)} +
                               " would be too much" + place_of(*life_));
    }
    arm_flush(life_, outcome);
}

void Runner::arm_flush(const LifePtr& life, ipc::Outbox::Outcome outcome) {
    // "gone" is not acted on here: the end of the process says more than the end of its socket.
    const bool waiting = outcome == ipc::Outbox::Outcome::waiting;
    if ((!waiting && outcome != ipc::Outbox::Outcome::starved) || life->flushing) return;
    life->flushing = true;
    auto flush = [weak = weak_from_this(), life](const boost::system::error_code& error) {
        const auto self = weak.lock();
        life->flushing = false;
        if (!self || error || self->life_ != life) return;
        self->arm_flush(life, life->outbox->flush());
    };
    if (waiting) {
        life->socket.async_wait(stream_descriptor::wait_write, std::move(flush));
    } else {
        life->pause.expires_after(k_starved_pause);
        life->pause.async_wait(std::move(flush));
    }
}

ipc::OutgoingFrame Runner::frame_with_state(FrameType type, InstanceSpec& spec, json::object body) {
    body["descriptor"] = std::move(spec.descriptor);
    body["settings"] = std::move(spec.settings);
    const bool has_state = spec.state.version != 0 && spec.state.bytes.size() <= ipc::k_state_bytes;
    if (has_state) body["state_version"] = spec.state.version;
    auto frame = make_frame(type, spec.id, 0, body);
    frame.device = std::move(spec.device);
    // Without what it should have taken over it starts as if it were the first, which always works.
    if (has_state) {
        frame.payload = std::move(spec.state.bytes);
    } else if (!spec.state.bytes.empty()) {
        log_warning(image_->name, "plugin.state_left_out",
                    {{"instance", std::to_string(spec.id)},
                     {"version", std::to_string(spec.state.version)},
                     {"bytes", std::to_string(spec.state.bytes.size())}});
    }
    return frame;
}

void Runner::probe(InstanceSpec spec, milliseconds limit) {
    Life* life = usable();
    if (life == nullptr) return;
    if (spec.id == 0 || life->instances.count(spec.id) != 0) {
        return tell_later([id = spec.id](RunnerListener& l) {
            l.instance_probed(id, false, "its number is in use");
        });
    }
    limit = std::clamp(limit, milliseconds{1}, milliseconds{600'000});
    Instance& instance = life->instances[spec.id];
    instance.answer_by = Clock::now() + limit + policy_.hang_limit;
    send(frame_with_state(FrameType::probe, spec, json::object{{"limit_ms", limit.count()}}));
    arm_watch();
}

void Runner::start(InstanceSpec spec) {
    Life* life = usable();
    if (life == nullptr) return;
    if (spec.id == 0 || life->instances.count(spec.id) != 0) {
        return tell_later([id = spec.id](RunnerListener& l) {
            l.instance_started(
                id, failure("plugin.BAD_STATE", "cannot start the instance: its number is in use"));
        });
    }
    Instance& instance = life->instances[spec.id];
    instance.state = Instance::State::starting;
    instance.answer_by = Clock::now() + 2 * policy_.hang_limit;
    send(frame_with_state(FrameType::start, spec, {}));
    arm_watch();
}

void Runner::start_probed(InstanceId id) {
    Life* life = usable();
    if (life == nullptr) return;
    const auto found = life->instances.find(id);
    if (found == life->instances.end() || found->second.state != Instance::State::claimed) {
        return tell_later([id](RunnerListener& l) {
            l.instance_started(id, failure("plugin.BAD_STATE",
                                           "cannot start the instance: it has claimed no device"));
        });
    }
    found->second.state = Instance::State::starting;
    found->second.answer_by = Clock::now() + 2 * policy_.hang_limit;
    send(make_frame(FrameType::start_probed, id));
    arm_watch();
}

void Runner::stop(InstanceId id) {
    Life* life = usable();
    if (life == nullptr) return;
    const auto found = life->instances.find(id);
    if (found == life->instances.end()) {
        return tell_later([id](RunnerListener& l) { l.instance_stopped(id); });
    }
    if (found->second.state == Instance::State::stopping) return;
    found->second.state = Instance::State::stopping;
    found->second.answer_by = Clock::now() + policy_.stop_limit;
    send(make_frame(FrameType::stop, id));
    arm_watch();
}

void Runner::quiesce(InstanceId id) {
    Life* life = usable();
    if (life == nullptr) return;
    const auto found = life->instances.find(id);
    if (found == life->instances.end()) return stop(id);
    switch (found->second.state) {
        case Instance::State::probing:
        case Instance::State::claimed:
            return stop(id);  // never started: there is nothing to come back to
        case Instance::State::starting:
        case Instance::State::started:
            break;
        case Instance::State::quiescing:
        case Instance::State::quiesced:
        case Instance::State::stopping:
            return;
    }
    // One that is starting has its own limit to answer first, and then this one.
    found->second.answer_by = std::max(found->second.answer_by.value_or(Clock::time_point{}),
                                       Clock::now() + policy_.stop_limit);
    found->second.state = Instance::State::quiescing;
    send(make_frame(FrameType::quiesce, id));
    arm_watch();
}

void Runner::resume(InstanceId id) {
    Life* life = usable();
    if (life == nullptr) return;
    const auto found = life->instances.find(id);
    if (found == life->instances.end() || found->second.state != Instance::State::quiesced) {
        return tell_later([id](RunnerListener& l) {
            l.instance_started(
                id, failure("plugin.BAD_STATE", "cannot resume the instance: it is not quiesced"));
        });
    }
    found->second.state = Instance::State::starting;
    found->second.settled = false;
    found->second.answer_by = Clock::now() + 2 * policy_.hang_limit;
    send(make_frame(FrameType::resume, id));
    arm_watch();
}

void Runner::begin(RunnerAction action) {
    Life* life = usable();
    if (life == nullptr) return;
    const auto refuse = [&](std::string message, std::string code) {
        tell_later([instance = action.instance, id = action.id, message = std::move(message),
                    code = std::move(code)](RunnerListener& l) {
            l.action_ended(instance, id, {false, nullptr, message, code});
        });
    };
    const auto found = life->instances.find(action.instance);
    if (found == life->instances.end() || (found->second.state != Instance::State::started &&
                                           found->second.state != Instance::State::starting)) {
        return refuse("the device is not in use by its driver", "NO_DEVICE");
    }
    if (action.id == 0 || life->actions.count(action.id) != 0)
        return refuse("its number is in use", "INVALID");
    if (life->actions.size() >= k_open_actions ||
        life->open_payload_bytes + action.payload.size() > policy_.queued_bytes) {
        return refuse("the driver has too much to do: try again", "BUSY");
    }
    if (action.payload.size() > ipc::k_payload_bytes) {
        return refuse("the data is larger than 32 MiB", "INVALID");
    }
    const milliseconds deadline =
        std::clamp(action.deadline, milliseconds{0}, milliseconds{86'400'000});
    auto frame = make_frame(FrameType::begin, action.instance, action.id,
                            json::object{{"name", action.name},
                                         {"data", std::move(action.data)},
                                         {"deadline_ms", deadline.count()}});
    if (frame.json.size() > ipc::k_json_bytes)
        return refuse("the data is larger than 2 MiB", "INVALID");
    life->actions.emplace(action.id, OpenAction{action.instance, action.payload.size(),
                                                Clock::now() + deadline + k_action_grace, false});
    life->open_payload_bytes += action.payload.size();
    ++status_.actions;
    frame.payload = std::move(action.payload);
    send(std::move(frame));
}

void Runner::cancel(InstanceId instance, std::uint64_t action) {
    Life* life = usable();
    if (life == nullptr) return;
    const auto found = life->actions.find(action);
    if (found == life->actions.end() || found->second.instance != instance) return;
    send(make_frame(FrameType::cancel, instance, action));
}

void Runner::set_log_level(LogLevel level) {
    level_ = level;
    if (usable() != nullptr) {
        send(make_frame(FrameType::set_log_level, 0, 0,
                        json::object{{"level", static_cast<int>(level)}}));
    }
}

RunnerStatus Runner::status() const {
    RunnerStatus status = status_;
    status.running = life_ != nullptr;
    status.up = state_ == State::up;
    status.put_aside = state_ == State::put_aside;
    status.pid = life_ ? static_cast<int>(life_->process.pid()) : 0;
    return status;
}

// ---- frames in
// ----------------------------------------------------------------------------------------------------

void Runner::wait_for_frames(const LifePtr& life) {
    life->socket.async_wait(
        stream_descriptor::wait_read,
        [weak = weak_from_this(), life](const boost::system::error_code& error) {
            const auto self = weak.lock();
            if (!self || error || self->life_ != life) return;
            self->receive(life, k_frames_per_turn, k_bytes_per_turn, true);
        });
}

void Runner::receive(const LifePtr& life, std::size_t most_frames, std::size_t most_bytes,
                     bool again) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < most_frames && bytes < most_bytes; ++i) {
        // What a process says after we have decided to end it is of no interest.
        if (life->reason || life->closed_at) return;
        const auto received = ipc::receive_packet(life->socket.native_handle(), life->packet);
        if (received == ipc::Received::nothing) break;
        if (received == ipc::Received::closed) {
            // Its exit is on the way, and says more than this. If it is not, the process plays
            // games.
            life->closed_at = Clock::now() + k_closed_grace;
            return arm_watch();
        }
        if (received == ipc::Received::broken) return broken(life->packet.problem);
        auto frame = ipc::decode_frame(life->packet.bytes, std::move(life->packet.fds),
                                       ipc::Direction::to_core);
        life->packet.fds.clear();
        if (!frame) return broken(frame.error().text);
        bytes += frame->bytes;
        on_frame(*life, std::move(*frame));
        if (life_ != life) return;
    }
    if (again) wait_for_frames(life);
}

void Runner::broken(std::string_view text) {
    end_process(ExitReason::Kind::protocol, "sent a broken frame: " + to_printable(text, 500));
}

void Runner::broken(const Frame& frame, std::string_view text) {
    broken(std::string{ipc::to_string(frame.type)} + ": " + std::string{text});
}

void Runner::on_frame(Life& life, Frame frame) {
    const std::uint64_t per_second =
        policy_.events_per_second * (life.instances.size() + 1) + k_other_frames_per_second;
    if (life.frames.add(1) > per_second * RateWindow::k_slots) {
        return end_process(
            ExitReason::Kind::flood,
            "sent more than " + std::to_string(per_second) + " messages a second for 10 s", true);
    }
    ipc::JsonFields fields{frame.body};
    switch (frame.type) {
        case FrameType::log:
        case FrameType::fault:
        case FrameType::slow_call:
        case FrameType::dropped:
            return on_text_frame(life, frame, fields);
        case FrameType::hello: {
            if (state_ == State::ending) return;  // asked to end before it was loaded
            if (state_ != State::loading) return broken(frame, "said twice");
            state_ = State::up;
            life.next_ping = Clock::now() + policy_.ping_period;
            arm_watch();
            const LogLevel level = level_ ? *level_ : log_level(image_->name);
            send(make_frame(FrameType::set_log_level, 0, 0,
                            json::object{{"level", static_cast<int>(level)}}));
            log_debug("supervisor", "plugin.up",
                      {{"plugin", image_->name}, {"version", image_->version}});
            return tell([](RunnerListener& l) { l.plugin_up(); });
        }
        case FrameType::load_failed: {
            std::string text = fields.text("text", ipc::k_text_bytes);
            if (!fields.problem().empty()) return broken(frame, fields.problem());
            if (state_ != State::loading) return broken(frame, "after it was loaded");
            // Loading it again would end in the same way.
            return end_process(ExitReason::Kind::load_failed, to_printable(text, ipc::k_text_bytes),
                               true);
        }
        case FrameType::pong:
            if (frame.request != life.ping || !life.ping_sent)
                return broken(frame, "without a ping");
            life.ping_sent.reset();
            return;
        case FrameType::bye:
            return;
        default:
            break;
    }
    if (state_ == State::loading) return broken(frame, "before hello");
    on_instance_frame(life, frame, fields);
}

bool Runner::count(Life& life, Instance& instance, std::size_t payload_bytes) {
    if (instance.said.add(1) > policy_.events_per_second * RateWindow::k_slots) {
        end_process(ExitReason::Kind::flood,
                    "sent more than " + std::to_string(policy_.events_per_second) +
                        " events a second for 10 s",
                    true);
        return false;
    }
    if (life.event_bytes.add(payload_bytes) > k_event_bytes_per_second * RateWindow::k_slots) {
        end_process(ExitReason::Kind::flood, "sent more than 64 MiB a second for 10 s", true);
        return false;
    }
    return true;
}

void Runner::on_instance_frame(Life& life, Frame& frame, ipc::JsonFields& fields) {
    const InstanceId id = frame.instance;
    const auto found = life.instances.find(id);
    if (found == life.instances.end()) {
        return broken(frame, "of instance " + std::to_string(id) + ", which it does not have");
    }
    Instance& instance = found->second;
    const bool at_work = instance.state == Instance::State::started ||
                         ((instance.state == Instance::State::stopping ||
                           instance.state == Instance::State::quiescing) &&
                          instance.was_started);
    const bool is_interface = image_->kind == "interface";
    const auto bad = [&] {
        if (fields.problem().empty()) return false;
        broken(frame, fields.problem());
        return true;
    };
    switch (frame.type) {
        case FrameType::probed: {
            const bool claimed = fields.flag("claimed");
            const std::string reason = fields.text("reason", ipc::k_text_bytes);
            if (bad()) return;
            if (instance.state != Instance::State::probing &&
                instance.state != Instance::State::stopping) {
                return broken(frame, "without a probe");
            }
            return on_probed(life, id, claimed, to_printable(reason, ipc::k_text_bytes));
        }
        case FrameType::started: {
            Result<void> result;
            if (!fields.flag("ok") && fields.problem().empty()) {
                const std::string code = fields.text("code", ipc::k_code_bytes);
                const std::string text = fields.text("text", ipc::k_text_bytes);
                result = failure("plugin." + to_printable(code, ipc::k_code_bytes),
                                 to_printable(text, ipc::k_text_bytes));
            }
            if (bad()) return;
            if (instance.state != Instance::State::starting &&
                instance.state != Instance::State::stopping &&
                (instance.state != Instance::State::quiescing || instance.was_started)) {
                return broken(frame, "without a start");
            }
            return on_started(life, id, result);
        }
        case FrameType::stopped:
            if (instance.state != Instance::State::stopping && state_ != State::ending) {
                return broken(frame, "without a stop");
            }
            return on_stopped(life, id);
        case FrameType::quiesced: {
            SavedState state;
            state.version = static_cast<std::uint32_t>(
                fields.number("version", 0, std::numeric_limits<std::uint32_t>::max()));
            if (bad()) return;
            if (frame.payload.size() > ipc::k_state_bytes)
                return broken(frame, "its state is larger than 1 MiB");
            if (state.version == 0 && !frame.payload.empty())
                return broken(frame, "a state without a version");
            if ((instance.state != Instance::State::quiescing &&
                 instance.state != Instance::State::stopping) ||
                !instance.was_started) {
                return broken(frame, "without a quiesce");
            }
            state.bytes = std::move(frame.payload);
            return on_quiesced(life, id, std::move(state));
        }
        case FrameType::action_ended: {
            RunnerListener::ActionEnd end;
            end.success = fields.flag("success");
            end.result = fields.value("result");
            end.message = fields.text("message", ipc::k_text_bytes);
            end.code = fields.text("code", ipc::k_code_bytes);
            if (bad()) return;
            if (!end.result.is_null() &&
                frame.bytes > ipc::k_result_bytes + 4 * ipc::k_text_bytes) {
                return broken(frame, "its result is larger than 1 MiB");
            }
            return on_action_ended(life, id, frame.request, std::move(end));
        }
        case FrameType::device_described: {
            json::object description = fields.object("description");
            if (bad()) return;
            if (is_interface) return broken(frame, "not for interfaces to say");
            if (frame.bytes > ipc::k_object_bytes + 1024)
                return broken(frame, "larger than 32 KiB");
            if (!count(life, instance, 0)) return;
            return tell([&](RunnerListener& l) { l.device_described(id, description); });
        }
        default:
            break;
    }

    if (!at_work)
        return broken(frame, "of instance " + std::to_string(id) + ", which is not started");
    if (!count(life, instance, frame.payload.size())) return;
    switch (frame.type) {
        case FrameType::event: {
            RunnerEvent event;
            event.kind = fields.text("kind", ipc::k_kind_bytes);
            event.data = fields.object("data");
            event.transient = fields.flag("transient");
            if (bad()) return;
            if (frame.bytes - frame.payload.size() > ipc::k_object_bytes + 1024) {
                return broken(frame, "its data is larger than 32 KiB");
            }
            event.payload = std::move(frame.payload);
            ++status_.events;
            return tell([&](RunnerListener& l) { l.event_emitted(id, std::move(event)); });
        }
        case FrameType::device_report: {
            const auto state = fields.number("state", 1, 4);
            const std::string reason = fields.text("reason", ipc::k_text_bytes);
            if (bad()) return;
            if (is_interface) return broken(frame, "not for interfaces to say");
            constexpr std::array reports{
                RunnerListener::DeviceReport::ready, RunnerListener::DeviceReport::unreachable,
                RunnerListener::DeviceReport::lost, RunnerListener::DeviceReport::failed};
            return tell([&](RunnerListener& l) {
                l.device_reported(id, reports[state - 1], to_printable(reason, ipc::k_text_bytes));
            });
        }
        case FrameType::device_added: {
            json::object descriptor = fields.object("descriptor");
            if (bad()) return;
            const json::value* key = descriptor.if_contains("key");
            if (key == nullptr || !key->is_string() || key->get_string().empty() ||
                key->get_string().size() > ipc::k_key_bytes) {
                return broken(frame, "a descriptor without a key of at most 1 KiB");
            }
            if (frame.bytes > ipc::k_object_bytes + 1024)
                return broken(frame, "larger than 32 KiB");
            if (!is_interface) return broken(frame, "not for drivers to say");
            return tell([&](RunnerListener& l) {
                l.device_added(id, std::move(descriptor), std::move(frame.device));
            });
        }
        case FrameType::device_removed: {
            const std::string key = fields.text("key", ipc::k_key_bytes);
            if (bad()) return;
            if (!is_interface) return broken(frame, "not for drivers to say");
            return tell([&](RunnerListener& l) { l.device_removed(id, key); });
        }
        case FrameType::bus_settled:
            if (!is_interface) return broken(frame, "not for drivers to say");
            if (std::exchange(instance.settled, true)) return broken(frame, "said twice");
            return tell([&](RunnerListener& l) { l.bus_settled(id); });
        default:
            return broken(frame, "not understood");
    }
}

void Runner::on_probed(Life& life, InstanceId id, bool claimed, const std::string& reason) {
    Instance& instance = life.instances.at(id);
    if (instance.state == Instance::State::stopping) {
        // It was asked to stop in the meantime; who is gone already has stopped.
        if (!claimed) on_stopped(life, id);
        return;
    }
    if (claimed) {
        instance.state = Instance::State::claimed;
        instance.answer_by.reset();
    } else {
        life.instances.erase(id);
    }
    tell([&](RunnerListener& l) { l.instance_probed(id, claimed, reason); });
}

void Runner::on_started(Life& life, InstanceId id, const Result<void>& result) {
    Instance& instance = life.instances.at(id);
    if (instance.state == Instance::State::stopping) {
        instance.was_started = result.has_value();
        if (!result) on_stopped(life, id);
        return;
    }
    if (result) {
        instance.was_started = true;
        if (instance.state == Instance::State::starting) {
            instance.state = Instance::State::started;
            instance.answer_by.reset();
        }
        return tell([&](RunnerListener& l) { l.instance_started(id, result); });
    }
    const auto self = shared_from_this();
    forget_instance(life, id, "the driver could not be started");
    tell([&](RunnerListener& l) { l.instance_started(id, result); });
}

void Runner::on_stopped(Life& life, InstanceId id) {
    const auto self = shared_from_this();
    forget_instance(life, id, "the driver was stopped");
    tell([&](RunnerListener& l) { l.instance_stopped(id); });
}

void Runner::on_quiesced(Life& life, InstanceId id, SavedState state) {
    Instance& instance = life.instances.at(id);
    instance.was_started = false;
    if (instance.state == Instance::State::stopping) return;  // its end is the answer now
    instance.state = Instance::State::quiesced;
    instance.answer_by.reset();
    const auto self = shared_from_this();
    end_actions(life, id, "the driver was stopped");
    tell([&](RunnerListener& l) { l.instance_quiesced(id, std::move(state)); });
}

void Runner::forget_instance(Life& life, InstanceId id, std::string_view why) {
    life.instances.erase(id);
    end_actions(life, id, why);
}

void Runner::end_actions(Life& life, InstanceId id, std::string_view why) {
    // Exactly one end for each action, also if the process forgets some.
    std::vector<std::uint64_t> open;
    for (auto at = life.actions.begin(); at != life.actions.end();) {
        if (at->second.instance != id) {
            ++at;
            continue;
        }
        if (!at->second.given_up) open.push_back(at->first);
        life.open_payload_bytes -= at->second.payload_bytes;
        at = life.actions.erase(at);
    }
    for (const auto action : open) {
        tell([&](RunnerListener& l) {
            l.action_ended(id, action, {false, nullptr, std::string{why}, "CANCELLED"});
        });
    }
}

void Runner::on_action_ended(Life& life, InstanceId id, std::uint64_t action,
                             RunnerListener::ActionEnd end) {
    const auto found = life.actions.find(action);
    if (found == life.actions.end() || found->second.instance != id) {
        return broken("action_ended: of action " + std::to_string(action) + ", which is not open");
    }
    const bool given_up = found->second.given_up;
    life.open_payload_bytes -= found->second.payload_bytes;
    life.actions.erase(found);
    if (given_up) return;
    end.message = to_printable(end.message, ipc::k_text_bytes);
    end.code = to_printable(end.code, ipc::k_code_bytes);
    tell([&](RunnerListener& l) { l.action_ended(id, action, std::move(end)); });
}

void Runner::on_text_frame(Life& life, const Frame& frame, ipc::JsonFields& fields) {
    const std::string instance =
        frame.instance == 0 ? std::string{} : std::to_string(frame.instance);
    LogLevel level = LogLevel::warning;
    std::string_view event;
    std::string text;
    switch (frame.type) {
        case FrameType::log:
            level = level_of(fields.number("level", 1, 4));
            text = fields.text("text", ipc::k_text_bytes);
            event = "plugin.log";
            break;
        case FrameType::fault:
            text = fields.text("text", ipc::k_text_bytes);
            event = "plugin.fault";
            if (fields.problem().empty()) ++status_.faults;
            break;
        case FrameType::slow_call: {
            const std::string call = fields.text("call", ipc::k_code_bytes);
            text = call + " took " + std::to_string(fields.number("ms", 0, 1'000'000'000)) + " ms";
            event = "plugin.slow_call";
            if (fields.problem().empty()) ++status_.slow_calls;
            break;
        }
        default: {
            constexpr std::uint64_t any = ~std::uint64_t{0};
            const auto events = fields.number("events", 0, any);
            const auto lines = fields.number("lines", 0, any);
            const auto faults = fields.number("faults", 0, any);
            text = std::to_string(events) + " events, " + std::to_string(lines) + " log lines, " +
                   std::to_string(faults) + " faults";
            event = "plugin.dropped";
            status_.dropped_events += events;
            break;
        }
    }
    if (!fields.problem().empty()) return broken(frame, fields.problem());
    const auto now = Clock::now();
    if (now - life.log_second >= std::chrono::seconds{1}) {
        life.log_second = now;
        life.log_lines = 0;
        if (life.log_dropped != 0) {
            log_warning(image_->name, "plugin.dropped",
                        {{"text", std::to_string(life.log_dropped) + " log lines"}});
            life.log_dropped = 0;
        }
    }
    // The host has the same limit; this one holds when somebody else speaks in its name.
    if (++life.log_lines > k_log_lines_per_second + 50) {
        ++life.log_dropped;
        return;
    }
    if (instance.empty()) {
        log(level, image_->name, event, {{"text", text}});
    } else {
        log(level, image_->name, event, {{"instance", instance}, {"text", text}});
    }
}

// ---- the public face
// ------------------------------------------------------------------------------------------------

namespace {

/// What the registry owns. The runner itself may be in the middle of a handler when its owner goes.
class OwnedRunner final : public PluginRunner {
public:
    explicit OwnedRunner(std::shared_ptr<Runner> runner) : runner_(std::move(runner)) {}
    OwnedRunner(const OwnedRunner&) = delete;
    OwnedRunner& operator=(const OwnedRunner&) = delete;
    ~OwnedRunner() override { runner_->close(); }

    void run() override { runner_->run(); }
    void shut_down() override { runner_->shut_down(); }
    void release() override { runner_->release(); }
    void probe(InstanceSpec spec, milliseconds limit) override {
        runner_->probe(std::move(spec), limit);
    }
    void start(InstanceSpec spec) override { runner_->start(std::move(spec)); }
    void start_probed(InstanceId id) override { runner_->start_probed(id); }
    void stop(InstanceId id) override { runner_->stop(id); }
    void quiesce(InstanceId id) override { runner_->quiesce(id); }
    void resume(InstanceId id) override { runner_->resume(id); }
    void begin(RunnerAction action) override { runner_->begin(std::move(action)); }
    void cancel(InstanceId instance, std::uint64_t action) override {
        runner_->cancel(instance, action);
    }
    void set_log_level(LogLevel level) override { runner_->set_log_level(level); }
    RunnerStatus status() const override { return runner_->status(); }
    const PluginImage& image() const override { return runner_->image(); }

private:
    std::shared_ptr<Runner> runner_;
};

}  // namespace

std::unique_ptr<PluginRunner> PluginRunner::create(boost::asio::io_context& loop,
                                                   std::string host_program,
                                                   std::shared_ptr<const PluginImage> image,
                                                   RunnerPolicy policy, RunnerListener& listener) {
    // Without it, orphans of plug-ins would go to init, out of our reach. Again and again is free.
    if (!become_subreaper()) {
        log_warning("supervisor", "subreaper.failed", {{"error", std::strerror(errno)}});
    }
    return std::make_unique<OwnedRunner>(std::make_shared<Runner>(
        loop, std::move(host_program), std::move(image), std::move(policy), listener));
}

}  // namespace backplane::core
