// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Where C++ meets the C boundary: the functions that the host calls, for any class of driver or interface.
//
// Each is a noexcept trampoline: it calls the object and turns an exception into a status and a text. Authors do not call
// anything here; they write BACKPLANE_DRIVER(Class) or BACKPLANE_INTERFACE(Class).
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <vector>

#include "backplane/action.hpp"

namespace backplane::sdk {

/// A driver or interface that leaves something to its successor (backplane.state/1).
template <typename Object>
concept KeepsState = requires(Object& object, std::uint32_t version,
                              std::span<const std::uint8_t> state) {
    { Object::k_state_version } -> std::convertible_to<std::uint32_t>;
    { object.save_state() } -> std::same_as<std::vector<std::uint8_t>>;
    { object.restore_state(version, state) } -> std::same_as<bool>;
};

template <typename Object>
class PluginInstance {
    // One of them alone would be forgotten in silence.
    static_assert(
        KeepsState<Object> || !(
                                  requires { Object::k_state_version; } ||
                                  requires(Object & object) { object.save_state(); } ||
                                  requires(Object & object) { object.restore_state(1u, {}); }),
        "to keep a state, a class has all three, and public: static constexpr std::uint32_t "
        "k_state_version, std::vector<std::uint8_t> save_state() and bool "
        "restore_state(std::uint32_t, std::span<const std::uint8_t>)");

public:
    static bp_status create(const char* plugin_id, const bp_host* host, const char* id,
                            bp_instance** out) noexcept {
        if (!host || !id || !out) return BP_E_INVALID;
        return guarded(host, [&] {
            if (std::string_view{id} != plugin_id)
                throw Failure(BP_E_INVALID,
                              std::string("this plug-in is ") + plugin_id + ", not " + id);
            *out = &(new PluginInstance(host))->c_;
        });
    }

private:
    explicit PluginInstance(const bp_host* host)
        : host_(host), object_(host_), c_{sizeof(bp_instance), 0, this, &start, &stop, &destroy,
                                          &get_extension} {}

    static PluginInstance& of(bp_instance* self) noexcept {
        return *static_cast<PluginInstance*>(self->plugin_data);
    }

    /// Runs `call`; whatever it throws becomes a status, with the text for people at the host.
    template <typename Call>
    static bp_status guarded(const bp_host* host, Call&& call) noexcept {
        try {
            call();
            return BP_OK;
        } catch (const Failure& failure) {
            host->set_error(host, failure.status(), view(failure.what()));
            return failure.status() == BP_OK ? BP_E_INTERNAL : failure.status();
        } catch (const std::exception& error) {
            host->set_error(host, BP_E_INTERNAL, view(error.what()));
        } catch (...) {
            host->set_error(host, BP_E_INTERNAL, view("an exception of unknown type"));
        }
        return BP_E_INTERNAL;
    }

    static bp_status start(bp_instance* self) noexcept {
        return guarded(of(self).host_.raw(), [&] { of(self).object_.start(); });
    }
    static void stop(bp_instance* self) noexcept {
        guarded(of(self).host_.raw(), [&] { of(self).object_.stop(); });
    }
    static void destroy(bp_instance* self) noexcept { delete &of(self); }

    static bp_status begin_action(bp_instance* self, const bp_action* action) noexcept {
        Host& host = of(self).host_;
        const bp_status status = guarded(host.raw(), [&] {
            host.beginning_action = action->id;
            of(self).object_.action(Action(host, *action));
        });
        host.beginning_action = 0;
        return status;
    }
    static void cancel_action(bp_instance* self, std::uint64_t id) noexcept {
        guarded(of(self).host_.raw(), [&] { of(self).object_.cancel(id); });
    }

    static bp_status save_state(bp_instance* self) noexcept requires KeepsState<Object> {
        const Host& host = of(self).host_;
        return guarded(host.raw(), [&] {
            const auto& table = host.template require<bp_host_state>(BP_EXT_STATE);
            const std::vector<std::uint8_t> state = of(self).object_.save_state();
            check(table.put(host.raw(), {state.data(), state.size()}),
                  "leaving the state to the successor");
        });
    }
    static bp_status restore_state(bp_instance* self, std::uint32_t version,
                                   bp_bytes state) noexcept requires KeepsState<Object> {
        return guarded(of(self).host_.raw(), [&] {
            if (!of(self).object_.restore_state(version, {state.data, state.size}))
                throw Failure(BP_E_UNSUPPORTED, "this version of the state is not understood");
        });
    }

    static const void* get_extension(bp_instance*, const char* id) noexcept {
        const std::string_view wanted{id ? id : ""};
        if (wanted == BP_EXT_ACTIONS) {
            static constexpr bp_plugin_actions k_actions{sizeof(bp_plugin_actions), 0,
                                                         &begin_action, &cancel_action};
            return &k_actions;
        }
        if constexpr (requires(Object & object) {
                          object.probe();
                          object.cancel_probe();
                      }) {
            if (wanted == BP_EXT_PROBE) {
                static constexpr bp_plugin_probe k_probe{
                    sizeof(bp_plugin_probe), 0,
                    [](bp_instance* self) noexcept -> bp_status {
                        return guarded(of(self).host_.raw(), [&] { of(self).object_.probe(); });
                    },
                    [](bp_instance* self) noexcept {
                        guarded(of(self).host_.raw(), [&] { of(self).object_.cancel_probe(); });
                    }};
                return &k_probe;
            }
        }
        if constexpr (requires(Object & object) { object.settings_changed(); }) {
            if (wanted == BP_EXT_SETTINGS) {
                static constexpr bp_plugin_settings k_settings{
                    sizeof(bp_plugin_settings), 0, [](bp_instance* self) noexcept {
                        guarded(of(self).host_.raw(), [&] { of(self).object_.settings_changed(); });
                    }};
                return &k_settings;
            }
        }
        if constexpr (KeepsState<Object>) {
            if (wanted == BP_EXT_STATE) {
                static_assert(Object::k_state_version >= 1, "0 means: no state");
                static constexpr bp_plugin_state k_state{
                    sizeof(bp_plugin_state), Object::k_state_version, &save_state, &restore_state};
                return &k_state;
            }
        }
        if constexpr (requires(Object & object) { object.interrupt(); }) {
            if (wanted == BP_EXT_INTERRUPT) {
                static constexpr bp_plugin_interrupt k_interrupt{
                    sizeof(bp_plugin_interrupt), 0,
                    [](bp_instance* self) noexcept { of(self).object_.interrupt(); }};
                return &k_interrupt;
            }
        }
        return nullptr;
    }

    Host host_;
    Object object_;
    bp_instance c_;
};

}  // namespace backplane::sdk

// BACKPLANE_PLUGIN_ID is the id in the manifest; backplane_add_plugin() defines it.
#define BACKPLANE_PLUGIN_ENTRY(Class)                                                             \
    extern "C" BP_EXPORT const bp_entry bp_plugin_entry = {                                       \
        sizeof(bp_entry), BP_ABI_MAJOR, BP_TARGET_ABI_MINOR, 0,                                   \
        [](const bp_host* host, const char* id, bp_instance** out) noexcept -> bp_status {        \
            return ::backplane::sdk::PluginInstance<Class>::create(BACKPLANE_PLUGIN_ID, host, id, \
                                                                   out);                          \
        }};
