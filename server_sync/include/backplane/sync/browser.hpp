// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The routes that Odoo's browsers call on the box: /iot_drivers, /hw_drivers (their old name) and
// /hw_proxy.
//
// Purpose: an unmodified POS of Odoo 15 to 19 finds the box it knows. Core's devices and events are
// neutral; all that is peculiar to Odoo's clients is translated here. Thread: the main loop's.
// Failure: answered, never thrown.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backplane/core/devices.hpp"
#include "backplane/core/event_ring.hpp"
#include "backplane/core/http.hpp"
#include "backplane/core/subscription.hpp"
#include "backplane/core/update.hpp"
#include "backplane/sync/link_access.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::core {
class LogLevels;
}

namespace backplane::sync {

/// Calls back once after this time, on the main loop, unless the subscription ends before. Never
/// calls back before it has returned; the callback may end its own subscription.
using TimerFactory =
    std::function<core::Subscription(std::chrono::milliseconds, std::function<void()>)>;

/// Timers of an event loop, which must outlive the subscriptions.
TimerFactory asio_timers(boost::asio::io_context& loop);

/// What the box says about itself, as of now. Empty texts are "not known" and become null.
struct BoxInfo {
    std::string identifier;          ///< serial number; the address of actions for the box itself
    std::string version = "L26.11";  ///< Odoo's server expects a letter and a number with one dot
    std::string ip;
    std::string domain{};  ///< what Odoo shall call us by: the certificate's name for this address
    std::string mac;
    std::string hostname;
    std::string server_url;       ///< of the Odoo database, empty while not paired
    std::string certificate_end;  ///< "2026-01-31 12:00:00" (UTC)
    std::chrono::steady_clock::time_point started{};  ///< of this program
};

/// Plug-ins as Odoo's page of log levels lists them.
struct PluginNames {
    std::vector<std::string> drivers, interfaces;
};

struct BrowserContext {
    core::Devices& devices;
    core::EventRing& events;
    TimerFactory timer;
    std::function<BoxInfo()> box;
    std::function<void()>
        restart{};  ///< restarts the service; called 2 s after a browser has asked for it
    core::Updates* updates = nullptr;        ///< of plug-ins; null: this box has none
    LinkAccess link{};                       ///< the Odoo side: an attached OdooLink*, or none
    core::LogLevels* log_levels = nullptr;   ///< null: they cannot be changed by a browser
    std::function<PluginNames()> plugins{};  ///< that are installed; empty: none is known
};

/// The routes, and what is waiting in them. What `context` refers to outlives this object; the
/// router need not: after this object has gone, its routes answer 503.
class BrowserRoutes {
public:
    explicit BrowserRoutes(BrowserContext context);
    ~BrowserRoutes();
    BrowserRoutes(const BrowserRoutes&) = delete;
    BrowserRoutes& operator=(const BrowserRoutes&) = delete;

    /// Adds the routes, and a 404 for everything else below the three prefixes. Exact paths that
    /// others add below these prefixes keep working.
    void install(core::HttpRouter& router);

private:
    struct Impl;
    std::shared_ptr<Impl>
        impl_;  ///< the only owner; the handlers in the router hold weak references
};

}  // namespace backplane::sync
