// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Base class of an interface: one object watches one kind of bus and reports the devices on it.
//
//     class Ports : public backplane::sdk::Interface {
//     public:
//         using Interface::Interface;
//         void start() override;   // device_added() for each that is there, then settled(); afterwards as they come and go
//         // optional: k_state_version, save_state() and restore_state(), as in driver.hpp
//     };
//     BACKPLANE_INTERFACE(Ports)
#pragma once

#include "backplane/action.hpp"
#include "backplane/plugin.hpp"

namespace backplane::sdk {

class Interface {
public:
    explicit Interface(Host& host) : host_(host), bus_(host.require<bp_host_bus>(BP_EXT_BUS)) {}
    virtual ~Interface() = default;
    Interface(const Interface&) = delete;
    Interface& operator=(const Interface&) = delete;

    virtual void start() = 0;
    virtual void stop() {}
    /// A request to the interface itself.
    virtual void action(Action action) {
        action.fail(BP_E_UNSUPPORTED, "this interface knows no action \"" + action.name() + "\"");
    }
    virtual void cancel(ActionId) {}

protected:
    Host& host() const noexcept { return host_; }

    /// A device is there (members: docs/reference/descriptor.md). `fd` only for {"open": {"kind": "fd"}}.
    void device_added(const json::object& descriptor, int fd = -1) {
        const std::string text = json::serialize(descriptor);
        check(bus_.added(host_.raw(), view(text), fd), "reporting a device");
    }
    void device_removed(std::string_view key) { bus_.removed(host_.raw(), view(key)); }
    /// Everything that was there at start() has been reported.
    void settled() { check(bus_.settled(host_.raw()), "reporting that the bus has been read"); }

private:
    Host& host_;
    const bp_host_bus& bus_;
};

}  // namespace backplane::sdk

/// The entry of an interface plug-in: once, in one source file, with the class.
#define BACKPLANE_INTERFACE(Class) BACKPLANE_PLUGIN_ENTRY(Class)
