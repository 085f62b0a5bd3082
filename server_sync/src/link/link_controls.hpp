// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The Odoo side as the routes see it: what it says, and what it can be told.
//
// The routes know no part of the link, only this; so they can be tested without a server, a disk or
// a network. Owner: the link's announcer; routes hold weak references, since the HTTP router may
// live longer than the link. Thread: the main loop's. `Done` never comes from inside the call.
#pragma once

#include <boost/json/object.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "actions/inbox.hpp"
#include "backplane/core/event_ring.hpp"
#include "backplane/core/result.hpp"
#include "backplane/core/subscription.hpp"
#include "backplane/sync/browser.hpp"
#include "certificate/certificate.hpp"
#include "logs/log_shipper.hpp"
#include "messages/confirmations.hpp"
#include "messages/messages.hpp"
#include "pairing/pairing.hpp"
#include "server/registration.hpp"
#include "uplink/uplink.hpp"
#include "websocket/bus_client.hpp"

namespace backplane::sync {

class EventOwners;

/// How everything stands at one moment. Holds no secret.
struct LinkSnapshot {
    struct Server {
        std::string url;       ///< empty: not paired
        std::string source;    ///< "state", "configuration" or ""
        std::string database;  ///< of several on that server; may be empty
    };
    PairingStatus pairing;
    Server server;
    RegistrationStatus registration;
    BusStatus bus;
    UplinkStatus uplink;
    InboxStatus actions;
    CertificateStatus certificate;
    LogShipperStatus logs;
    std::vector<ConfirmationRequest> confirmations;
    std::string store_problem;  ///< why nothing can be remembered; mostly empty
};

struct LinkControls {
    using Done = std::function<void(core::Result<void>)>;

    std::function<LinkSnapshot()> look;
    /// Host names by which browsers may know this box, also "*.abc.odoo-iot.com".
    std::function<std::vector<std::string>()> names;
    std::function<void(std::string_view token, Done)> pair;
    std::function<void(Done)> new_code, unpair;
    std::function<void(std::string db_uuid, std::string enterprise_code, Done)> set_credentials;
    std::function<void(std::function<void()> done)> check_certificate;
    std::function<void(bool on)> send_logs;
    std::function<core::Result<void>(const std::string& id, bool allowed)> answer_confirmation;
    std::function<void(std::string_view type, const boost::json::object& data, std::string session,
                       std::function<void(boost::json::object reply)> done)>
        ask;
    std::function<void()> restart;  ///< of the service, at once
    /// After each change that look() shows.
    std::function<core::Subscription(std::function<void()>)> on_change;
    EventOwners* owners = nullptr;  ///< shared with the uplink, which has its events noted
    core::EventRing* events = nullptr;
    TimerFactory timer;
};

}  // namespace backplane::sync
