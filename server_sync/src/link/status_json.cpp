// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "link/status_json.hpp"

#include <boost/json/array.hpp>

#include <utility>

namespace backplane::sync {

namespace json = boost::json;

json::object status_of(const LinkSnapshot& now) {
    json::object dropped;
    for (const auto& [kind, count] : now.uplink.dropped) dropped[kind] = count;
    json::array names;
    for (const std::string& name : now.certificate.names) names.emplace_back(name);
    json::array confirmations;
    for (const ConfirmationRequest& each : now.confirmations)
        confirmations.push_back(json::object{{"id", each.id},
                                             {"kind", each.kind},
                                             {"text", each.text},
                                             {"asked", each.asked},
                                             {"until", each.until}});
    const bool shows_code = now.pairing.state == "code";
    return {
        {"pairing",
         {{"state", now.pairing.state},
          {"code", shows_code ? now.pairing.code : std::string()},
          {"reason", now.pairing.reason},
          {"since", now.pairing.since},
          {"code_until", shows_code ? now.pairing.code_until : 0},
          {"last_error", now.pairing.last_error}}},
        {"server",
         {{"url", now.server.url},
          {"source", now.server.source},
          {"database", now.server.database}}},
        {"registration",
         {{"state", now.registration.state},
          {"reason", now.registration.reason},
          {"failures", now.registration.failures},
          {"registered_at", now.registration.registered_at}}},
        {"bus",
         {{"state", now.bus.state},
          {"reason", now.bus.reason},
          {"since", now.bus.since},
          {"connections", now.bus.connections},
          {"notifications", now.bus.notifications},
          {"odd", now.bus.odd},
          {"next_try_ms", now.bus.next_try.count()}}},
        {"uplink",
         {{"state", now.uplink.state},
          {"reason", now.uplink.reason},
          {"waiting", now.uplink.waiting},
          {"waiting_bytes", now.uplink.waiting_bytes},
          {"sent", now.uplink.sent},
          {"refused", now.uplink.refused},
          {"dropped_durable", now.uplink.dropped_durable},
          {"dropped", std::move(dropped)}}},
        {"actions",
         {{"waiting", now.actions.waiting},
          {"running", now.actions.running},
          {"accepted", now.actions.accepted},
          {"finished", now.actions.finished},
          {"duplicates", now.actions.duplicates},
          {"repeated", now.actions.repeated},
          {"unsure", now.actions.unsure},
          {"refused", now.actions.refused}}},
        {"certificate",
         {{"source", now.certificate.source},
          {"subject", now.certificate.subject},
          {"names", std::move(names)},
          {"not_after", now.certificate.not_after},
          {"days_left", now.certificate.days_left},
          {"expires_soon", now.certificate.expires_soon},
          {"code", now.certificate.code},
          {"text", now.certificate.text},
          {"checked", now.certificate.checked}}},
        {"logs",
         {{"on", now.logs.on},
          {"sent", now.logs.sent},
          {"dropped", now.logs.dropped},
          {"reason", now.logs.reason}}},
        {"confirmations", std::move(confirmations)},
    };
}

json::object notable_status_of(json::object status) {
    status.erase("actions");
    const auto forget = [&status](std::string_view part,
                                  std::initializer_list<std::string_view> members) {
        json::object& object = status.at(part).as_object();
        for (const std::string_view member : members) object.erase(member);
    };
    forget("bus", {"notifications", "odd", "next_try_ms"});
    // "sending" and "idle" take turns with each event.
    forget("uplink", {"waiting", "waiting_bytes", "sent", "refused", "dropped"});
    json::value& uplink = status.at("uplink").at("state");
    if (uplink == "sending") uplink = "idle";
    forget("logs", {"sent", "dropped"});
    forget("certificate", {"checked"});
    return status;
}

}  // namespace backplane::sync
