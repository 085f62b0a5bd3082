// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "face.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <exception>
#include <string>
#include <thread>

#include "context.hpp"
#include "instance.hpp"

namespace backplane::core::host {
namespace {

Face* face_of(const bp_host* host) noexcept {
    return host == nullptr ? nullptr : static_cast<Face*>(host->host_data);
}

/// The instance that may be called now, or null after the reason has been reported.
Instance* instance_of(const bp_host* host, const char* slot) noexcept {
    Face* face = face_of(host);
    if (face == nullptr) return nullptr;
    try {
        if (std::this_thread::get_id() != face->context->driver_thread) {
            face->context->link.fault(face->id, std::string{"called "} + slot +
                                                    " on another thread than the driver thread");
            return nullptr;
        }
        if (face->instance == nullptr) {
            face->context->link.fault(face->id,
                                      std::string{"called "} + slot + " after its destroy()");
            return nullptr;
        }
    } catch (...) {  // no memory for the remark
        return nullptr;
    }
    return face->instance;
}

template <typename F>
bp_status enter(const bp_host* host, const char* slot, F&& function) noexcept {
    Instance* instance = instance_of(host, slot);
    if (instance == nullptr) return host == nullptr ? BP_E_INVALID : BP_E_BAD_STATE;
    try {
        return function(*instance);
    } catch (const std::bad_alloc&) {
        return BP_E_NO_SPACE;
    } catch (...) {
        return BP_E_INTERNAL;
    }
}

// ---- one trampoline for each slot
// ----------------------------------------------------------------------------------

void set_error(const bp_host* host, bp_status code, bp_str text) noexcept {
    (void)enter(host, "set_error()", [&](Instance& i) {
        i.set_error(code, text);
        return BP_OK;
    });
}

void write_log(const bp_host* host, std::int32_t level, bp_str text) noexcept {
    const Face* face = face_of(host);
    std::string_view line;
    if (face == nullptr || !view_of(text, line)) return;
    try {
        face->context->link.log(face->id, level, line);
    } catch (...) {  // no memory for a line: then without it
    }
}

std::uint64_t timer_now(const bp_host*) noexcept {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}
bp_status timer_start(const bp_host* host, std::uint64_t delay, std::uint64_t period,
                      bp_timer_fn fn, void* user, std::uint64_t* out) noexcept {
    return enter(host, "start() of " BP_EXT_TIMER,
                 [&](Instance& i) { return i.start_timer(delay, period, fn, user, out); });
}
bp_status timer_cancel(const bp_host* host, std::uint64_t id) noexcept {
    return enter(host, "cancel() of " BP_EXT_TIMER,
                 [&](Instance& i) { return i.cancel_timer(id); });
}

bp_status fd_watch(const bp_host* host, std::int32_t fd, std::uint32_t events, bp_fd_fn fn,
                   void* user, std::uint64_t* out) noexcept {
    return enter(host, "watch()", [&](Instance& i) { return i.watch(fd, events, fn, user, out); });
}
bp_status fd_modify(const bp_host* host, std::uint64_t id, std::uint32_t events) noexcept {
    return enter(host, "modify()", [&](Instance& i) { return i.modify_watch(id, events); });
}
bp_status fd_unwatch(const bp_host* host, std::uint64_t id) noexcept {
    return enter(host, "unwatch()", [&](Instance& i) { return i.unwatch(id); });
}

bp_status worker_submit(const bp_host* host, bp_work_fn work, bp_work_done_fn done,
                        void* user) noexcept {
    return enter(host, "submit()", [&](Instance& i) { return i.submit(work, done, user); });
}

bp_str settings_get(const bp_host* host) noexcept {
    bp_str text{};
    (void)enter(host, "get() of " BP_EXT_SETTINGS, [&](Instance& i) {
        text = i.settings();
        return BP_OK;
    });
    return text;
}

bp_str device_descriptor(const bp_host* host) noexcept {
    bp_str text{};
    (void)enter(host, "descriptor()", [&](Instance& i) {
        text = i.descriptor();
        return BP_OK;
    });
    return text;
}
std::int32_t device_fd(const bp_host* host) noexcept {
    std::int32_t fd = -1;
    (void)enter(host, "fd()", [&](Instance& i) {
        fd = i.device();
        return BP_OK;
    });
    return fd;
}
bp_status device_report(const bp_host* host, std::int32_t state, bp_str reason) noexcept {
    return enter(host, "report()", [&](Instance& i) { return i.report(state, reason); });
}
bp_status device_describe(const bp_host* host, bp_str json) noexcept {
    return enter(host, "describe()", [&](Instance& i) { return i.describe(json); });
}

bp_status probe_finish(const bp_host* host, std::int32_t verdict, bp_str reason) noexcept {
    return enter(host, "finish()", [&](Instance& i) { return i.finish_probe(verdict, reason); });
}

bp_status action_complete(const bp_host* host, std::uint64_t id, bp_status status, bp_str result,
                          bp_str message) noexcept {
    return enter(host, "complete()",
                 [&](Instance& i) { return i.complete(id, status, result, message); });
}

bp_status event_emit(const bp_host* host, const bp_event* event) noexcept {
    return enter(host, "emit()", [&](Instance& i) { return i.emit(event); });
}

bp_status bus_added(const bp_host* host, bp_str descriptor, std::int32_t fd) noexcept {
    return enter(host, "added()", [&](Instance& i) { return i.add_device(descriptor, fd); });
}
bp_status bus_removed(const bp_host* host, bp_str key) noexcept {
    return enter(host, "removed()", [&](Instance& i) { return i.remove_device(key); });
}
bp_status bus_settled(const bp_host* host) noexcept {
    return enter(host, "settled()", [&](Instance& i) { return i.settle(); });
}

bp_status state_put(const bp_host* host, bp_bytes bytes) noexcept {
    return enter(host, "put() of " BP_EXT_STATE, [&](Instance& i) { return i.put_state(bytes); });
}

// The level is the one member that changes, and plug-ins read it from any thread without asking.
constinit bp_host_log g_log{sizeof(bp_host_log), BP_LOG_INFO, &write_log};
constexpr bp_host_timer k_timer{sizeof(bp_host_timer), 0, &timer_now, &timer_start, &timer_cancel};
constexpr bp_host_fd k_fd{sizeof(bp_host_fd), 0, &fd_watch, &fd_modify, &fd_unwatch};
constexpr bp_host_worker k_worker{sizeof(bp_host_worker), 0, &worker_submit};
constexpr bp_host_settings k_settings{sizeof(bp_host_settings), 0, &settings_get};
constexpr bp_host_device k_device{
    sizeof(bp_host_device), 0, &device_descriptor, &device_fd, &device_report, &device_describe};
constexpr bp_host_probe k_probe{sizeof(bp_host_probe), 0, &probe_finish};
constexpr bp_host_actions k_actions{sizeof(bp_host_actions), 0, &action_complete};
constexpr bp_host_events k_events{sizeof(bp_host_events), 0, &event_emit};
constexpr bp_host_bus k_bus{sizeof(bp_host_bus), 0, &bus_added, &bus_removed, &bus_settled};
constexpr bp_host_state k_state{sizeof(bp_host_state), 0, &state_put};

enum class For { all, drivers, interfaces };
struct Extension {
    const char* id;
    const void* table;
    For kind;
};

const void* get_extension(const bp_host* host, const char* id) noexcept {
    static const std::array extensions{
        Extension{BP_EXT_LOG, &g_log, For::all},
        Extension{BP_EXT_TIMER, &k_timer, For::all},
        Extension{BP_EXT_FD, &k_fd, For::all},
        Extension{BP_EXT_WORKER, &k_worker, For::all},
        Extension{BP_EXT_SETTINGS, &k_settings, For::all},
        Extension{BP_EXT_ACTIONS, &k_actions, For::all},
        Extension{BP_EXT_EVENTS, &k_events, For::all},
        Extension{BP_EXT_STATE, &k_state, For::all},
        Extension{BP_EXT_DEVICE, &k_device, For::drivers},
        Extension{BP_EXT_PROBE, &k_probe, For::drivers},
        Extension{BP_EXT_BUS, &k_bus, For::interfaces},
    };
    const Face* face = face_of(host);
    if (face == nullptr || id == nullptr) return nullptr;
    const auto* found =
        std::find_if(extensions.begin(), extensions.end(),
                     [id](const Extension& e) { return std::strcmp(e.id, id) == 0; });
    if (found == extensions.end()) return nullptr;
    const For mine = face->context->is_interface ? For::interfaces : For::drivers;
    return found->kind == For::all || found->kind == mine ? found->table : nullptr;
}

}  // namespace

Face& make_face(Context& context, std::uint64_t id, Instance* instance) {
    // Never shrinks: some hundred bytes for each device that is plugged in while the process lives.
    static auto& faces = *new std::deque<Face>;
    Face& face = faces.emplace_back();
    face.context = &context;
    face.id = id;
    face.instance = instance;
    face.host.struct_size = sizeof(bp_host);
    face.host.abi_minor = BP_ABI_MINOR;
    face.host.host_data = &face;
    face.host.get_extension = &get_extension;
    face.host.set_error = &set_error;
    return face;
}

void set_face_log_level(std::int32_t level) noexcept {
    std::atomic_ref<std::int32_t>{g_log.level}.store(level, std::memory_order_relaxed);
}

}  // namespace backplane::core::host
