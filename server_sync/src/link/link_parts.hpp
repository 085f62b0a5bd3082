// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The parts of the link, as the routes see them. Later ones use earlier ones.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "actions/inbox.hpp"
#include "backplane/sync/handlers.hpp"
#include "backplane/sync/odoo_link.hpp"
#include "browser/event_owners.hpp"
#include "certificate/certificate.hpp"
#include "logs/log_shipper.hpp"
#include "messages/confirmations.hpp"
#include "messages/messages.hpp"
#include "messages/network_quality.hpp"
#include "pairing/pairing.hpp"
#include "server/account.hpp"
#include "server/registration.hpp"
#include "store/sync_store.hpp"
#include "uplink/uplink.hpp"
#include "websocket/bus_client.hpp"

namespace backplane::sync {

class LinkAnnouncer;

struct LinkParts {
    explicit LinkParts(OdooLink::Setup with) : setup(std::move(with)) {}

    OdooLink::Setup setup;
    std::unique_ptr<SyncStore> store;
    std::unique_ptr<Account> account;
    std::unique_ptr<EventOwners> owners;
    core::Subscription note_owners;
    std::unique_ptr<Uplink> uplink;
    std::unique_ptr<CertificateKeeper> certificate;
    std::unique_ptr<Registration> registration;
    std::unique_ptr<Pairing> pairing;
    std::unique_ptr<Confirmations> confirmations;
    std::unique_ptr<NetworkProbe> network_probe;
    std::unique_ptr<Messages> messages;
    std::unique_ptr<Inbox> inbox;
    std::unique_ptr<BusClient> bus;
    std::unique_ptr<LogShipper> logs;
    std::unique_ptr<HandlerDownload> bundles;
    std::unique_ptr<LinkAnnouncer> announcer;
    std::vector<core::Subscription> follow;
};

}  // namespace backplane::sync
