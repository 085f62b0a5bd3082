// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/testkit/fake_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace backplane::testkit {
namespace {

using SteadyClock = std::chrono::steady_clock;

// The limits of the contract (docs/reference/driver-contract.md).
constexpr std::size_t k_max_timers = 64;
constexpr std::size_t k_max_watches = 64;
constexpr std::size_t k_max_jobs = 16;
constexpr std::size_t k_max_json = 32 * 1024;
constexpr std::size_t k_max_payload = 32u << 20;
constexpr std::size_t k_max_key = 256;
constexpr std::size_t k_max_state = BP_STATE_MAX_BYTES;
constexpr std::size_t k_max_events = 20'000;
constexpr std::uint64_t k_event_window = 10'000'000'000;
// So much at one instant of a standing clock is a plug-in (or a test) that goes round in circles.
constexpr int k_max_rounds = 100'000;
constexpr auto k_job_limit = 10s;

std::string_view text(bp_str view) {
    return view.size ? std::string_view{view.data, view.size} : "";
}

std::uint64_t count(Duration time) {
    return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
}

short poll_events(std::uint32_t events) {
    int out = 0;
    if (events & BP_FD_READ) out |= POLLIN;
    if (events & BP_FD_WRITE) out |= POLLOUT;
    return static_cast<short>(out);
}

std::uint32_t fd_events(int events, std::uint32_t wanted) {
    std::uint32_t out = 0;
    if (events & POLLIN) out |= BP_FD_READ;
    if (events & POLLOUT) out |= BP_FD_WRITE;
    out &= wanted;
    if (events & (POLLHUP | POLLERR)) out |= BP_FD_HANGUP;
    return out;
}

[[noreturn]] void misuse(const char* what) {
    throw std::logic_error(std::string("FakeHost: ") + what);
}

}  // namespace

struct FakeHost::Workers {
    ~Workers() { ::close(wake); }

    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::shared_ptr<Job>> jobs;
    int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
};

FakeHost::FakeHost(const bp_entry& entry, std::string plugin_id)
    : entry_(entry),
      plugin_id_(std::move(plugin_id)),
      c_{sizeof(bp_host), BP_ABI_MINOR, this, &get_extension, &set_error},
      log_table_{sizeof(bp_host_log), BP_LOG_DEBUG, &log_write},
      workers_(std::make_shared<Workers>()) {}

FakeHost::~FakeHost() {
    if (state_ == State::started) stop();
    if (instance_) destroy();
}

void FakeHost::set_descriptor(json::object descriptor) {
    descriptor_ = json::serialize(descriptor);
}
void FakeHost::set_settings(json::object settings) {
    settings_ = json::serialize(settings);
}

void FakeHost::set_device(int fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    device_ = fd;
}

void FakeHost::without_extension(std::string id) {
    missing_.insert(std::move(id));
}

// ---- life ----

bp_status FakeHost::create() {
    if (instance_) misuse("create() while there is an instance");
    if (entry_.struct_size < sizeof(bp_entry) || entry_.abi_major != BP_ABI_MAJOR ||
        !entry_.create) {
        fault("the entry of the plug-in is not one of this ABI");
        return BP_E_UNSUPPORTED;
    }
    error_.clear();
    error_code_ = BP_OK;
    state_ = State::stopped;
    const bp_status status = entry_.create(&c_, plugin_id_.c_str(), &instance_);
    if (status != BP_OK || !instance_) {
        if (status == BP_OK) fault("create() succeeded without an instance");
        if (status != BP_OK && instance_) fault("create() failed and yet made an instance");
        check_leftovers("a failed create()");
        instance_ = nullptr;
        state_ = State::none;
        return status != BP_OK ? status : BP_E_INTERNAL;
    }
    check_leftovers("create()");
    if (instance_->struct_size < sizeof(bp_instance))
        fault("the instance is smaller than ABI 1.0 says");
    if (plugin_extension("org.backplane.no_such_extension/1"))
        fault("the plug-in claims an extension that does not exist");
    return BP_OK;
}

bp_status FakeHost::start() {
    if (state_ != State::stopped) misuse("start() of an instance that is not stopped");
    error_.clear();
    error_code_ = BP_OK;
    settled_ = false;
    state_ = State::starting;
    const bp_status status = instance_->start(instance_);
    state_ = status == BP_OK ? State::started : State::stopped;
    if (status != BP_OK) check_leftovers("a failed start()");
    return status;
}

ProbeResult FakeHost::probe(Duration limit) {
    return run_probe(limit, false);
}
ProbeResult FakeHost::probe_real_time(Duration limit) {
    return run_probe(limit, true);
}

ProbeResult FakeHost::run_probe(Duration limit, bool real_time) {
    if (state_ != State::stopped) misuse("probe() of an instance that is not stopped");
    const auto* extension = static_cast<const bp_plugin_probe*>(plugin_extension(BP_EXT_PROBE));
    if (!extension) return {0, "the plug-in has no probe"};
    error_.clear();
    probe_result_.reset();
    state_ = State::probing;
    if (const bp_status status = extension->start(instance_); status != BP_OK) {
        if (probe_result_) fault("the probe was refused and finished");
        check_leftovers("a refused probe");
        state_ = State::stopped;
        return {0, error_};
    }
    const auto done = [this] { return probe_result_.has_value(); };
    const bool followed = std::exchange(follow_real_time_, real_time);
    const bool finished = real_time ? run_until(done, limit) : advance_until(done, limit);
    follow_real_time_ = followed;
    if (!finished) {
        extension->cancel(instance_);
        check_leftovers("cancel() of the probe");
    }
    state_ = State::stopped;
    return finished ? *probe_result_ : ProbeResult{0, "no answer before the deadline"};
}

void FakeHost::interrupt() {
    if (const auto* extension =
            static_cast<const bp_plugin_interrupt*>(plugin_extension(BP_EXT_INTERRUPT)))
        extension->interrupt(instance_);
}

void FakeHost::stop() {
    if (state_ != State::started) misuse("stop() of an instance that is not started");
    interrupt();
    state_ = State::stopping;
    instance_->stop(instance_);
    check_leftovers("stop()");
    waiting_actions_.clear();
    state_ = State::stopped;
}

std::optional<SavedState> FakeHost::quiesce() {
    stop();
    if (!finish_jobs()) {
        fault("work on a worker thread did not return within 10 s after interrupt()");
        return std::nullopt;
    }
    const auto* extension = static_cast<const bp_plugin_state*>(plugin_extension(BP_EXT_STATE));
    if (!extension) return std::nullopt;
    error_.clear();
    saving_.emplace();
    saved_all_ = true;
    const bp_status status = extension->save(instance_);
    SavedState state{extension->version, std::move(*saving_)};
    saving_.reset();
    check_leftovers("save()");
    if (status == BP_OK && state.version == 0) fault("a state without a version");
    if (status != BP_OK && status != BP_E_UNSUPPORTED && error_.empty())
        fault("save() failed without a text for people");
    if (status != BP_OK || state.version == 0 || !saved_all_) return std::nullopt;
    return state;
}

bp_status FakeHost::restore(const SavedState& state) {
    if (state_ != State::stopped) misuse("restore() of an instance that is not stopped");
    error_.clear();
    error_code_ = BP_OK;
    const auto* extension = static_cast<const bp_plugin_state*>(plugin_extension(BP_EXT_STATE));
    if (!extension) return BP_E_UNSUPPORTED;
    // The plug-in gets a copy that ends with the call, so that a sanitizer sees who keeps a view.
    const std::vector<std::uint8_t> lent = state.bytes;
    const bp_status status =
        extension->restore(instance_, state.version, {lent.data(), lent.size()});
    check_leftovers("restore()");
    if (status != BP_OK && status != BP_E_UNSUPPORTED && error_.empty())
        fault("restore() failed without a text for people");
    return status;
}

void FakeHost::destroy() {
    if (state_ != State::stopped || !instance_)
        misuse("destroy() of an instance that is not stopped");
    if (!finish_jobs()) {
        // The work still uses the instance: leaking it is the lesser evil in a test that has failed
        // anyway.
        fault("work on a worker thread did not return within 10 s after interrupt()");
        instance_ = nullptr;
        state_ = State::none;
        return;
    }
    instance_->destroy(instance_);
    check_leftovers("destroy()");
    instance_ = nullptr;
    state_ = State::none;
    if (device_ >= 0 && ::fcntl(device_, F_GETFD) < 0)
        fault("the plug-in closed the device: it belongs to the host");
}

bp_status FakeHost::change_settings(json::object settings) {
    if (state_ != State::started) misuse("change_settings() of an instance that is not started");
    set_settings(std::move(settings));
    if (const auto* extension =
            static_cast<const bp_plugin_settings*>(plugin_extension(BP_EXT_SETTINGS))) {
        extension->changed(instance_);
        return BP_OK;
    }
    stop();
    return start();
}

void FakeHost::check_leftovers(const char* when) {
    const auto left = [&](std::size_t count, const char* what) {
        if (count) fault(std::to_string(count) + " " + what + " left after " + when);
    };
    left(timers_.size(), "timers");
    left(watches_.size(), "watches");
    timers_.clear();
    watches_.clear();
    for (auto& [id, action] : actions_) {
        if (action.result || !action.begun) continue;
        fault("the action " + std::to_string(id) + " \"" + action.name + "\" is left open after " +
              when);
        action.result = ActionResult{BP_E_CANCELLED, nullptr, "left open by the plug-in"};
    }
}

const void* FakeHost::plugin_extension(const char* id) {
    return instance_ ? instance_->get_extension(instance_, id) : nullptr;
}

// ---- time and files ----

std::optional<std::uint64_t> FakeHost::next_due() const {
    std::optional<std::uint64_t> next;
    const auto consider = [&](std::uint64_t due) { next = next ? std::min(*next, due) : due; };
    for (const auto& [id, timer] : timers_) consider(timer.due);
    if (!world_timers_.empty()) consider(world_timers_.begin()->first);
    for (const auto& [id, action] : actions_)
        if (action.begun && !action.result && !action.cancelled) consider(action.deadline);
    return next;
}

bool FakeHost::fire_due() {
    const std::uint64_t now = now_;
    cancel_late_actions();
    auto first = timers_.end();
    for (auto it = timers_.begin(); it != timers_.end(); ++it)
        if (it->second.due <= now &&
            (first == timers_.end() || std::pair(it->second.due, it->second.order) <
                                           std::pair(first->second.due, first->second.order)))
            first = it;
    const auto world = world_timers_.begin();
    const bool world_due = world != world_timers_.end() && world->first <= now;
    if (world_due &&
        (first == timers_.end() || std::pair(world->first, world->second.order) <
                                       std::pair(first->second.due, first->second.order))) {
        const auto call = std::move(world->second.call);
        world_timers_.erase(world);
        call();
        return true;
    }
    if (first == timers_.end()) return false;
    const auto [id, timer] = *first;
    if (timer.period == 0)
        timers_.erase(first);
    else
        first->second.due = std::max(timer.due + timer.period, now);
    timer.fn(timer.user, id);
    return true;
}

void FakeHost::cancel_late_actions() {
    std::vector<ActionId> late;
    for (const auto& [id, action] : actions_)
        if (action.begun && !action.result && !action.cancelled && action.deadline <= now_)
            late.push_back(id);
    for (const ActionId id : late) cancel(id);
}

bool FakeHost::serve_descriptors(Duration wait) {
    struct Entry {
        std::uint64_t id;  // 0: of the test
        std::uint32_t events;
    };
    std::vector<pollfd> fds;
    std::vector<Entry> entries;
    for (const auto& [id, watch] : watches_) {
        fds.push_back({watch.fd, poll_events(watch.events), 0});
        entries.push_back({id, watch.events});
    }
    for (const auto& [fd, call] : world_fds_) {
        fds.push_back({fd, POLLIN, 0});
        entries.push_back({0, 0});
    }
    fds.push_back({workers_->wake, POLLIN, 0});
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    if (::poll(fds.data(), fds.size(), static_cast<int>(std::max<long>(milliseconds, 0))) <= 0)
        return false;

    bool served = false;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const pollfd& ready = fds[i];
        if (!ready.revents) continue;
        if (entries[i].id == 0) {
            const auto found = world_fds_.find(ready.fd);
            if (found == world_fds_.end()) continue;
            if (ready.revents & POLLNVAL) {
                world_fds_.erase(found);
                continue;
            }
            const auto call = found->second;
            call();
            served = true;
            continue;
        }
        const auto found = watches_.find(entries[i].id);  // an earlier call may have ended it
        if (found == watches_.end()) continue;
        const WatchEntry watch = found->second;
        if (ready.revents & POLLNVAL) {
            fault("the descriptor " + std::to_string(watch.fd) +
                  " was closed while it was being watched");
            watches_.erase(found);
            continue;
        }
        if (const std::uint32_t events = fd_events(ready.revents, watch.events)) {
            watch.fn(watch.user, entries[i].id, watch.fd, events);
            served = true;
        }
    }
    return served;
}

bool FakeHost::serve_jobs() {
    std::vector<std::shared_ptr<Job>> finished;
    {
        const std::lock_guard lock(workers_->mutex);
        std::uint64_t ignored = 0;
        [[maybe_unused]] const auto got = ::read(workers_->wake, &ignored, sizeof ignored);
        std::erase_if(workers_->jobs, [&](const std::shared_ptr<Job>& job) {
            if (job->finished) finished.push_back(job);
            return job->finished;
        });
    }
    for (const auto& job : finished) {
        job->thread.join();
        job->done(job->user);
    }
    return !finished.empty();
}

bool FakeHost::finish_jobs() {
    for (;;) {
        serve_jobs();
        std::unique_lock lock(workers_->mutex);
        if (workers_->jobs.empty()) return true;
        const auto some_finished = [this] {
            return std::any_of(workers_->jobs.begin(), workers_->jobs.end(),
                               [](const auto& job) { return job->finished; });
        };
        if (workers_->changed.wait_for(lock, k_job_limit, some_finished)) continue;
        for (const auto& job : workers_->jobs) job->thread.detach();
        workers_->jobs.clear();
        return false;
    }
}

bool FakeHost::pump_round() {
    // All of them, every time: none may starve the others.
    bool busy = serve_descriptors(0ns);
    busy = serve_jobs() || busy;
    busy = fire_due() || busy;
    busy = begin_waiting_actions() || busy;
    return busy;
}

void FakeHost::pump() {
    for (int round = 0; pump_round(); ++round)
        if (round == k_max_rounds) {
            fault("more than " + std::to_string(k_max_rounds) +
                  " calls while the clock stood still: a watch that does not read what is there, "
                  "or a timer of 0 ns "
                  "that starts itself again");
            watches_.clear();
            timers_.clear();
            world_timers_.clear();
            return;
        }
}

void FakeHost::advance(Duration time) {
    advance_until([] { return false; }, time);
}

bool FakeHost::advance_until(const std::function<bool()>& done, Duration limit) {
    const std::uint64_t target = now_ + count(limit);
    for (;;) {
        // One call at a time, so that the test sees the very moment at which `done` came true.
        for (int round = 0; !done(); ++round) {
            if (round == k_max_rounds) pump();  // says what is wrong
            if (!pump_round()) break;
        }
        if (done()) return true;
        const auto next = next_due();
        if (!next || *next > target) break;
        now_ = std::max<std::uint64_t>(now_, *next);
    }
    now_ = target;
    return false;
}

bool FakeHost::run_until(const std::function<bool()>& done, Duration limit) {
    const auto end = SteadyClock::now() + limit;
    auto last = SteadyClock::now();
    for (;;) {
        const auto now = SteadyClock::now();
        if (follow_real_time_) now_ += count(now - last);
        last = now;
        // A busy neighbour must not keep us from looking at the condition and at the clock.
        for (int round = 0; round < 100 && !done() && pump_round(); ++round) {
        }
        if (done()) return true;
        Duration wait = end - SteadyClock::now();
        if (wait <= 0ns) return false;
        if (const auto due = next_due(); due && follow_real_time_)
            wait = std::min(wait, Duration{*due > now_ ? *due - now_ : 0});
        serve_descriptors(std::min<Duration>(wait, 50ms));
    }
}

void FakeHost::run_real_time(Duration time) {
    const bool followed = std::exchange(follow_real_time_, true);
    run_until([] { return false; }, time);
    follow_real_time_ = followed;
}

void FakeHost::after(Duration delay, std::function<void()> call) {
    world_timers_.emplace(now_ + count(delay), WorldTimer{next_id_++, std::move(call)});
}
void FakeHost::on_readable(int fd, std::function<void()> call) {
    world_fds_[fd] = std::move(call);
}
void FakeHost::forget_readable(int fd) {
    world_fds_.erase(fd);
}

// ---- actions ----

ActionId FakeHost::action(std::string name, json::object data, std::vector<std::uint8_t> payload,
                          Duration time_limit) {
    if (state_ != State::started) misuse("action() for an instance that is not started");
    const ActionId id = next_id_++;
    OpenAction& action = actions_[id];
    action.name = std::move(name);
    action.data = json::serialize(data);
    action.payload = std::move(payload);
    action.deadline = now_ + count(time_limit);
    if (!concurrent_actions_ && (open_actions() > 0 || !waiting_actions_.empty()))
        waiting_actions_.push_back(id);
    else
        begin(id);
    return id;
}

void FakeHost::begin(ActionId id) {
    OpenAction& action = actions_.at(id);
    const auto* extension = static_cast<const bp_plugin_actions*>(plugin_extension(BP_EXT_ACTIONS));
    if (!extension) {
        action.result = ActionResult{BP_E_UNSUPPORTED, nullptr, "the plug-in has no actions"};
        return;
    }
    error_.clear();
    action.begun = true;
    const bp_action c{sizeof(bp_action),
                      0,
                      id,
                      action.deadline,
                      {action.name.data(), action.name.size()},
                      {action.data.data(), action.data.size()},
                      {action.payload.data(), action.payload.size()}};
    const bp_status status = extension->begin(instance_, &c);
    if (status == BP_OK) return;
    if (action.result)
        fault("the action " + std::to_string(id) + " \"" + action.name +
              "\" was completed and then refused");
    else
        action.result = ActionResult{status, nullptr, error_};
}

bool FakeHost::begin_waiting_actions() {
    if (state_ != State::started || waiting_actions_.empty() || open_actions() > 0) return false;
    const ActionId id = waiting_actions_.front();
    waiting_actions_.pop_front();
    begin(id);
    return true;
}

std::size_t FakeHost::open_actions() const {
    return static_cast<std::size_t>(std::count_if(
        actions_.begin(), actions_.end(),
        [](const auto& entry) { return entry.second.begun && !entry.second.result; }));
}

std::optional<ActionResult> FakeHost::result(ActionId id) const {
    const auto found = actions_.find(id);
    return found == actions_.end() ? std::nullopt : found->second.result;
}

void FakeHost::cancel(ActionId id) {
    OpenAction& action = actions_.at(id);
    if (action.result || action.cancelled) return;
    action.cancelled = true;
    if (!action.begun) {
        std::erase(waiting_actions_, id);
        action.result = ActionResult{BP_E_CANCELLED, nullptr, "cancelled before it was begun"};
        return;
    }
    if (const auto* extension =
            static_cast<const bp_plugin_actions*>(plugin_extension(BP_EXT_ACTIONS)))
        extension->cancel(instance_, id);
}

// ---- the contract ----

void FakeHost::fault(std::string text) const {
    const std::lock_guard lock(mutex_);
    faults_.push_back(std::move(text));
}

std::vector<std::string> FakeHost::faults() const {
    const std::lock_guard lock(mutex_);
    return faults_;
}

std::vector<LogLine> FakeHost::log() const {
    const std::lock_guard lock(mutex_);
    return log_;
}

bool FakeHost::on_driver_thread(const char* call) const {
    if (std::this_thread::get_id() == thread_) return true;
    fault(std::string(call) + " was called on another thread than the driver's");
    return false;
}

bool FakeHost::allowed(bool condition, const char* call, const char* needed) const {
    if (!on_driver_thread(call)) return false;
    if (condition) return true;
    fault(std::string(call) + " was called while the instance was not " + needed);
    return false;
}

json::object FakeHost::parse(std::string_view text, std::string& problem) {
    if (text.size() > k_max_json) {
        problem = "is longer than 32 KiB";
        return {};
    }
    boost::system::error_code error;
    json::value value = json::parse(text, error);
    if (error || !value.is_object()) {
        problem = "is not a JSON object";
        return {};
    }
    return std::move(value.get_object());
}

const void* FakeHost::get_extension(const bp_host* host, const char* id) {
    static constexpr bp_host_timer k_timer{sizeof(bp_host_timer), 0, &timer_now, &timer_start,
                                           &timer_cancel};
    static constexpr bp_host_fd k_fd{sizeof(bp_host_fd), 0, &fd_watch, &fd_modify, &fd_unwatch};
    static constexpr bp_host_worker k_worker{sizeof(bp_host_worker), 0, &worker_submit};
    static constexpr bp_host_events k_events{sizeof(bp_host_events), 0, &events_emit};
    static constexpr bp_host_actions k_actions{sizeof(bp_host_actions), 0, &actions_complete};
    static constexpr bp_host_device k_device{sizeof(bp_host_device), 0,
                                             &device_descriptor,     &FakeHost::device_fd,
                                             &device_report,         &device_describe};
    static constexpr bp_host_bus k_bus{sizeof(bp_host_bus), 0, &bus_added, &bus_removed,
                                       &bus_settled};
    static constexpr bp_host_probe k_probe{sizeof(bp_host_probe), 0, &probe_finish};
    static constexpr bp_host_settings k_settings{sizeof(bp_host_settings), 0, &settings_get};
    static constexpr bp_host_state k_state{sizeof(bp_host_state), 0, &state_put};

    FakeHost& self = of(host);
    const std::string_view wanted{id ? id : ""};
    if (self.missing_.contains(std::string(wanted))) return nullptr;
    const std::array<std::pair<std::string_view, const void*>, 11> known{
        {{BP_EXT_LOG, &self.log_table_},
         {BP_EXT_TIMER, &k_timer},
         {BP_EXT_FD, &k_fd},
         {BP_EXT_WORKER, &k_worker},
         {BP_EXT_EVENTS, &k_events},
         {BP_EXT_ACTIONS, &k_actions},
         {BP_EXT_DEVICE, &k_device},
         {BP_EXT_BUS, &k_bus},
         {BP_EXT_PROBE, &k_probe},
         {BP_EXT_SETTINGS, &k_settings},
         {BP_EXT_STATE, &k_state}}};
    for (const auto& [name, table] : known)
        if (name == wanted) return table;
    return nullptr;
}

void FakeHost::set_error(const bp_host* host, bp_status code, bp_str message) {
    FakeHost& self = of(host);
    if (!self.on_driver_thread("set_error()")) return;
    self.error_code_ = code;
    self.error_ = text(message);
}

void FakeHost::log_write(const bp_host* host, std::int32_t level, bp_str line) {
    const FakeHost& self = of(host);
    const std::lock_guard lock(self.mutex_);
    self.log_.push_back({level, std::string(text(line))});
}

std::uint64_t FakeHost::timer_now(const bp_host* host) {
    return of(host).now_;
}

bp_status FakeHost::timer_start(const bp_host* host, std::uint64_t delay, std::uint64_t period,
                                bp_timer_fn fn, void* user, std::uint64_t* out) {
    FakeHost& self = of(host);
    if (!self.allowed(self.state_ != State::none, "timer.start()", "alive")) return BP_E_BAD_STATE;
    if (!fn || !out) return BP_E_INVALID;
    if (self.timers_.size() >= k_max_timers) return BP_E_NO_SPACE;
    const std::uint64_t id = self.next_id_++;
    self.timers_[id] = {self.now_ + delay, period, self.next_id_++, fn, user};
    *out = id;
    return BP_OK;
}

bp_status FakeHost::timer_cancel(const bp_host* host, std::uint64_t id) {
    FakeHost& self = of(host);
    if (!self.on_driver_thread("timer.cancel()")) return BP_E_BAD_STATE;
    return self.timers_.erase(id) ? BP_OK : BP_E_INVALID;
}

bp_status FakeHost::fd_watch(const bp_host* host, std::int32_t fd, std::uint32_t events,
                             bp_fd_fn fn, void* user, std::uint64_t* out) {
    FakeHost& self = of(host);
    if (!self.allowed(self.state_ != State::none, "fd.watch()", "alive")) return BP_E_BAD_STATE;
    if (!fn || !out) return BP_E_INVALID;
    if (::fcntl(fd, F_GETFD) < 0) {
        self.fault("fd.watch() of " + std::to_string(fd) + ", which is no open descriptor");
        return BP_E_INVALID;
    }
    for (const auto& [id, watch] : self.watches_)
        if (watch.fd == fd) {
            self.fault("fd.watch() of " + std::to_string(fd) + ", which is being watched already");
            return BP_E_INVALID;
        }
    if (self.watches_.size() >= k_max_watches) return BP_E_NO_SPACE;
    const std::uint64_t id = self.next_id_++;
    self.watches_[id] = {fd, events, fn, user};
    *out = id;
    return BP_OK;
}

bp_status FakeHost::fd_modify(const bp_host* host, std::uint64_t id, std::uint32_t events) {
    FakeHost& self = of(host);
    if (!self.on_driver_thread("fd.modify()")) return BP_E_BAD_STATE;
    const auto found = self.watches_.find(id);
    if (found == self.watches_.end()) return BP_E_INVALID;
    found->second.events = events;
    return BP_OK;
}

bp_status FakeHost::fd_unwatch(const bp_host* host, std::uint64_t id) {
    FakeHost& self = of(host);
    if (!self.on_driver_thread("fd.unwatch()")) return BP_E_BAD_STATE;
    return self.watches_.erase(id) ? BP_OK : BP_E_INVALID;
}

bp_status FakeHost::worker_submit(const bp_host* host, bp_work_fn work, bp_work_done_fn done,
                                  void* user) {
    FakeHost& self = of(host);
    if (!self.allowed(self.state_ != State::none, "worker.submit()", "alive"))
        return BP_E_BAD_STATE;
    if (!work || !done) return BP_E_INVALID;
    const std::lock_guard lock(self.workers_->mutex);
    if (self.workers_->jobs.size() >= k_max_jobs) return BP_E_NO_SPACE;
    auto job = std::make_shared<Job>();
    job->work = work;
    job->done = done;
    job->user = user;
    self.workers_->jobs.push_back(job);
    // Two owners: the thread may outlive a host whose plug-in does not come back from its work.
    job->thread = std::jthread([job, workers = self.workers_] {
        job->work(job->user);
        {
            const std::lock_guard finished(workers->mutex);
            job->finished = true;
        }
        workers->changed.notify_all();
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto put = ::write(workers->wake, &one, sizeof one);
    });
    return BP_OK;
}

bp_status FakeHost::events_emit(const bp_host* host, const bp_event* event) {
    FakeHost& self = of(host);
    if (!self.allowed(self.active(), "events.emit()", "started")) return BP_E_BAD_STATE;
    if (!event || event->struct_size < sizeof(bp_event) || event->kind.size == 0) {
        self.fault("an event without a kind");
        return BP_E_INVALID;
    }
    std::string problem;
    Event copy{std::string(text(event->kind)), parse(text(event->data), problem), event->flags, {}};
    if (event->payload.size > k_max_payload) problem = "has a payload of more than 32 MiB";
    if (!problem.empty()) {
        self.fault("the data of the event \"" + copy.kind + "\" " + problem);
        return BP_E_INVALID;
    }
    if (event->payload.size)
        copy.payload.assign(event->payload.data, event->payload.data + event->payload.size);
    self.events_.push_back(std::move(copy));

    auto& recent = self.recent_events_;
    recent.push_back(self.now_);
    while (!recent.empty() && recent.front() + k_event_window <= self.now_) recent.pop_front();
    if (recent.size() == k_max_events + 1) self.fault("more than 2000 events a second over 10 s");
    return BP_OK;
}

bp_status FakeHost::actions_complete(const bp_host* host, std::uint64_t id, bp_status status,
                                     bp_str value, bp_str message) {
    FakeHost& self = of(host);
    if (!self.allowed(self.active(), "actions.complete()", "started")) return BP_E_BAD_STATE;
    const auto found = self.actions_.find(id);
    if (found == self.actions_.end() || !found->second.begun) {
        self.fault("the action " + std::to_string(id) +
                   " was completed, but there is none of this id");
        return BP_E_INVALID;
    }
    OpenAction& action = found->second;
    const std::string name = "the action " + std::to_string(id) + " \"" + action.name + "\"";
    if (action.result) {
        self.fault(name + " was completed twice");
        return BP_E_INVALID;
    }
    ActionResult result{status, nullptr, std::string(text(message))};
    if (status == BP_OK && value.size > 0) {
        boost::system::error_code error;
        result.value = json::parse(text(value), error);
        if (error) {
            self.fault("the result of " + name + " is not JSON");
            result = {BP_E_INTERNAL, nullptr, "the result is not JSON"};
        }
    }
    if (status != BP_OK && message.size == 0)
        self.fault(name + " failed without a message for people");
    action.result = std::move(result);
    return BP_OK;
}

bp_str FakeHost::device_descriptor(const bp_host* host) {
    const FakeHost& self = of(host);
    return {self.descriptor_.data(), self.descriptor_.size()};
}

std::int32_t FakeHost::device_fd(const bp_host* host) {
    const FakeHost& self = of(host);
    return self.on_driver_thread("device.fd()") ? self.device_ : -1;
}

bp_status FakeHost::device_report(const bp_host* host, std::int32_t state, bp_str reason) {
    FakeHost& self = of(host);
    if (!self.allowed(self.active(), "device.report()", "started")) return BP_E_BAD_STATE;
    if (state < BP_DEVICE_READY || state > BP_DEVICE_FAILED) {
        self.fault("device.report() of the state " + std::to_string(state) +
                   ", which does not exist");
        return BP_E_INVALID;
    }
    if (state != BP_DEVICE_READY && reason.size == 0)
        self.fault("a device that is not ready, and no reason for people");
    self.reports_.push_back({state, std::string(text(reason))});
    return BP_OK;
}

bp_status FakeHost::device_describe(const bp_host* host, bp_str description) {
    static constexpr std::array<std::string_view, 7> k_members{
        "name", "manufacturer", "model", "serial", "type", "subtype", "firmware"};
    FakeHost& self = of(host);
    if (!self.allowed(self.state_ != State::none, "device.describe()", "alive"))
        return BP_E_BAD_STATE;
    std::string problem;
    json::object members = parse(text(description), problem);
    for (const auto& member : members)
        if (std::find(k_members.begin(), k_members.end(), std::string_view(member.key())) ==
                k_members.end() ||
            !member.value().is_string())
            problem = "has the member \"" + std::string(member.key()) +
                      "\", which is unknown or not a text";
    if (!problem.empty()) {
        self.fault("the description of the device " + problem);
        return BP_E_INVALID;
    }
    self.descriptions_.push_back(std::move(members));
    return BP_OK;
}

bp_status FakeHost::bus_added(const bp_host* host, bp_str descriptor, std::int32_t fd) {
    FakeHost& self = of(host);
    if (!self.allowed(self.active(), "bus.added()", "started")) return BP_E_BAD_STATE;
    std::string problem;
    json::object members = parse(text(descriptor), problem);
    for (const char* required : {"key", "bus", "address", "identifier"}) {
        if (!problem.empty()) break;
        const json::value* found = members.if_contains(required);
        if (!found || !found->is_string() || found->get_string().empty())
            problem = std::string("lacks the text \"") + required + "\"";
    }
    if (problem.empty() && members.at("key").get_string().size() > k_max_key)
        problem = "has a key of over 256 bytes";
    const json::value* open = members.if_contains("open");
    const json::value* kind =
        open && open->is_object() ? open->get_object().if_contains("kind") : nullptr;
    const bool wants_fd = kind && *kind == "fd";
    if (problem.empty() && wants_fd != (fd >= 0))
        problem = wants_fd ? "promises a file descriptor, and none came along"
                           : "does not promise a file descriptor, and one came along";
    if (problem.empty() && fd >= 0 && ::fcntl(fd, F_GETFD) < 0)
        problem = "came with a descriptor that is not open";
    if (!problem.empty()) {
        self.fault("the descriptor of a device " + problem);
        return BP_E_INVALID;
    }
    std::string key{members.at("key").get_string()};
    self.devices_[key] = members;
    self.bus_.push_back({BusReport::Kind::added, std::move(key), std::move(members), fd >= 0});
    return BP_OK;
}

bp_status FakeHost::bus_removed(const bp_host* host, bp_str key) {
    FakeHost& self = of(host);
    if (!self.allowed(self.active(), "bus.removed()", "started")) return BP_E_BAD_STATE;
    if (self.devices_.erase(std::string(text(key))) == 0) return BP_E_INVALID;
    self.bus_.push_back({BusReport::Kind::removed, std::string(text(key)), {}, false});
    return BP_OK;
}

bp_status FakeHost::bus_settled(const bp_host* host) {
    FakeHost& self = of(host);
    if (!self.allowed(self.active(), "bus.settled()", "started")) return BP_E_BAD_STATE;
    if (std::exchange(self.settled_, true)) {
        self.fault("bus.settled() was called twice after one start()");
        return BP_E_BAD_STATE;
    }
    self.bus_.push_back({BusReport::Kind::settled, {}, {}, false});
    return BP_OK;
}

bp_status FakeHost::probe_finish(const bp_host* host, std::int32_t verdict, bp_str reason) {
    FakeHost& self = of(host);
    if (!self.allowed(self.state_ == State::probing, "probe.finish()", "being probed"))
        return BP_E_BAD_STATE;
    if (self.probe_result_) {
        self.fault("probe.finish() was called twice");
        return BP_E_BAD_STATE;
    }
    if (verdict != BP_PROBE_CLAIM && verdict != BP_PROBE_NO_MATCH) {
        self.fault("probe.finish() with the verdict " + std::to_string(verdict) +
                   ", which does not exist");
        return BP_E_INVALID;
    }
    if (verdict == BP_PROBE_NO_MATCH && reason.size == 0)
        self.fault("a probe without a match, and no reason for people");
    self.check_leftovers("the end of the probe");
    self.probe_result_ = ProbeResult{verdict, std::string(text(reason))};
    return BP_OK;
}

bp_str FakeHost::settings_get(const bp_host* host) {
    const FakeHost& self = of(host);
    return {self.settings_.data(), self.settings_.size()};
}

bp_status FakeHost::state_put(const bp_host* host, bp_bytes bytes) {
    FakeHost& self = of(host);
    if (!self.allowed(self.saving_.has_value(), "state.put()", "being saved"))
        return BP_E_BAD_STATE;
    if (!bytes.data && bytes.size) {
        self.fault("state.put() of bytes that are nowhere");
        return BP_E_INVALID;
    }
    if (!self.saved_all_ || bytes.size > k_max_state - self.saving_->size()) {
        if (std::exchange(self.saved_all_, false)) self.fault("a state of more than 1 MiB");
        return BP_E_NO_SPACE;
    }
    self.saving_->insert(self.saving_->end(), bytes.data, bytes.data + bytes.size);
    return BP_OK;
}

}  // namespace backplane::testkit
