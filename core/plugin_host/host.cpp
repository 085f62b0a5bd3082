// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "host.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <limits>

#include <unistd.h>

#include "exit_codes.hpp"
#include "ipc/json_fields.hpp"
#include "library.hpp"

namespace backplane::core::host {
namespace json = boost::json;
using ipc::FrameType;
using ipc::make_frame;

namespace {
constexpr unsigned k_last_words_seconds = 3;
constexpr std::chrono::milliseconds k_drain_poll{5};
}  // namespace

Host::Host(boost::asio::io_context& loop, const HostOptions& options, ipc::StatusWriter status)
    : loop_(loop),
      options_(options),
      link_(loop, options.socket),
      context_{.loop = loop,
               .link = link_,
               .status = std::move(status),
               .plugin_name = options.name,
               .plugin_id = options.id,
               .is_interface = options.is_interface},
      hub_(loop),
      drain_timer_(loop) {}

bool Host::load() {
    Result<const bp_entry*> entry = [this] {
        const CallScope scope{context_, ipc::PluginCall::load, 0};
        return load_plugin(options_.library, options_.name);
    }();
    if (!entry) {
        link_.say(
            make_frame(FrameType::load_failed, 0, 0, json::object{{"text", entry.error().text}}));
        return false;
    }
    entry_ = *entry;
    link_.say(make_frame(
        FrameType::hello, 0, 0,
        json::object{{"abi_major", entry_->abi_major}, {"abi_minor", entry_->abi_minor}}));
    return true;
}

int Host::run() {
    if (!load()) return k_exit_not_loaded;
    link_.listen([this](ipc::Frame frame) { on_frame(std::move(frame)); },
                 [this] { stop_all(false); });
    const auto stay = boost::asio::make_work_guard(loop_);
    loop_.run();
    return k_exit_done;
}

void Host::on_frame(ipc::Frame frame) {
    switch (frame.type) {
        case FrameType::ping:
            link_.say(make_frame(FrameType::pong, 0, frame.request), ipc::Importance::urgent);
            return;
        case FrameType::set_log_level: {
            ipc::JsonFields fields{frame.body};
            const auto level = fields.number("level", BP_LOG_ERROR, BP_LOG_DEBUG);
            if (fields.problem().empty()) set_face_log_level(static_cast<std::int32_t>(level));
            return;
        }
        case FrameType::shut_down:
            stop_all(true);
            return;
        case FrameType::probe:
        case FrameType::start:
            if (!ending_) create(std::move(frame));
            return;
        default:
            break;
    }
    // The daemon may speak of an instance whose end it has not heard of yet. It will, and that is
    // its answer.
    const auto found = instances_.find(frame.instance);
    if (found == instances_.end()) return;
    const auto instance =
        found->second;  // owned by this call too: it may erase itself from the map
    switch (frame.type) {
        case FrameType::start_probed:
            instance->start_probed();
            break;
        case FrameType::stop:
            instance->stop();
            break;
        case FrameType::quiesce:
            instance->quiesce();
            break;
        case FrameType::resume:
            instance->resume();
            break;
        case FrameType::begin: {
            const auto action = frame.request;
            instance->begin(action, std::move(frame));
            break;
        }
        case FrameType::cancel:
            instance->cancel(frame.request);
            break;
        default:
            break;
    }
}

void Host::create(ipc::Frame frame) {
    ipc::JsonFields fields{frame.body};
    const json::object descriptor = fields.object("descriptor");
    const json::object settings = fields.object("settings");
    const bool is_probe = frame.type == FrameType::probe;
    const std::uint64_t limit_ms = is_probe ? fields.number("limit_ms", 1, 600'000) : 1;
    const std::uint64_t id = frame.instance;
    InheritedState inherited;
    if (frame.body.contains("state_version")) {
        inherited.version = static_cast<std::uint32_t>(
            fields.number("state_version", 1, std::numeric_limits<std::uint32_t>::max()));
        inherited.bytes = std::move(frame.payload);
    }
    if (!fields.problem().empty() || instances_.count(id) != 0) ::_exit(k_exit_broken_frame);
    const auto instance = std::make_shared<Instance>(
        Instance::Parts{context_, hub_, pool_, entry_}, id, descriptor, settings,
        std::move(frame.device), std::move(inherited), [this, id] {
            instances_.erase(id);
            end_when_empty();
        });
    instances_.emplace(id, instance);
    if (is_probe) {
        instance->probe(std::chrono::milliseconds{static_cast<std::int64_t>(limit_ms)});
    } else {
        instance->start();
    }
}

void Host::stop_all(bool orderly) {
    if (!orderly) {
        // Nobody is left who could end us when the plug-in hangs in its stop().
        ::alarm(k_last_words_seconds);
    }
    orderly_ = orderly;
    ending_ = true;
    const auto instances = instances_;  // copies of the pointers: stop() may change the map
    for (const auto& [id, instance] : instances) instance->stop();
    end_when_empty();
}

void Host::end_when_empty() {
    if (!ending_ || !instances_.empty()) return;
    if (orderly_) {
        orderly_ = false;
        link_.say(make_frame(FrameType::bye));
        ::alarm(k_last_words_seconds);
    }
    // What was said is to arrive, but not at any price: the alarm ends us too.
    if (link_.drained()) {
        loop_.stop();
        return;
    }
    drain_timer_.expires_after(k_drain_poll);
    drain_timer_.async_wait([this](const boost::system::error_code&) { end_when_empty(); });
}

}  // namespace backplane::core::host
