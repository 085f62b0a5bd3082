// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What happens between two starts: an instance is quiesced, and leaves something to its successor
// or takes something over (backplane.state/1).
#include <boost/json/object.hpp>

#include "instance.hpp"

namespace backplane::core::host {
namespace json = boost::json;
using ipc::FrameType;
using ipc::make_frame;
using ipc::PluginCall;

void Instance::quiesce() {
    if (state_ != State::started) return;  // its end is on the way to who asked
    call_stop();
    state_ = State::quiescing;
    quiesce_when_idle();
}

void Instance::quiesce_when_idle() {
    // Work on another thread may still use the device. The daemon watches the time.
    if (state_ != State::quiescing || works_->pending() != 0) return;
    const std::uint32_t version = save_state();
    state_ = State::quiesced;
    auto frame = make_frame(FrameType::quiesced, id_, 0, json::object{{"version", version}});
    frame.payload = std::exchange(saved_, {});
    context_.link.say(std::move(frame));
}

std::uint32_t Instance::save_state() {
    saved_.clear();
    const auto* ops = extension<bp_plugin_state>(BP_EXT_STATE, sizeof(bp_plugin_state));
    if (ops == nullptr || ops->save == nullptr) return 0;
    saving_ = true;
    saved_all_ = true;
    error_text_.clear();
    const bp_status status =
        call_plugin(context_, PluginCall::state_save, id_, [&] { return ops->save(self_); });
    saving_ = false;
    if (status == BP_OK && saved_all_ && ops->version != 0) return ops->version;
    saved_.clear();
    if (status == BP_E_UNSUPPORTED) return 0;
    if (!saved_all_) {
        fault("wanted to leave a state of more than 1 MiB to its successor");
    } else if (status == BP_OK) {
        fault("left a state without a version to its successor");
    } else {
        fault("could not save its state: " + failure_text(status, "save()"));
    }
    return 0;
}

bp_status Instance::put_state(bp_bytes bytes) {
    if (!saving_) return not_now("put() of " BP_EXT_STATE);
    if (bytes.data == nullptr && bytes.size != 0)
        return bad_argument("put() of " BP_EXT_STATE " with bytes that are nowhere");
    // Half a state is none, also when the plug-in does not look at what put() has said.
    const bool had_all = std::exchange(saved_all_, false);
    if (!had_all || bytes.size > ipc::k_state_bytes - saved_.size()) return BP_E_NO_SPACE;
    saved_.insert(saved_.end(), bytes.data, bytes.data + bytes.size);
    saved_all_ = true;
    return BP_OK;
}

void Instance::restore_state() {
    const InheritedState inherited = std::exchange(inherited_, {});
    if (inherited.version == 0) return;
    const auto* ops = extension<bp_plugin_state>(BP_EXT_STATE, sizeof(bp_plugin_state));
    const std::string what =
        "the state of its predecessor (version " + std::to_string(inherited.version) + ")";
    bp_status status = BP_E_UNSUPPORTED;
    if (ops != nullptr && ops->restore != nullptr) {
        error_text_.clear();
        status = call_plugin(context_, PluginCall::state_restore, id_, [&] {
            return ops->restore(self_, inherited.version,
                                {inherited.bytes.data(), inherited.bytes.size()});
        });
    }
    if (status == BP_OK) return;
    if (status == BP_E_UNSUPPORTED) {
        context_.link.log(id_, BP_LOG_INFO,
                          "does not understand " + what + " and starts without it");
    } else {
        context_.link.log(id_, BP_LOG_WARNING,
                          "could not take over " + what +
                              " and starts without it: " + failure_text(status, "restore()"));
    }
    error_text_.clear();
    clean_up("a restore() that failed", false);
}

void Instance::resume() {
    if (state_ != State::quiesced) return;
    keys_.clear();  // an interface finds its devices anew
    run_start();
}

}  // namespace backplane::core::host
