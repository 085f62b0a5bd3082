// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Just enough to write a test plug-in on the bare C ABI. Not the SDK's wrapper on purpose: these
// plug-ins test the host, and must be able to do everything that the wrapper would prevent.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "backplane/abi/abi.h"

namespace kit {

inline bp_str str(std::string_view text) {
    return {text.data(), text.size()};
}
inline std::string_view view(bp_str text) {
    return {text.data, text.size};
}

/// All host extensions of one instance; null where the host has none.
struct HostApi {
    explicit HostApi(const bp_host* h)
        : host(h),
          log(get<bp_host_log>(BP_EXT_LOG)),
          timer(get<bp_host_timer>(BP_EXT_TIMER)),
          fd(get<bp_host_fd>(BP_EXT_FD)),
          worker(get<bp_host_worker>(BP_EXT_WORKER)),
          settings(get<bp_host_settings>(BP_EXT_SETTINGS)),
          device(get<bp_host_device>(BP_EXT_DEVICE)),
          probe(get<bp_host_probe>(BP_EXT_PROBE)),
          actions(get<bp_host_actions>(BP_EXT_ACTIONS)),
          events(get<bp_host_events>(BP_EXT_EVENTS)),
          bus(get<bp_host_bus>(BP_EXT_BUS)),
          state(get<bp_host_state>(BP_EXT_STATE)) {}

    template <typename T>
    const T* get(const char* id) const {
        return static_cast<const T*>(host->get_extension(host, id));
    }
    void say(std::string_view text) const { log->write(host, BP_LOG_INFO, str(text)); }
    bp_status emit(std::string_view kind, std::string_view data, bp_bytes payload = {}) const {
        bp_event event{};
        event.struct_size = sizeof(event);
        event.kind = str(kind);
        event.data = str(data);
        event.payload = payload;
        return events->emit(host, &event);
    }
    bp_status complete(std::uint64_t id, bp_status status, std::string_view result,
                       std::string_view message = {}) const {
        return actions->complete(host, id, status, str(result), str(message));
    }
    bp_status fail(bp_status status, std::string_view text) const {
        host->set_error(host, status, str(text));
        return status;
    }

    const bp_host* host;
    const bp_host_log* log;
    const bp_host_timer* timer;
    const bp_host_fd* fd;
    const bp_host_worker* worker;
    const bp_host_settings* settings;
    const bp_host_device* device;
    const bp_host_probe* probe;
    const bp_host_actions* actions;
    const bp_host_events* events;
    const bp_host_bus* bus;
    const bp_host_state* state;
};

/// Makes an instance out of a class with start(), stop(), probe(), cancel_probe(), begin() and
/// cancel(), and where it has them k_state_version, save() and restore().
template <typename Plugin>
struct Glue {
    static Plugin& self(bp_instance* i) { return *static_cast<Plugin*>(i->plugin_data); }

    static bp_status create(const bp_host* host, const char*, bp_instance** out) {
        auto* plugin = new Plugin{HostApi{host}};
        bp_status status = plugin->created();
        if (status != BP_OK) {
            delete plugin;
            return status;
        }
        auto* instance = new bp_instance{};
        instance->struct_size = sizeof(bp_instance);
        instance->plugin_data = plugin;
        instance->start = [](bp_instance* i) { return self(i).start(); };
        instance->stop = [](bp_instance* i) { self(i).stop(); };
        instance->destroy = [](bp_instance* i) {
            delete &self(i);
            delete i;
        };
        instance->get_extension = &get_extension;
        *out = instance;
        return BP_OK;
    }

    static const void* get_extension(bp_instance*, const char* id) {
        static const bp_plugin_actions actions{
            sizeof(bp_plugin_actions), 0,
            [](bp_instance* i, const bp_action* action) { return self(i).begin(*action); },
            [](bp_instance* i, std::uint64_t id_) { self(i).cancel(id_); }};
        static const bp_plugin_probe probe{sizeof(bp_plugin_probe), 0,
                                           [](bp_instance* i) { return self(i).probe(); },
                                           [](bp_instance* i) { self(i).cancel_probe(); }};
        static const bp_plugin_interrupt interrupt{sizeof(bp_plugin_interrupt), 0,
                                                   [](bp_instance* i) { self(i).interrupt(); }};
        if (std::strcmp(id, BP_EXT_ACTIONS) == 0) return &actions;
        if (std::strcmp(id, BP_EXT_PROBE) == 0) return &probe;
        if (std::strcmp(id, BP_EXT_INTERRUPT) == 0) return &interrupt;
        if constexpr (requires { Plugin::k_state_version; }) {
            static const bp_plugin_state state{
                sizeof(bp_plugin_state), Plugin::k_state_version,
                [](bp_instance* i) { return self(i).save(); },
                [](bp_instance* i, std::uint32_t version, bp_bytes bytes) {
                    return self(i).restore(version, bytes);
                }};
            if (std::strcmp(id, BP_EXT_STATE) == 0) return &state;
        }
        return nullptr;
    }
};

}  // namespace kit

#define KIT_PLUGIN(type)                                                                 \
    extern "C" BP_EXPORT const bp_entry bp_plugin_entry {                                \
        sizeof(bp_entry), BP_ABI_MAJOR, BP_TARGET_ABI_MINOR, 0, &kit::Glue<type>::create \
    }
