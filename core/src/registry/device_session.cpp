// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/device_session.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

#include "backplane/core/log.hpp"
#include "util/json_members.hpp"

namespace backplane::core {

namespace {

constexpr std::string_view k_component = "registry";

// What a driver says of its device is shown in lists; more than this is cut.
constexpr std::size_t k_description_bytes = 512;

ActionOutcome outcome(ActionOutcome::Status status, std::string code, std::string message) {
    ActionOutcome result;
    result.status = status;
    result.code = std::move(code);
    result.message = std::move(message);
    return result;
}

}  // namespace

DeviceSession::DeviceSession(boost::asio::io_context& loop, DeviceWorld& world,
                             std::string interface, Descriptor descriptor, Fd handed_over,
                             Times times)
    : loop_(loop),
      world_(world),
      descriptor_(std::move(descriptor)),
      handed_over_(std::move(handed_over)),
      times_(times),
      timer_(loop),
      actions_(
          loop, {}, world.action_ids(),
          [this](std::uint64_t id, const ActionRequest& request, std::chrono::milliseconds left) {
              slot_->runner().begin(
                  {instance_, id, request.name, request.data, request.payload, left});
          },
          [this](std::uint64_t id) {
              if (slot_ && instance_) slot_->runner().cancel(instance_, id);
          },
          [this](const ActionRequest& request, const ActionOutcome& result) {
              world_.action_over(*this, request, result);
              if (handover_) handover_->action_over();
          }) {
    info_.interface = std::move(interface);
    info_.key = descriptor_.key;
    info_.since = std::chrono::system_clock::now();
}

DeviceSession::~DeviceSession() {
    handover_.reset();
    if (slot_) slot_->leave(*this);
}

void DeviceSession::begin() {
    info_.stable_id = descriptor_.stable_id;
    info_.bus = descriptor_.bus;
    info_.address = descriptor_.address;
    info_.connection = descriptor_.connection;
    info_.name = descriptor_.name;
    info_.manufacturer = descriptor_.manufacturer;
    info_.model = descriptor_.model;
    info_.properties = descriptor_.properties;
    set_state(DeviceState::discovered, "found at " + descriptor_.address);
    search();
}

// ---- the search for a driver ----------------------------------------------------------------------------------------

void DeviceSession::search() {
    candidates_ = world_.candidates(*this);
    // Who served this very device last has the first turn; it still has to look at it.
    const std::string remembered = world_.remembered_driver(descriptor_.stable_id);
    std::stable_partition(candidates_.begin(), candidates_.end(), [&](const Candidate& candidate) {
        return candidate.driver == remembered;
    });
    turn_ = 0;
    last_refusal_.clear();
    try_candidate();
}

void DeviceSession::try_candidate() {
    claimed_ = false;
    for (; turn_ < candidates_.size(); ++turn_) {
        slot_ = world_.driver(candidates_[turn_].driver);
        if (slot_ && !slot_->put_aside()) break;
        last_refusal_ = slot_ ? "the driver " + candidates_[turn_].driver +
                                    " is put aside: " + slot_->runner().status().reason
                              : "the driver " + candidates_[turn_].driver + " is not installed";
        slot_ = nullptr;
    }
    if (!slot_) return nobody_serves_it();
    phase_ = Phase::waiting_for_plugin;
    slot_->use(*this);
    if (slot_ && phase_ == Phase::waiting_for_plugin && slot_->up()) open_device();
}

void DeviceSession::plugin_up() {
    if (phase_ == Phase::waiting_for_plugin) open_device();
}

void DeviceSession::open_device() {
    if (fd_ || descriptor_.open.kind == OpenSpec::Kind::none) return start_instance();
    phase_ = Phase::opening;
    opener_ = std::make_unique<DeviceOpener>(loop_);
    opener_->open(descriptor_.open, handed_over_, times_.open,
                  [this](Result<Fd> result) { opened(std::move(result)); });
}

void DeviceSession::opened(Result<Fd> result) {
    if (result) {
        fd_ = std::move(*result);
        start_instance();
        return;
    }
    const bool served = claimed_;
    set_state(served ? DeviceState::unreachable : DeviceState::opening, result.error().text);
    wait_and(next_delay(times_.reopen_most), served ? After::retry_same : After::search);
}

void DeviceSession::start_instance() {
    const Candidate& candidate = candidates_[turn_];
    Result<InstanceSpec> spec = make_spec(slot_->note());
    if (!spec) {
        set_state(DeviceState::opening, spec.error().text);
        return wait_and(next_delay(times_.reopen_most), After::retry_same);
    }
    instance_ = spec->id;
    slot_->bind(instance_, *this);
    if (candidate.probe && !claimed_) {
        phase_ = Phase::probing;
        set_state(DeviceState::probing, "asking it whether it is a device for " + candidate.driver);
        slot_->runner().probe(std::move(*spec), candidate.probe_limit);
    } else {
        phase_ = Phase::starting;
        claimed_ = true;
        set_state(DeviceState::opening, "starting " + candidate.driver);
        slot_->runner().start(std::move(*spec));
    }
}

Result<InstanceSpec> DeviceSession::make_spec(const sdk::PluginNote& note) {
    InstanceSpec spec;
    spec.id = world_.next_instance_id();
    spec.descriptor = descriptor_.raw;
    spec.settings = world_.settings_of(note);
    if (fd_) {
        spec.device = fd_.duplicate();
        if (!spec.device)
            return failure("device.fd", "the box has no file descriptor left for this device");
    }
    return spec;
}

void DeviceSession::probed(InstanceId id, bool claimed, const std::string& reason) {
    if (id != instance_ || phase_ != Phase::probing) return;
    log_debug(k_component, "device.probed",
              {{"device", info_.identifier},
               {"driver", candidates_[turn_].driver},
               {"claimed", claimed ? "yes" : "no"},
               {"reason", reason}});
    if (!claimed) {
        slot_->unbind(std::exchange(instance_, 0));
        return give_up_candidate(reason);
    }
    claimed_ = true;
    phase_ = Phase::starting;
    set_state(DeviceState::opening,
              reason.empty() ? "recognised by " + candidates_[turn_].driver : reason);
    slot_->runner().start_probed(id);
}

void DeviceSession::started(InstanceId id, const Result<void>& result) {
    if (id != instance_ || phase_ != Phase::starting) return;
    if (!result) {
        slot_->unbind(std::exchange(instance_, 0));
        set_state(DeviceState::unreachable, result.error().text);
        fd_.reset();
        return wait_and(next_delay(times_.restart_most), After::retry_same);
    }
    phase_ = Phase::running;
    const sdk::PluginNote& note = slot_->note();
    info_.driver = note.name;
    info_.driver_version = note.version;
    if (info_.type.empty() || info_.type == "unsupported")
        info_.type = note.device_types.empty() ? "device" : note.device_types.front();
    world_.device_changed(*this);
    actions_.open(note.concurrent_actions);
}

void DeviceSession::give_up_candidate(const std::string& reason) {
    last_refusal_ = reason;
    leave_driver();
    ++turn_;
    try_candidate();
}

void DeviceSession::nobody_serves_it() {
    fd_.reset();
    info_.driver.clear();
    info_.driver_version.clear();
    const std::string remembered = world_.remembered_driver(descriptor_.stable_id);
    PluginSlot* known = remembered.empty() ? nullptr : world_.driver(remembered);
    const bool expected = known && std::any_of(candidates_.begin(), candidates_.end(),
                                               [&](const Candidate& candidate) {
                                                   return candidate.driver == remembered;
                                               });
    if (expected) {
        // It was a scale yesterday and does not answer now: switched off, most likely. It stays in the list as what it is.
        info_.driver = remembered;
        info_.driver_version = known->note().version;
        info_.type =
            known->note().device_types.empty() ? "device" : known->note().device_types.front();
        set_state(DeviceState::unreachable,
                  last_refusal_.empty() ? "it does not answer" : last_refusal_);
        return wait_and(times_.known_probe, After::search);
    }
    info_.type = "unsupported";
    ActionOutcome nobody =
        outcome(ActionOutcome::Status::error, "device.unsupported",
                "no driver serves " + info_.identifier +
                    ": install one that does, or name one for it in the configuration");
    actions_.hold();
    actions_.end_all(nobody);
    if (candidates_.empty()) {
        set_state(DeviceState::unsupported,
                  descriptor_.no_probe
                      ? "this port is on the no-probe list: name a driver for it in the "
                        "configuration if it has a device"
                      : "no installed driver is made for this kind of device");
        phase_ = Phase::idle;
        return;
    }
    set_state(DeviceState::unsupported, "no driver recognised it; last: " + last_refusal_);
    probe_delay_ =
        probe_delay_.count() ? std::min(probe_delay_ * 2, times_.probe_most) : times_.probe_first;
    wait_and(probe_delay_, After::search);
}

void DeviceSession::wait_and(std::chrono::milliseconds delay, After after) {
    phase_ = Phase::waiting;
    if (after == After::search) leave_driver();
    timer_.expires_after(delay);
    timer_.async_wait([this, weak = weak_from_this(), after](const boost::system::error_code& ec) {
        const auto alive = weak.lock();
        if (ec || !alive || phase_ != Phase::waiting) return;
        if (after == After::search || !slot_) return search();
        phase_ = Phase::waiting_for_plugin;
        slot_->use(*this);
        if (slot_ && slot_->up() && phase_ == Phase::waiting_for_plugin) open_device();
    });
}

std::chrono::milliseconds DeviceSession::next_delay(std::chrono::milliseconds most) {
    // A device that is ready and lost again and again is not opened ten times a second for ever.
    if (ready_at_ && std::chrono::steady_clock::now() - *ready_at_ >= times_.proven)
        reopen_delay_ = {};
    ready_at_.reset();
    reopen_delay_ = reopen_delay_.count() ? std::min(reopen_delay_ * 2, most) : times_.reopen_first;
    return reopen_delay_;
}

void DeviceSession::leave_driver() {
    if (slot_) std::exchange(slot_, nullptr)->leave(*this);
    instance_ = 0;
}

// ---- while a driver serves it ---------------------------------------------------------------------------------------

void DeviceSession::reported(InstanceId id, RunnerListener::DeviceReport report,
                             const std::string& reason) {
    if (id != instance_ || (phase_ != Phase::running && phase_ != Phase::starting)) return;
    switch (report) {
        case RunnerListener::DeviceReport::ready:
            probe_delay_ = {};
            if (info_.state != DeviceState::ready) ready_at_ = std::chrono::steady_clock::now();
            return set_state(DeviceState::ready, reason);
        case RunnerListener::DeviceReport::unreachable:
            return set_state(DeviceState::unreachable,
                             reason.empty() ? "it does not answer" : reason);
        case RunnerListener::DeviceReport::lost:
            set_state(DeviceState::unreachable,
                      reason.empty() ? "the connection to it broke" : reason);
            return stop_instance(After::retry_same);
        case RunnerListener::DeviceReport::failed:
            last_refusal_ = reason;
            set_state(DeviceState::opening, reason);
            return stop_instance(After::next_candidate);
    }
}

void DeviceSession::described(InstanceId id, const boost::json::object& description) {
    if (id == instance_) take_description(slot_->note(), description);
}

void DeviceSession::take_description(const sdk::PluginNote& note,
                                     const boost::json::object& description) {
    const auto take = [&](std::string_view member, std::string& into) {
        if (const std::string text = text_member(description, member); !text.empty())
            into = text.substr(0, k_description_bytes);
    };
    take("name", info_.name);
    take("manufacturer", info_.manufacturer);
    take("model", info_.model);
    take("subtype", info_.subtype);
    // A driver may be of several types; it cannot be of one that its note does not name.
    const auto& types = note.device_types;
    if (const std::string type = text_member(description, "type");
        std::find(types.begin(), types.end(), type) != types.end())
        info_.type = type;
    world_.device_changed(*this);
}

void DeviceSession::emitted(InstanceId id, RunnerEvent event) {
    if (id != instance_ || (phase_ != Phase::running && phase_ != Phase::handing_over)) return;
    world_.device_event(*this, std::move(event));
}

void DeviceSession::action_ended(InstanceId id, std::uint64_t action,
                                 RunnerListener::ActionEnd end) {
    if (id != instance_) return;
    ActionOutcome result;
    result.status = end.success ? ActionOutcome::Status::success : ActionOutcome::Status::error;
    result.result = std::move(end.result);
    result.message = std::move(end.message);
    if (!end.success) result.code = "driver." + end.code;
    actions_.ended(action, std::move(result));
}

void DeviceSession::act(ActionRequest request, ActionDone done) {
    request.device = info_.identifier;
    if (info_.state == DeviceState::unsupported) {
        actions_.push(std::move(request), std::move(done));
        actions_.end_all(outcome(ActionOutcome::Status::error, "device.unsupported",
                                 "no driver serves " + info_.identifier + ": " + info_.reason));
        return;
    }
    actions_.push(std::move(request), std::move(done));
}

// ---- ends of instances ----------------------------------------------------------------------------------------------

void DeviceSession::stop_instance(After after) {
    actions_.hold();
    after_ = after;
    phase_ = Phase::stopping;
    slot_->runner().stop(instance_);
}

void DeviceSession::stopped(InstanceId id) {
    if (id == instance_) instance_is_over();
}

void DeviceSession::instance_is_over() {
    instance_ = 0;
    actions_.interrupt("the device was closed while the action ran");
    switch (phase_) {
        case Phase::closing:
            return finish_close();
        case Phase::stopping:
            break;
        default:
            return;
    }
    fd_.reset();
    switch (after_) {
        case After::retry_same:
            return wait_and(next_delay(times_.reopen_most), After::retry_same);
        case After::search:
            leave_driver();
            return search();
        case After::next_candidate:
            return give_up_candidate(last_refusal_);
    }
}

void DeviceSession::plugin_down(const std::string& reason, bool comes_back) {
    if (phase_ == Phase::handing_over) {
        instance_ = 0;
        actions_.interrupt("the driver ended while the action ran (" + reason +
                           "): what it asked for may or may not have happened");
        return handover_->predecessor_gone();
    }
    instance_ = 0;
    actions_.hold();
    actions_.interrupt("the driver ended while the action ran (" + reason +
                       "): what it asked for may or may not have happened");
    switch (phase_) {
        case Phase::closing:
            return finish_close();
        case Phase::stopping:
            return instance_is_over();
        case Phase::probing:
            return give_up_candidate("the driver ended during the probe: " + reason);
        case Phase::starting:
        case Phase::running:
        case Phase::opening:
            opener_.reset();
            phase_ = Phase::waiting_for_plugin;
            set_state(DeviceState::opening, "the driver ended (" + reason + ")" +
                                                (comes_back ? ", it is started again" : ""));
            return;
        case Phase::idle:
        case Phase::waiting_for_plugin:
        case Phase::waiting:
        case Phase::handing_over:
            return;
    }
}

void DeviceSession::plugin_put_aside(const std::string& reason) {
    if (phase_ == Phase::handing_over) return plugin_down(reason, false);
    instance_ = 0;
    actions_.hold();
    actions_.interrupt("the driver was put aside: " + reason);
    if (phase_ == Phase::closing) return finish_close();
    opener_.reset();
    timer_.cancel();
    give_up_candidate("the driver was put aside: " + reason);
}

void DeviceSession::close(const std::string& reason) {
    if (phase_ == Phase::closing) return;
    timer_.cancel();
    opener_.reset();
    drop_handover(reason);
    const bool has_instance = instance_ != 0;
    const bool stopping = phase_ == Phase::stopping;
    phase_ = Phase::closing;
    actions_.hold();
    actions_.end_all(outcome(ActionOutcome::Status::disconnected, "device.gone",
                             info_.identifier + " has gone: " + reason));
    set_state(DeviceState::quiescing, reason);
    if (!has_instance) return finish_close();
    if (!stopping) slot_->runner().stop(instance_);
}

void DeviceSession::finish_close() {
    fd_.reset();
    leave_driver();
    set_state(DeviceState::gone, info_.reason);
    // The registry may drop its last reference; this call must survive that.
    const auto keep = shared_from_this();
    world_.device_over(*this);
}

void DeviceSession::update(Descriptor descriptor, Fd handed_over) {
    stale = false;
    const bool same = descriptor.raw == descriptor_.raw && !handed_over;
    if (same || phase_ == Phase::closing) return;
    const bool reopen = descriptor.open != descriptor_.open ||
                        descriptor.address != descriptor_.address || handed_over;
    descriptor_ = std::move(descriptor);
    handed_over_ = std::move(handed_over);
    info_.address = descriptor_.address;
    info_.properties = descriptor_.properties;
    if (reopen) reconsider("it is now at " + descriptor_.address);
}

void DeviceSession::reconsider(const std::string& reason) {
    if (phase_ == Phase::closing) return;
    timer_.cancel();
    opener_.reset();
    drop_handover(reason);
    probe_delay_ = reopen_delay_ = std::chrono::milliseconds{0};
    set_state(DeviceState::discovered, reason);
    if (phase_ == Phase::stopping) {
        after_ = After::search;
        return;
    }
    if (instance_ != 0) return stop_instance(After::search);
    fd_.reset();
    leave_driver();
    search();
}

// ---- another build of its driver ------------------------------------------------------------------------------------

bool DeviceSession::uses(const PluginSlot& slot) const noexcept {
    return slot_ == &slot || (handover_ && &handover_->to() == &slot);
}

bool DeviceSession::is_served_by(const PluginSlot& slot) const noexcept {
    return slot_ == &slot && phase_ == Phase::running && instance_ != 0;
}

void DeviceSession::hand_over(PluginSlot& to, const PluginSwaps::Limits& limits,
                              PluginSwaps::Done done) {
    handover_done_ = std::move(done);
    phase_ = Phase::handing_over;
    actions_.hold();
    handover_ =
        std::make_unique<DeviceHandover>(loop_, static_cast<DeviceHandover::Owner&>(*this), *slot_,
                                         instance_, to, info_.state == DeviceState::ready, limits);
    handover_->begin();
}

void DeviceSession::quiesced(InstanceId id, SavedState state) {
    if (id == instance_ && handover_) handover_->predecessor_quiesced(std::move(state));
}

Result<InstanceSpec> DeviceSession::successor_spec(const sdk::PluginNote& note, SavedState state) {
    Result<InstanceSpec> spec = make_spec(note);
    if (spec) spec->state = std::move(state);
    return spec;
}

void DeviceSession::successor_emitted(RunnerEvent event) {
    world_.device_event(*this, std::move(event));
}

void DeviceSession::successor_described(const boost::json::object& description) {
    take_description(handover_->to().note(), description);
}

void DeviceSession::handover_over(const Result<void>& result) {
    const Result<void> told = result;  // lives in the handover, which ends here
    if (told)
        adopt_successor();
    else
        take_back();
    boost::asio::post(loop_, [done = std::exchange(handover_done_, nullptr), told]() mutable {
        if (done) done(std::move(told));
    });
}

void DeviceSession::adopt_successor() {
    const auto handover = std::move(handover_);
    PluginSlot& old = *slot_;
    if (instance_) {
        old.runner().stop(instance_);
        old.unbind(instance_);
    }
    slot_ = &handover->to();
    slot_->use(*this);
    instance_ = handover->successor();
    slot_->bind(instance_, *this);
    old.leave(*this);
    phase_ = Phase::running;
    claimed_ = true;
    const sdk::PluginNote& note = slot_->note();
    info_.driver = note.name;
    info_.driver_version = note.version;
    if (std::find(note.device_types.begin(), note.device_types.end(), info_.type) ==
            note.device_types.end() &&
        !note.device_types.empty())
        info_.type = note.device_types.front();
    if (!handover->reason().empty()) info_.reason = handover->reason();
    world_.device_changed(*this);
    actions_.open(note.concurrent_actions);
}

void DeviceSession::take_back() {
    const auto handover = std::move(handover_);
    if (handover->predecessor_is_there()) {
        if (!handover->predecessor_was_asked()) {
            phase_ = Phase::running;
            return actions_.open(slot_->note().concurrent_actions);
        }
        phase_ = Phase::starting;  // started() follows
        return slot_->runner().resume(instance_);
    }
    instance_ = 0;
    if (slot_->put_aside())
        return give_up_candidate("the driver was put aside: " + slot_->runner().status().reason);
    phase_ = Phase::waiting_for_plugin;
    set_state(DeviceState::opening, "its driver is started again");
    slot_->use(*this);
    if (slot_ && slot_->up() && phase_ == Phase::waiting_for_plugin) open_device();
}

void DeviceSession::drop_handover(const std::string& reason) {
    if (!handover_) return;
    handover_.reset();
    boost::asio::post(loop_, [done = std::exchange(handover_done_, nullptr), reason] {
        // Not the fault of either build: the device itself has gone or is looked at anew.
        log_debug(k_component, "device.handover_dropped", {{"reason", reason}});
        if (done) done({});
    });
    phase_ = instance_ ? Phase::running : Phase::idle;
}

void DeviceSession::set_state(DeviceState state, std::string reason) {
    if (info_.state == state && info_.reason == reason && state != DeviceState::discovered) return;
    if (info_.state != state) info_.since = std::chrono::system_clock::now();
    info_.state = state;
    info_.reason = std::move(reason);
    world_.device_changed(*this);
}

}  // namespace backplane::core
