// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Serial ports as libudev sees them: those that are there, and the events of those that come and
// go.
//
// Where udevd runs, its own events are used: they come after its rules have run, so links and
// permissions are in place. Elsewhere (containers, minimal systems) the kernel's events are used
// directly.
#pragma once

#include <libudev.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backplane/host.hpp"
#include "port_facts.hpp"

namespace backplane::serial {

class UdevPorts {
public:
    class Listener {
    public:
        virtual ~Listener() = default;
        virtual void port_added(PortFacts facts) = 0;  ///< also: something about it has changed
        virtual void port_removed(const std::string& syspath) = 0;
        /// Events have been lost: ask for all() and compare.
        virtual void events_lost() = 0;
    };

    enum class Source {
        automatic,  ///< udevd where it runs, else the kernel
        udevd,
        kernel,
        none,  ///< look every 3 s
    };

    /// From here on events are collected, so that nothing is lost between all() and the first
    /// event. Throws sdk::Failure when the system has no udev library context at all. The listener
    /// outlives this object.
    UdevPorts(sdk::Host& host, Listener& listener, Source source = Source::automatic);

    std::vector<PortFacts> all() const;
    /// A character device that all() lists, or will list as soon as udevd has seen it.
    bool is_port(std::uint64_t device_number) const;

private:
    struct Unref {
        void operator()(udev* p) const noexcept { udev_unref(p); }
        void operator()(udev_device* p) const noexcept { udev_device_unref(p); }
        void operator()(udev_monitor* p) const noexcept { udev_monitor_unref(p); }
        void operator()(udev_enumerate* p) const noexcept { udev_enumerate_unref(p); }
    };
    template <typename T>
    using Owned = std::unique_ptr<T, Unref>;

    static PortFacts facts_of(udev_device* device);
    bool listen();
    void read_events();

    sdk::Host& host_;
    Listener& listener_;
    Source source_;
    Owned<udev> udev_;
    Owned<udev_monitor> monitor_;
    std::optional<sdk::FdWatch> watch_;
    std::optional<sdk::Timer> poll_;  ///< only where the kernel gives us no events
};

}  // namespace backplane::serial
