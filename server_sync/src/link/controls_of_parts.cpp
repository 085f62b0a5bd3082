// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The parts of the link behind the controls of the routes. Nothing is decided here.
#include <chrono>
#include <list>
#include <utility>

#include "backplane/sync/link_access.hpp"
#include "link/link_announcer.hpp"
#include "link/link_parts.hpp"
#include "link/odoo_routes.hpp"
#include "link/status_json.hpp"
#include "server/unix_time.hpp"

namespace backplane::sync {

namespace {

std::vector<std::string> names_of(const LinkParts& parts) {
    const BoxInfo box = parts.setup.box();
    std::vector<std::string> names = parts.setup.config.https.names;
    names.push_back(box.hostname);
    const CertificateStatus certificate = parts.certificate->status();
    names.push_back(certificate.subject);
    names.insert(names.end(), certificate.names.begin(), certificate.names.end());
    names.push_back(parts.certificate->domain(box.ip));
    return names;
}

core::Subscription follow_all(LinkParts& parts, const std::function<void()>& changed) {
    auto all = std::make_shared<std::list<core::Subscription>>();
    all->push_back(parts.account->on_change(changed));
    all->push_back(parts.pairing->on_change(changed));
    all->push_back(parts.registration->on_change(changed));
    all->push_back(parts.bus->on_change(changed));
    all->push_back(parts.uplink->on_change(changed));
    all->push_back(parts.certificate->on_change(changed));
    all->push_back(parts.confirmations->on_change(changed));
    return core::Subscription([all = std::move(all)] { all->clear(); });
}

std::shared_ptr<LinkControls> controls_of(LinkParts& parts) {
    auto controls = std::make_shared<LinkControls>();
    controls->look = [&parts] { return look_at(parts); };
    controls->names = [&parts] { return names_of(parts); };
    controls->pair = [&parts](std::string_view token, LinkControls::Done done) {
        parts.pairing->pair_with_token(token, std::move(done));
    };
    controls->new_code = [&parts](LinkControls::Done done) {
        parts.pairing->new_code(std::move(done));
    };
    controls->unpair = [&parts](LinkControls::Done done) {
        parts.pairing->unpair(std::move(done));
    };
    controls->set_credentials = [&parts](std::string db_uuid, std::string enterprise_code,
                                         LinkControls::Done done) {
        parts.account->set_credentials(std::move(db_uuid), std::move(enterprise_code),
                                       std::move(done));
    };
    controls->check_certificate = [&parts](std::function<void()> done) {
        parts.certificate->check_now(std::move(done));
    };
    controls->send_logs = [&parts](bool on) { parts.logs->switch_on(on); };
    controls->answer_confirmation = [&parts](const std::string& id, bool allowed) {
        return parts.confirmations->answer(id, allowed);
    };
    controls->ask = [&parts](std::string_view type, const boost::json::object& data,
                             std::string session, Messages::Done done) {
        parts.messages->ask(type, data, std::move(session), std::move(done));
    };
    controls->restart = parts.setup.restart;
    controls->on_change = [&parts](const std::function<void()>& changed) {
        return follow_all(parts, changed);
    };
    controls->owners = parts.owners.get();
    controls->events = &parts.setup.events;
    controls->timer = asio_timers(parts.setup.loop);
    return controls;
}

}  // namespace

LinkSnapshot look_at(const LinkParts& parts) {
    LinkSnapshot now;
    now.pairing = parts.pairing->status();
    const ServerAccount& account = parts.account->current();
    now.server = {account.url, std::string(parts.account->source()), account.db_name};
    now.registration = parts.registration->status();
    now.bus = parts.bus->status();
    now.uplink = parts.uplink->status();
    now.actions = parts.inbox->status();
    now.certificate = parts.certificate->status();
    now.logs = parts.logs->status();
    now.confirmations = parts.confirmations->waiting();
    now.store_problem = parts.store->problem();
    return now;
}

boost::json::object link_status(const LinkParts& parts) {
    return status_of(look_at(parts));
}
std::vector<std::string> link_problems(const LinkParts& parts) {
    return problems_of(look_at(parts), unix_time());
}
std::string link_metrics(const LinkParts& parts) {
    return metrics_of(look_at(parts), unix_time());
}

LinkAnnouncer::LinkAnnouncer(LinkParts& parts) : LinkAnnouncer(controls_of(parts)) {}

void install_odoo_routes(core::HttpRouter& router, LinkParts& parts) {
    install_odoo_routes(router, parts.announcer->controls());
}

LinkAccess::LinkAccess(OdooLink* link) {
    if (link != nullptr && link->parts().announcer) controls_ = link->parts().announcer->controls();
}

}  // namespace backplane::sync
