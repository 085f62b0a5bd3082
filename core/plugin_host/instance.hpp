// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One instance of the plug-in: its states, and what it may do in each of them.
//
//   created → probing → judged → started → draining → gone
//      └────────────────────────↗ ↑    ↓      ↑
//                                 │ quiescing │
//                                 │    ↓      │
//                                quiesced ────┘
//
// Purpose: the plug-in gets exactly the calls that the contract promises, and the daemon exactly
// the answers that the protocol promises, whatever the plug-in does. What it leaves behind is
// cleaned up and reported. Thread: the driver thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backplane/core/fd.hpp"
#include "context.hpp"
#include "face.hpp"
#include "ipc/frame.hpp"
#include "timers.hpp"
#include "watches.hpp"
#include "workers.hpp"

namespace backplane::core::host {

/// What the predecessor of an instance has put.
struct InheritedState {
    std::uint32_t version = 0;  ///< 0: there is none
    std::vector<std::uint8_t> bytes;
};

class Instance : public std::enable_shared_from_this<Instance> {
public:
    struct Parts {
        Context& context;
        WatchHub& hub;
        WorkerPool& pool;
        const bp_entry* entry;
    };
    /// `gone` is called once, from the loop, when destroy() has returned.
    Instance(Parts parts, std::uint64_t id, const boost::json::object& descriptor,
             const boost::json::object& settings, Fd device, InheritedState inherited,
             std::function<void()> gone);
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;
    ~Instance() = default;

    // What the daemon asks for.
    void probe(std::chrono::milliseconds limit);
    void start();
    void start_probed();
    void stop();
    void quiesce();
    void resume();
    void begin(std::uint64_t action, ipc::Frame frame);
    void cancel(std::uint64_t action);

    // What the plug-in asks for (host extensions).
    bp_status start_timer(std::uint64_t delay, std::uint64_t period, bp_timer_fn fn, void* user,
                          std::uint64_t* out);
    bp_status cancel_timer(std::uint64_t timer) { return timers_->cancel(timer); }
    bp_status watch(std::int32_t fd, std::uint32_t events, bp_fd_fn fn, void* user,
                    std::uint64_t* out);
    bp_status modify_watch(std::uint64_t id, std::uint32_t events) {
        return watches_.modify(id, events);
    }
    bp_status unwatch(std::uint64_t id) { return watches_.unwatch(id); }
    bp_status submit(bp_work_fn work, bp_work_done_fn done, void* user);
    bp_str descriptor() const noexcept { return abi_view(descriptor_); }
    bp_str settings() const noexcept { return abi_view(settings_); }
    std::int32_t device() const noexcept { return device_.get(); }
    bp_status report(std::int32_t state, bp_str reason);
    bp_status describe(bp_str json);
    bp_status finish_probe(std::int32_t verdict, bp_str reason);
    bp_status complete(std::uint64_t action, bp_status status, bp_str result, bp_str message);
    bp_status emit(const bp_event* event);
    bp_status add_device(bp_str descriptor, std::int32_t fd);
    bp_status remove_device(bp_str key);
    bp_status settle();
    bp_status put_state(bp_bytes bytes);
    void set_error(bp_status code, bp_str text);

private:
    enum class State {
        created,
        probing,
        judged,
        starting,
        started,
        stopping,
        quiescing,
        quiesced,
        draining,
        gone
    };
    struct Action {
        std::string name, data;
        std::vector<std::uint8_t> payload;
        boost::asio::steady_timer timer;
        bool cancelled = false;
        bool deadline_passed = false;
    };

    bool create(std::string& why, bp_status& status);
    bool at_work() const noexcept {
        return state_ == State::starting || state_ == State::started || state_ == State::stopping;
    }
    /// Between stop() and the next start() or destroy(): nothing may be set going.
    bool at_rest() const noexcept {
        return state_ == State::quiescing || state_ == State::quiesced ||
               state_ == State::draining || state_ == State::gone;
    }
    bp_status not_now(std::string_view what);
    bp_status bad_argument(std::string_view what);
    void fault(std::string_view text) { context_.link.fault(id_, text); }
    std::string failure_text(bp_status status, std::string_view call);
    template <typename Extension>
    const Extension* extension(const char* id, std::size_t needed_bytes);

    void tell(ipc::OutgoingFrame frame);  // at once, or behind `started`
    void answer_probe(bool claimed, const std::string& reason);
    void judge();
    void probe_overdue();
    void run_start();
    void restore_state();
    void call_stop();
    void quiesce_when_idle();
    std::uint32_t save_state();
    void clean_up(std::string_view after, bool report_actions);
    void end(std::function<void()> farewell);
    void destroy_when_idle();

    void end_action(std::map<std::uint64_t, Action>::iterator action, bp_status status,
                    boost::json::value result, std::string message);
    void cancel_action(std::uint64_t id, bool deadline);
    void give_up_action(std::uint64_t id);

    Context& context_;
    const bp_entry* entry_;
    const std::uint64_t id_;
    const std::string descriptor_;
    const std::string settings_;
    Fd device_;
    std::function<void()> gone_;
    Face& face_;
    bp_instance* self_ = nullptr;
    State state_ = State::created;

    std::shared_ptr<Timers> timers_;
    Watches watches_;
    std::shared_ptr<Works> works_;

    std::string error_text_;

    InheritedState inherited_;  // until the first start()
    std::vector<std::uint8_t> saved_;
    bool saving_ = false;
    bool saved_all_ = true;

    boost::asio::steady_timer probe_timer_;
    std::chrono::milliseconds probe_limit_{};
    bool probe_answered_ = false;
    std::int32_t verdict_ = 0;
    std::string verdict_reason_;

    std::vector<ipc::OutgoingFrame> held_;  // said inside start()
    std::size_t held_bytes_ = 0;
    std::string last_report_;
    std::string last_description_;
    bool settled_ = false;
    std::set<std::string, std::less<>> keys_;

    std::map<std::uint64_t, Action> actions_;
    std::list<Action> ended_actions_;  // their memory lives until the plug-in's call has returned
    std::deque<std::uint64_t> ended_ids_;  // to tell "twice" from "never begun"
    std::function<void()> farewell_;
};

template <typename Extension>
const Extension* Instance::extension(const char* id, std::size_t needed_bytes) {
    const void* found = call_plugin(context_, ipc::PluginCall::get_extension, id_,
                                    [&] { return self_->get_extension(self_, id); });
    const auto* extension = static_cast<const Extension*>(found);
    if (extension == nullptr) return nullptr;
    if (extension->struct_size < needed_bytes) {
        fault(std::string{"offers an extension that is too short: "} + id);
        return nullptr;
    }
    return extension;
}

/// "BUSY", "NO_DEVICE", …; other failures are "FAILED".
std::string_view code_of(bp_status status) noexcept;

}  // namespace backplane::core::host
