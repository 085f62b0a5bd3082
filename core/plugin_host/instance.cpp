// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "instance.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include <fcntl.h>

#include "ipc/json_fields.hpp"
#include "util/utf8.hpp"

namespace backplane::core::host {
namespace json = boost::json;
using ipc::FrameType;
using ipc::make_frame;
using ipc::PluginCall;

namespace {

constexpr std::size_t k_most_actions = 64;
constexpr std::size_t k_most_devices = 4096;
constexpr std::size_t k_most_held_bytes = std::size_t{4} << 20;
constexpr std::size_t k_remembered_ids = 256;
constexpr std::chrono::seconds k_cancel_grace{1};

/// JSON of the plug-in's, checked: null pointer, size, syntax, depth.
std::optional<json::value> parse(bp_str text, std::size_t most) {
    std::string_view view;
    if (!view_of(text, view) || view.size() > most) return std::nullopt;
    json::parse_options options;
    options.max_depth = ipc::k_plugin_json_depth;
    json::error_code error;
    json::value value = json::parse(view, error, {}, options);
    if (error) return std::nullopt;
    return value;
}

std::optional<json::object> parse_object(bp_str text, std::size_t most) {
    auto value = parse(text, most);
    if (!value || !value->is_object()) return std::nullopt;
    // What came in short forms may be longer when it is written again.
    if (ipc::serialized_size(*value) > most) return std::nullopt;
    return std::move(value->get_object());
}

std::string clean(bp_str text) {
    std::string_view view;
    return view_of(text, view) ? to_valid_utf8(view, ipc::k_text_bytes) : std::string{};
}

}  // namespace

std::string_view code_of(bp_status status) noexcept {
    switch (status) {
        case BP_E_UNSUPPORTED:
            return "UNSUPPORTED";
        case BP_E_INTERNAL:
            return "INTERNAL";
        case BP_E_INVALID:
            return "INVALID";
        case BP_E_BAD_STATE:
            return "BAD_STATE";
        case BP_E_BUSY:
            return "BUSY";
        case BP_E_TIMEOUT:
            return "TIMEOUT";
        case BP_E_NO_DEVICE:
            return "NO_DEVICE";
        case BP_E_IO:
            return "IO";
        case BP_E_CANCELLED:
            return "CANCELLED";
        case BP_E_NO_SPACE:
            return "NO_SPACE";
        case BP_E_DENIED:
            return "DENIED";
        case BP_E_TRANSPORT_GONE:
            return "TRANSPORT_GONE";
        case BP_E_TRANSPORT_TIMEOUT:
            return "TRANSPORT_TIMEOUT";
        default:
            return "FAILED";
    }
}

Instance::Instance(Parts parts, std::uint64_t id, const json::object& descriptor,
                   const json::object& settings, Fd device, InheritedState inherited,
                   std::function<void()> gone)
    : context_(parts.context),
      entry_(parts.entry),
      id_(id),
      descriptor_(json::serialize(descriptor)),
      settings_(json::serialize(settings)),
      device_(std::move(device)),
      gone_(std::move(gone)),
      face_(make_face(context_, id, this)),
      timers_(std::make_shared<Timers>(context_, id)),
      watches_(context_, parts.hub, id),
      works_(std::make_shared<Works>(context_, parts.pool, id,
                                     [this] {
                                         if (state_ == State::draining) destroy_when_idle();
                                         if (state_ == State::quiescing) quiesce_when_idle();
                                     })),
      inherited_(std::move(inherited)),
      probe_timer_(context_.loop) {}

bool Instance::create(std::string& why, bp_status& status) {
    bp_instance* made = nullptr;
    error_text_.clear();
    status = call_plugin(context_, PluginCall::create, id_, [&] {
        return entry_->create(&face_.host, context_.plugin_id.c_str(), &made);
    });
    if (status != BP_OK) {
        why = failure_text(status, "create()");
        return false;
    }
    if (made == nullptr || !BP_HAS_FIELD(made, bp_instance, get_extension) ||
        made->start == nullptr || made->stop == nullptr || made->destroy == nullptr ||
        made->get_extension == nullptr) {
        status = BP_E_INTERNAL;
        why =
            "the driver's create() succeeded but gave no usable instance: this is an error in the "
            "plug-in";
        fault("returned no usable instance from create()");
        return false;
    }
    self_ = made;
    return true;
}

std::string Instance::failure_text(bp_status status, std::string_view call) {
    if (!error_text_.empty()) return std::exchange(error_text_, {});
    return std::string{call} + " failed with " + std::string{code_of(status)} +
           " and gave no reason";
}

bp_status Instance::not_now(std::string_view what) {
    fault("called " + std::string{what} + " in a state in which it is not allowed");
    return BP_E_BAD_STATE;
}

bp_status Instance::bad_argument(std::string_view what) {
    fault("called " + std::string{what});
    return BP_E_INVALID;
}

void Instance::tell(ipc::OutgoingFrame frame) {
    if (state_ == State::starting) {
        held_bytes_ += frame.bytes();
        held_.push_back(std::move(frame));
    } else {
        context_.link.say(std::move(frame));
    }
}

// ---- probe
// -------------------------------------------------------------------------------------------------------

void Instance::probe(std::chrono::milliseconds limit) {
    std::string why;
    bp_status status = BP_OK;
    if (!create(why, status)) return answer_probe(false, why);
    const auto* ops =
        extension<bp_plugin_probe>(BP_EXT_PROBE, BP_SIZE_OF_FIELD(bp_plugin_probe, cancel) +
                                                     offsetof(bp_plugin_probe, cancel));
    if (ops == nullptr || ops->start == nullptr || ops->cancel == nullptr) {
        return answer_probe(false, "the driver cannot be asked: it has no " BP_EXT_PROBE);
    }
    state_ = State::probing;
    probe_limit_ = limit;
    probe_timer_.expires_after(limit);
    probe_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self && !error) self->probe_overdue();
    });
    error_text_.clear();
    status = call_plugin(context_, PluginCall::probe_start, id_, [&] { return ops->start(self_); });
    if (status == BP_OK || state_ != State::probing) return;
    if (probe_answered_) {
        fault("answered a probe and failed its start() as well");
        return;  // the answer stands; judge() is on its way
    }
    probe_answered_ = true;
    answer_probe(false, failure_text(status, "probe start()"));
}

bp_status Instance::finish_probe(std::int32_t verdict, bp_str reason) {
    if (state_ != State::probing || probe_answered_) return not_now("finish() of " BP_EXT_PROBE);
    if (verdict != BP_PROBE_CLAIM && verdict != BP_PROBE_NO_MATCH) {
        return bad_argument("finish() of " BP_EXT_PROBE " with an unknown verdict");
    }
    probe_answered_ = true;
    verdict_ = verdict;
    verdict_reason_ = clean(reason);
    // Not here: the plug-in is still inside a call of its own, and cleans up after this one.
    boost::asio::post(context_.loop, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->judge();
    });
    return BP_OK;
}

void Instance::judge() {
    if (state_ != State::probing) return;
    probe_timer_.cancel();
    if (verdict_ == BP_PROBE_CLAIM) {
        state_ = State::judged;
        clean_up("a probe", false);
    }
    answer_probe(verdict_ == BP_PROBE_CLAIM, verdict_reason_);
}

void Instance::probe_overdue() {
    if (state_ != State::probing || probe_answered_) return;
    probe_answered_ = true;
    if (const auto* ops = extension<bp_plugin_probe>(BP_EXT_PROBE, sizeof(bp_plugin_probe))) {
        call_plugin(context_, PluginCall::probe_cancel, id_, [&] { ops->cancel(self_); });
    }
    answer_probe(false, "the driver did not find out within " +
                            std::to_string(probe_limit_.count()) + " ms");
}

void Instance::answer_probe(bool claimed, const std::string& reason) {
    const auto say = [this, claimed, reason] {
        context_.link.say(make_frame(FrameType::probed, id_, 0,
                                     json::object{{"claimed", claimed}, {"reason", reason}}));
    };
    if (claimed) return say();
    // The frame is the last word of this instance, so it follows destroy().
    if (state_ == State::probing) clean_up("a probe", false);
    end(say);
}

// ---- start and stop
// -----------------------------------------------------------------------------------------------

void Instance::start() {
    std::string why;
    bp_status status = BP_OK;
    if (create(why, status)) return run_start();
    end([this, why, status] {
        context_.link.say(
            make_frame(FrameType::started, id_, 0,
                       json::object{{"ok", false}, {"code", code_of(status)}, {"text", why}}));
    });
}

void Instance::start_probed() {
    if (state_ == State::judged) run_start();
}

void Instance::run_start() {
    restore_state();
    state_ = State::starting;
    settled_ = false;
    last_report_.clear();
    error_text_.clear();
    const bp_status status =
        call_plugin(context_, PluginCall::start, id_, [&] { return self_->start(self_); });
    if (status == BP_OK) {
        state_ = State::started;
        context_.link.say(make_frame(FrameType::started, id_, 0, json::object{{"ok", true}}));
        for (auto& frame : std::exchange(held_, {})) context_.link.say(std::move(frame));
        return;
    }
    const std::string why = failure_text(status, "start()");
    held_.clear();
    state_ = State::judged;
    clean_up("a start() that failed", false);
    end([this, why, status] {
        context_.link.say(
            make_frame(FrameType::started, id_, 0,
                       json::object{{"ok", false}, {"code", code_of(status)}, {"text", why}}));
    });
}

void Instance::stop() {
    const auto say = [this] { context_.link.say(make_frame(FrameType::stopped, id_)); };
    switch (state_) {
        case State::created:
        case State::draining:
            // It is ending by itself; who asked gets the answer to that.
            if (state_ == State::draining) farewell_ = say;
            return;
        case State::starting:
        case State::stopping:
        case State::gone:
            return;
        case State::probing:
            probe_timer_.cancel();
            if (!probe_answered_) {
                probe_answered_ = true;
                if (const auto* ops =
                        extension<bp_plugin_probe>(BP_EXT_PROBE, sizeof(bp_plugin_probe))) {
                    call_plugin(context_, PluginCall::probe_cancel, id_,
                                [&] { ops->cancel(self_); });
                }
            }
            clean_up("a probe", false);
            return end(say);
        case State::quiescing:
        case State::quiesced:
            return end(say);
        case State::judged:
        case State::started:
            break;
    }
    call_stop();
    end(say);
}

void Instance::call_stop() {
    const auto* interrupt =
        extension<bp_plugin_interrupt>(BP_EXT_INTERRUPT, sizeof(bp_plugin_interrupt));
    if (interrupt != nullptr && interrupt->interrupt != nullptr) {
        call_plugin(context_, PluginCall::interrupt, id_, [&] { interrupt->interrupt(self_); });
    }
    if (state_ == State::started) {
        state_ = State::stopping;
        call_plugin(context_, PluginCall::stop, id_, [&] { self_->stop(self_); });
        clean_up("stop()", true);
    }
}

void Instance::clean_up(std::string_view after, bool report_actions) {
    const std::size_t timers = timers_->clear();
    const std::size_t watches = watches_.clear();
    std::string left;
    const auto add = [&left](std::size_t count, std::string_view what,
                             std::string_view plural = "s") {
        if (count == 0) return;
        if (!left.empty()) left += ", ";
        left +=
            std::to_string(count) + " " + std::string{what} + std::string{count == 1 ? "" : plural};
    };
    add(timers, "timer");
    add(watches, "descriptor watch", "es");
    if (report_actions) {
        add(actions_.size(), "open action");
        while (!actions_.empty()) {
            end_action(actions_.begin(), BP_E_CANCELLED, nullptr,
                       "the driver was stopped before it had finished");
        }
    }
    if (!left.empty()) fault("left " + left + " behind after " + std::string{after});
}

void Instance::end(std::function<void()> farewell) {
    farewell_ = std::move(farewell);
    state_ = State::draining;
    destroy_when_idle();
}

void Instance::destroy_when_idle() {
    // The contract promises that done() has been called before destroy(). The daemon watches the
    // time.
    if (state_ != State::draining || works_->pending() != 0) return;
    if (self_ != nullptr) {
        call_plugin(context_, PluginCall::destroy, id_, [&] { self_->destroy(self_); });
        self_ = nullptr;
        clean_up("destroy()", false);
    }
    state_ = State::gone;
    face_.instance = nullptr;
    device_.reset();
    if (farewell_) std::exchange(farewell_, nullptr)();
    // Later, because the plug-in's own call may be below us on the stack.
    boost::asio::post(context_.loop, [self = shared_from_this()] {
        if (self->gone_) std::exchange(self->gone_, nullptr)();
    });
}

// ---- actions
// -------------------------------------------------------------------------------------------------------

void Instance::begin(std::uint64_t id, ipc::Frame frame) {
    const auto refuse = [&](bp_status status, std::string_view message) {
        context_.link.say(make_frame(FrameType::action_ended, id_, id,
                                     json::object{{"success", false},
                                                  {"result", nullptr},
                                                  {"message", message},
                                                  {"code", code_of(status)}}));
    };
    if (state_ != State::started) return refuse(BP_E_BAD_STATE, "the driver is not running");
    if (actions_.size() >= k_most_actions)
        return refuse(BP_E_BUSY, "the driver has too many open actions: try again");
    ipc::JsonFields fields{frame.body};
    std::string name = fields.text("name", ipc::k_json_bytes);
    const std::string data = json::serialize(fields.object("data"));
    const std::chrono::milliseconds limit{
        static_cast<std::int64_t>(fields.number("deadline_ms", 0, 86'400'000))};
    if (!fields.problem().empty() || actions_.count(id) != 0)
        return refuse(BP_E_INVALID, "the action is malformed");

    const auto* ops = extension<bp_plugin_actions>(BP_EXT_ACTIONS, sizeof(bp_plugin_actions));
    if (ops == nullptr || ops->begin == nullptr || ops->cancel == nullptr) {
        return refuse(BP_E_UNSUPPORTED, "this driver has no actions");
    }
    auto [at, added] =
        actions_.try_emplace(id, Action{std::move(name), data, std::move(frame.payload),
                                        boost::asio::steady_timer{context_.loop}});
    Action& action = at->second;
    action.timer.expires_after(limit);
    action.timer.async_wait([weak = weak_from_this(), id](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self && !error) self->cancel_action(id, true);
    });
    bp_action view{};
    view.struct_size = sizeof(view);
    view.id = id;
    view.deadline_ns = static_cast<std::uint64_t>(action.timer.expiry().time_since_epoch().count());
    view.name = abi_view(action.name);
    view.data = abi_view(action.data);
    view.payload = {action.payload.data(), action.payload.size()};
    error_text_.clear();
    const bp_status status = call_plugin(context_, PluginCall::action_begin, id_,
                                         [&] { return ops->begin(self_, &view); });
    const auto still = actions_.find(id);
    if (status == BP_OK) return;
    if (still == actions_.end()) {
        fault("completed action " + std::to_string(id) + " and then refused it");
        return;
    }
    end_action(still, status, nullptr, failure_text(status, "begin()"));
}

void Instance::cancel(std::uint64_t action) {
    cancel_action(action, false);
}

void Instance::cancel_action(std::uint64_t id, bool deadline) {
    const auto found = actions_.find(id);
    if (found == actions_.end() || state_ != State::started) return;
    Action& action = found->second;
    action.deadline_passed = action.deadline_passed || deadline;
    if (std::exchange(action.cancelled, true)) return;
    action.timer.expires_after(k_cancel_grace);
    action.timer.async_wait([weak = weak_from_this(), id](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self && !error) self->give_up_action(id);
    });
    if (const auto* ops = extension<bp_plugin_actions>(BP_EXT_ACTIONS, sizeof(bp_plugin_actions))) {
        call_plugin(context_, PluginCall::action_cancel, id_, [&] { ops->cancel(self_, id); });
    }
}

void Instance::give_up_action(std::uint64_t id) {
    const auto found = actions_.find(id);
    if (found == actions_.end()) return;
    fault("did not complete action " + std::to_string(id) + " within 1 s of its cancel()");
    if (found->second.deadline_passed) {
        end_action(found, BP_E_TIMEOUT, nullptr,
                   "the driver did not finish in time; the device may have done it or not");
    } else {
        end_action(found, BP_E_CANCELLED, nullptr, "cancelled; the device may have done it or not");
    }
}

void Instance::end_action(std::map<std::uint64_t, Action>::iterator action, bp_status status,
                          json::value result, std::string message) {
    const std::uint64_t id = action->first;
    action->second.timer.cancel();
    // The plug-in may hold views of it until its call returns.
    ended_actions_.push_back(std::move(action->second));
    actions_.erase(action);
    boost::asio::post(context_.loop, [self = shared_from_this()] { self->ended_actions_.clear(); });
    ended_ids_.push_back(id);
    if (ended_ids_.size() > k_remembered_ids) ended_ids_.pop_front();
    const bool success = status == BP_OK;
    json::object body{{"success", success}, {"result", std::move(result)}};
    body["message"] = std::move(message);
    body["code"] = success ? std::string_view{} : code_of(status);
    tell(make_frame(FrameType::action_ended, id_, id, body));
}

bp_status Instance::complete(std::uint64_t id, bp_status status, bp_str result, bp_str message) {
    if (!at_work()) return not_now("complete()");
    const auto found = actions_.find(id);
    if (found == actions_.end()) {
        const bool twice = std::find(ended_ids_.begin(), ended_ids_.end(), id) != ended_ids_.end();
        return bad_argument("complete() for action " + std::to_string(id) +
                            (twice ? ", which has already ended" : ", which was never begun"));
    }
    std::optional<json::value> value = json::value{};
    if (result.size != 0) value = parse(result, ipc::k_result_bytes);
    if (!value || ipc::serialized_size(*value) > ipc::k_result_bytes) {
        return bad_argument("complete() for action " + std::to_string(id) +
                            " with a result that is not JSON of at most 1 MiB");
    }
    if (status > 0) {
        fault("completed action " + std::to_string(id) + " with " + std::to_string(status) +
              ", which is no status");
        status = BP_E_INTERNAL;
    }
    std::string text = clean(message);
    if (status != BP_OK && text.empty()) text = "the driver gave no reason";
    end_action(found, status, std::move(*value), std::move(text));
    return BP_OK;
}

// ---- the other extensions
// -------------------------------------------------------------------------------------------

bp_status Instance::start_timer(std::uint64_t delay, std::uint64_t period, bp_timer_fn fn,
                                void* user, std::uint64_t* out) {
    if (at_rest()) return not_now("start() of " BP_EXT_TIMER);
    return timers_->start(delay, period, fn, user, out);
}

bp_status Instance::watch(std::int32_t fd, std::uint32_t events, bp_fd_fn fn, void* user,
                          std::uint64_t* out) {
    if (at_rest()) return not_now("watch() of " BP_EXT_FD);
    return watches_.watch(fd, events, fn, user, out);
}

bp_status Instance::submit(bp_work_fn work, bp_work_done_fn done, void* user) {
    if (at_rest()) return not_now("submit() of " BP_EXT_WORKER);
    return works_->submit(work, done, user);
}

bp_status Instance::report(std::int32_t state, bp_str reason) {
    if (!at_work()) return not_now("report()");
    if (state < BP_DEVICE_READY || state > BP_DEVICE_FAILED)
        return bad_argument("report() with an unknown state");
    std::string text = clean(reason);
    std::string both = std::to_string(state) + text;
    if (both == last_report_) return BP_OK;
    if (!context_.link.has_room()) return BP_E_NO_SPACE;
    last_report_ = std::move(both);
    tell(make_frame(FrameType::device_report, id_, 0,
                    json::object{{"state", state}, {"reason", text}}));
    return BP_OK;
}

bp_status Instance::describe(bp_str text) {
    auto description = parse_object(text, ipc::k_object_bytes);
    if (!description) return bad_argument("describe() without a JSON object of at most 32 KiB");
    if (at_rest()) return not_now("describe()");
    std::string written = json::serialize(*description);
    if (written == last_description_) return BP_OK;
    if (!context_.link.has_room()) return BP_E_NO_SPACE;
    last_description_ = std::move(written);
    tell(make_frame(FrameType::device_described, id_, 0,
                    json::object{{"description", std::move(*description)}}));
    return BP_OK;
}

bp_status Instance::emit(const bp_event* event) {
    if (!at_work()) return not_now("emit()");
    if (event == nullptr || !BP_HAS_FIELD(event, bp_event, payload))
        return bad_argument("emit() without an event");
    std::string_view kind;
    if (!view_of(event->kind, kind) || kind.empty() || kind.size() > ipc::k_kind_bytes ||
        first_invalid_utf8(kind) != std::string_view::npos) {
        return bad_argument("emit() without a kind of at most 128 bytes");
    }
    auto data = event->data.size == 0 ? std::optional<json::object>{json::object{}}
                                      : parse_object(event->data, ipc::k_object_bytes);
    if (!data) return bad_argument("emit() without a JSON object of at most 32 KiB");
    const bp_bytes payload = event->payload;
    if ((payload.data == nullptr && payload.size != 0) || payload.size > ipc::k_payload_bytes) {
        return bad_argument("emit() with a payload that is not one of at most 32 MiB");
    }
    auto frame = make_frame(FrameType::event, id_, 0,
                            json::object{{"kind", kind},
                                         {"data", std::move(*data)},
                                         {"transient", (event->flags & BP_EVENT_TRANSIENT) != 0}});
    frame.payload.assign(payload.data, payload.data + payload.size);
    if (state_ != State::starting)
        return context_.link.offer_event(std::move(frame)) ? BP_OK : BP_E_NO_SPACE;
    if (held_bytes_ + frame.bytes() > k_most_held_bytes && !held_.empty()) return BP_E_NO_SPACE;
    tell(std::move(frame));
    return BP_OK;
}

bp_status Instance::add_device(bp_str descriptor, std::int32_t fd) {
    if (!at_work()) return not_now("added()");
    auto object = parse_object(descriptor, ipc::k_object_bytes);
    const json::value* key = object ? object->if_contains("key") : nullptr;
    if (key == nullptr || !key->is_string() || key->get_string().empty() ||
        key->get_string().size() > ipc::k_key_bytes) {
        return bad_argument(
            "added() without a JSON object of at most 32 KiB that has a \"key\" of at most 1 KiB");
    }
    const json::value* open = object->if_contains("open");
    const json::value* kind =
        open != nullptr && open->is_object() ? open->get_object().if_contains("kind") : nullptr;
    const bool wants_fd = kind != nullptr && kind->is_string() && kind->get_string() == "fd";
    if (wants_fd != (fd >= 0)) {
        return bad_argument(wants_fd ? "added() without the descriptor that it announces"
                                     : "added() with a descriptor that it does not announce");
    }
    std::string name{std::string_view{key->get_string()}};
    if (keys_.size() >= k_most_devices && keys_.count(name) == 0) return BP_E_NO_SPACE;
    if (!context_.link.has_room() || held_bytes_ > k_most_held_bytes) return BP_E_NO_SPACE;
    auto frame = make_frame(FrameType::device_added, id_, 0,
                            json::object{{"descriptor", std::move(*object)}});
    if (fd >= 0) {
        frame.device.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
        if (!frame.device) return bad_argument("added() with a descriptor that is not open");
    }
    keys_.insert(std::move(name));
    tell(std::move(frame));
    return BP_OK;
}

bp_status Instance::remove_device(bp_str key) {
    if (!at_work()) return not_now("removed()");
    std::string_view name;
    if (!view_of(key, name)) return BP_E_INVALID;
    const auto found = keys_.find(name);
    if (found == keys_.end()) return BP_E_INVALID;
    tell(make_frame(FrameType::device_removed, id_, 0, json::object{{"key", name}}));
    keys_.erase(found);
    return BP_OK;
}

bp_status Instance::settle() {
    if (!at_work() || settled_) return not_now("settled()");
    settled_ = true;
    tell(make_frame(FrameType::bus_settled, id_));
    return BP_OK;
}

void Instance::set_error(bp_status code, bp_str text) {
    // The code that counts is the one that the call returns.
    (void)code;
    error_text_ = clean(text);
}

}  // namespace backplane::core::host
