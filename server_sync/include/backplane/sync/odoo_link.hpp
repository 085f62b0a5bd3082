// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The Odoo side of a box put together: pairing, registration, bus, uplink, certificate, messages, logs.
//
// Thread: the main loop's. Nothing here keeps the box from starting or working: what fails is a status.
#pragma once

#include <boost/json/object.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backplane/core/config.hpp"
#include "backplane/core/devices.hpp"
#include "backplane/core/event_ring.hpp"
#include "backplane/core/http.hpp"
#include "backplane/core/update.hpp"
#include "backplane/sync/browser.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::sync {

class EventOwners;
struct LinkParts;

class OdooLink {
public:
    struct Setup {
        boost::asio::io_context& loop;
        const core::Config& config;
        core::EventRing& events;
        std::string state_dir;
        /// Without server_url and certificate_end, which this adds (see box()).
        std::function<BoxInfo()> box;
        std::function<void()> restart;
        std::function<core::Updates*()> updates;
        std::function<void(core::TlsIdentity)> use_certificate;
    };
    /// Reads what is remembered, which blocks on the disk. bundles() works from here on.
    explicit OdooLink(Setup setup);
    ~OdooLink();
    OdooLink(const OdooLink&) = delete;
    OdooLink& operator=(const OdooLink&) = delete;

    /// The devices are there, and so is the HTTP server; everything but the constructor, bundles() and problems() comes
    /// after this. Blocks on the disk. `devices` outlives this object.
    void attach(core::Devices& devices);

    /// The network is asked from now on, and what was left from before is carried out.
    void begin();
    /// Says goodbye to the server and writes what is to be remembered. Nothing is asked any more.
    void stop();

    /// The address of this machine may be another one now.
    void network_changed();

    /// Devices as browsers shall use them: an action id counts once, whichever way it comes.
    core::Devices& devices() noexcept;
    BoxInfo box() const;
    /// Where plug-ins come from: the server that the box belongs to at the moment of each question.
    core::BundleSource& bundles() noexcept;

    /// `inner`, but what would change the box by its own interface (/api/v1/, other methods than GET, HEAD and OPTIONS)
    /// must come from a page of this box or from a program: else 403, or 421 for a name that this box does not have.
    core::HttpHandler for_own_callers(core::HttpHandler inner);

    /// GET /api/v1/pairing and the other routes of docs/reference/http-api.md, section "The Odoo side".
    void install(core::HttpRouter& router);
    /// As GET /api/v1/odoo tells it, without secrets.
    boost::json::object status() const;
    /// What its owner should know, one sentence each.
    std::vector<std::string> problems() const;
    std::string metrics() const;  ///< in Prometheus' text format

    /// For the routes of Odoo's browsers, in this component.
    LinkParts& parts() noexcept;

private:
    std::unique_ptr<LinkParts> parts_;
};

}  // namespace backplane::sync
