// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the owner of a box should know of its Odoo side. A box that is not paired has no problem: it
// may be meant to work without a database.
#include <ctime>

#include "link/status_json.hpp"

namespace backplane::sync {

namespace {

// A server that restarts is back within a minute; nobody needs to hear of that.
constexpr double k_away_s = 60;

std::string utc(double unix_time) {
    const auto seconds = static_cast<std::time_t>(unix_time);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts)};
}

/// "…: reason" with one full stop at the end.
std::string sentence(std::string text, const std::string& reason) {
    if (!reason.empty()) text += ": " + reason;
    if (text.back() != '.' && text.back() != '!' && text.back() != '?') text += '.';
    return text;
}

void tell_certificate(const CertificateStatus& now, bool paired, std::vector<std::string>& out) {
    if (now.expires_soon) {
        const std::string which = "the HTTPS certificate of this box (" + now.subject + ")";
        const std::string why = now.text.empty() ? "a newer one could not be had" : now.text;
        if (now.days_left < 0)
            out.push_back(sentence(
                which + " ended on " + now.not_after + " UTC, so browsers refuse it", why));
        else
            out.push_back(sentence(which + " ends on " + now.not_after + " UTC, in " +
                                       std::to_string(now.days_left) +
                                       (now.days_left == 1 ? " day" : " days"),
                                   why));
        return;
    }
    // Without credentials or a database there is nothing to fetch, which is no failure.
    if (paired && !now.code.empty() && now.code != "ERR_IOT_HTTPS_CHECK_NO_SERVER" &&
        now.code != "ERR_IOT_HTTPS_LOAD_NO_CREDENTIAL")
        out.push_back(sentence(
            "Odoo's HTTPS certificate for this box could not be renewed (" + now.code + ")",
            now.text));
}

void tell_server(const LinkSnapshot& now, double unix_now, std::vector<std::string>& out) {
    const bool away = now.bus.state == "waiting" || now.bus.state == "connecting";
    if (away && now.bus.since > 0 && unix_now - now.bus.since >= k_away_s)
        out.push_back(sentence(
            "the Odoo server " + now.server.url + " has been away since " + utc(now.bus.since),
            now.bus.reason));
    else if (!away && now.registration.state == "failing" && now.registration.failures > 3)
        out.push_back(sentence(
            "the Odoo server " + now.server.url + " does not take the list of this box's devices",
            now.registration.reason));
}

}  // namespace

std::vector<std::string> problems_of(const LinkSnapshot& now, double unix_now) {
    std::vector<std::string> out;
    const bool paired = !now.server.url.empty();
    for (const ConfirmationRequest& each : now.confirmations)
        out.push_back(sentence("a request of the server waits for your answer", each.text));
    if (!now.store_problem.empty()) out.push_back(now.store_problem);
    if (paired) tell_server(now, unix_now, out);
    tell_certificate(now.certificate, paired, out);
    if (now.uplink.dropped_durable > 0)
        out.push_back(sentence(
            std::to_string(now.uplink.dropped_durable) +
                " results for the Odoo server were dropped since the start of this box, as too "
                "many waited while it was away: Odoo may show these actions as not finished",
            {}));
    return out;
}

}  // namespace backplane::sync
