// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Who needs whom: the parts are made here, in this order, and know each other through what is handed over here only.
#include "backplane/sync/odoo_link.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <random>
#include <utility>

#include "browser/guarded.hpp"
#include "browser/own_origin.hpp"
#include "link/link_parts.hpp"
#include "link/odoo_routes.hpp"
#include "link/status_json.hpp"
#include "messages/program.hpp"
#include "server/unix_time.hpp"

namespace backplane::sync {

namespace {

/// For jitter only; all boxes of a shop begin at the same moment after a power cut.
std::function<double()> random_numbers() {
    return [engine = std::make_shared<std::mt19937>(std::random_device{}())] {
        return std::uniform_real_distribution<double>(0, 1)(*engine);
    };
}

LaneMaker lanes_of(const OdooLink::Setup& setup) {
    return [&loop = setup.loop, ca_file = setup.config.odoo.ca_file](std::string name) {
        LaneOptions options;
        options.name = std::move(name);
        options.ca_file = ca_file;
        return make_lane(loop, std::move(options));
    };
}

}  // namespace

OdooLink::OdooLink(Setup with) : parts_(std::make_unique<LinkParts>(std::move(with))) {
    LinkParts& parts = *parts_;
    const Setup& setup = parts.setup;
    parts.store = SyncStore::open(setup.loop, setup.state_dir + "/odoo.db");
    parts.account = std::make_unique<Account>(*parts.store, setup.config.odoo.server);

    HandlerDownloadOptions handlers;
    handlers.ca_file = setup.config.odoo.ca_file;
    handlers.server = [account = parts.account.get(), box = setup.box] {
        const ServerAccount& now = account->current();
        const BoxInfo info = box();
        return HandlerServer{now.url, info.identifier, info.mac, now.db_name};
    };
    parts.bundles = std::make_unique<HandlerDownload>(setup.loop, std::move(handlers));
}

OdooLink::~OdooLink() = default;

void OdooLink::attach(core::Devices& devices) {
    LinkParts& parts = *parts_;
    const Setup& setup = parts.setup;
    const core::Config::Odoo& config = setup.config.odoo;
    const TimerFactory timer = asio_timers(setup.loop);
    const LaneMaker lanes = lanes_of(setup);
    const auto random = random_numbers();
    const auto identifier = [box = setup.box] { return box().identifier; };
    const auto box_now = [this] { return box(); };

    parts.owners = std::make_unique<EventOwners>(setup.events);
    // Before whoever asks who an event belongs to: listeners are called in the order of their subscription.
    parts.note_owners = setup.events.subscribe(guarded(
        "event",
        [owners = parts.owners.get()](const core::EventPtr& event) { owners->note(*event); }));
    parts.uplink =
        std::make_unique<Uplink>(Uplink::Setup{*parts.account, *parts.store, setup.events,
                                               *parts.owners, timer, identifier, random, lanes});
    const auto reply = [uplink = parts.uplink.get()](boost::json::object message) {
        uplink->send(std::move(message));
    };
    parts.certificate = std::make_unique<CertificateKeeper>(
        CertificateKeeper::Setup{*parts.account, *parts.store, timer, setup.box, lanes, &unix_time,
                                 setup.state_dir + "/certificate", config.certificate_service,
                                 setup.config.https, setup.use_certificate});
    parts.registration = std::make_unique<Registration>(Registration::Setup{
        *parts.account, *parts.store, devices, setup.events, timer, box_now, lanes, random});
    parts.pairing = std::make_unique<Pairing>(
        Pairing::Setup{*parts.account, timer, box_now, lanes, config.pairing_proxy, &unix_time});
    parts.confirmations = std::make_unique<Confirmations>(timer, &unix_time);
    parts.network_probe = std::make_unique<NetworkProbe>(setup.loop);
    parts.messages = std::make_unique<Messages>(Messages::Setup{
        *parts.account, *parts.pairing, *parts.confirmations, timer, box_now, reply, setup.restart,
        [updates = setup.updates] {
            if (core::Updates* all = updates()) all->check(false, [](const core::Result<void>&) {});
        },
        [probe = parts.network_probe.get(), account = parts.account.get()](auto done) {
            measure_network(*probe, default_gateway(), account->current().url, std::move(done));
        },
        RemoteHelp{config.remote_debug.start, config.remote_debug.stop, config.remote_debug.status},
        program_runner(setup.loop)});
    parts.inbox = std::make_unique<Inbox>(
        Inbox::Setup{*parts.store, devices, timer, identifier, &unix_time, reply,
                     [messages = parts.messages.get()](const Notification& notification) {
                         messages->handle(notification);
                     },
                     parts.owners.get()});
    parts.bus = std::make_unique<BusClient>(BusClient::Setup{
        *parts.account,
        [registration = parts.registration.get()] { return registration->channel(); }, identifier,
        [inbox = parts.inbox.get()] { return inbox->last_id(); },
        [inbox = parts.inbox.get()](std::vector<Notification> notifications,
                                    std::function<void()> durable) {
            inbox->take(std::move(notifications), std::move(durable));
        },
        timer, beast_sockets(setup.loop), lanes, config.ca_file, random, &unix_time,
        [store = parts.store.get()] { return !store->value("server.has_listened").empty(); },
        [store = parts.store.get()] {
            if (store->value("server.has_listened").empty())
                store->set({{"server.has_listened", "yes"}});
        }});
    parts.logs = std::make_unique<LogShipper>(
        LogShipper::Setup{*parts.account, *parts.store, timer, identifier, lanes, config.send_logs,
                          [&loop = setup.loop](std::function<void()> work) {
                              boost::asio::post(loop, std::move(work));
                          }});

    // What waited for the server goes out as soon as it is known to be there again.
    parts.follow.push_back(
        parts.bus->on_change([bus = parts.bus.get(), uplink = parts.uplink.get()] {
            if (bus->status().state == "connected") uplink->try_now();
        }));
    parts.follow.push_back(
        parts.registration->on_change([bus = parts.bus.get()] { bus->look_again(); }));
    // The name by which browsers reach this box belongs to its certificate.
    parts.follow.push_back(parts.certificate->on_change(
        [registration = parts.registration.get()] { registration->look_again(); }));
    // A box that has found its database asks it for drivers now, not tomorrow.
    parts.follow.push_back(
        parts.account->on_change([account = parts.account.get(), updates = setup.updates] {
            core::Updates* all = updates();
            if (all && account->current().paired())
                all->check(false, [](const core::Result<void>&) {});
        }));
    parts.announcer = std::make_unique<LinkAnnouncer>(parts);
    parts.certificate->begin();
}

void OdooLink::begin() {
    parts_->registration->begin();
    parts_->inbox->begin();
    parts_->bus->look_again();
}

void OdooLink::stop() {
    parts_->announcer->stop();
    parts_->bus->stop();
}

void OdooLink::network_changed() {
    parts_->registration->look_again();
    parts_->bus->look_again();
    // A certificate of this box's own names its addresses.
    parts_->certificate->check_now();
}

core::Devices& OdooLink::devices() noexcept {
    return parts_->inbox->devices();
}

BoxInfo OdooLink::box() const {
    BoxInfo info = parts_->setup.box();
    info.server_url = parts_->account->current().url;
    const CertificateStatus certificate = parts_->certificate->status();
    // Its own certificate says nothing about the subscription, which is what Odoo's pages show by it.
    if (certificate.source != "self_signed") info.certificate_end = certificate.not_after;
    info.domain = parts_->certificate->domain(info.ip);
    return info;
}

core::BundleSource& OdooLink::bundles() noexcept {
    return *parts_->bundles;
}

core::HttpHandler OdooLink::for_own_callers(core::HttpHandler inner) {
    return [this, inner = std::move(inner)](const core::HttpExchangePtr& exchange) {
        const core::HttpRequest& request = exchange->request();
        const bool reads = request.method == core::HttpMethod::get ||
                           request.method == core::HttpMethod::head ||
                           request.method == core::HttpMethod::options;
        if (!reads && request.path.starts_with("/api/v1/")) {
            const auto controls = parts_->announcer->controls().lock();
            const Caller caller = caller_of(request, controls->names());
            if (caller != Caller::own) return exchange->respond(refuse(request, caller));
        }
        inner(exchange);
    };
}

void OdooLink::install(core::HttpRouter& router) {
    install_odoo_routes(router, *parts_);
}

boost::json::object OdooLink::status() const {
    return link_status(*parts_);
}

std::vector<std::string> OdooLink::problems() const {
    std::vector<std::string> all;
    if (parts_->announcer) all = link_problems(*parts_);
    if (std::string warning = parts_->bundles->warning(); !warning.empty())
        all.push_back(std::move(warning));
    return all;
}

std::string OdooLink::metrics() const {
    return link_metrics(*parts_);
}

LinkParts& OdooLink::parts() noexcept {
    return *parts_;
}

}  // namespace backplane::sync
