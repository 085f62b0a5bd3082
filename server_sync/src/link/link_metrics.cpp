// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Figures of the Odoo side for monitoring. States are one sample each of 0 or 1, so that an alarm is
// one comparison; the names of things stand in labels of which there are few.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "link/status_json.hpp"

namespace backplane::sync {

namespace {

class Families {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        suffix_ = type == "counter" ? "_total" : "";
        text_.append("# TYPE ").append(name).append(" ").append(type);
        text_.append("\n# HELP ").append(name).append(" ").append(help).append("\n");
    }
    void sample(const std::string& value) {
        text_.append(name_).append(suffix_).append(" ").append(value).append("\n");
    }
    void sample(std::string_view label, std::string_view content, const std::string& value) {
        text_.append(name_).append(suffix_).append("{").append(label).append("=\"");
        for (const char c : content) {
            if (c == '\\' || c == '"') text_ += '\\';
            if (c == '\n')
                text_ += "\\n";
            else
                text_ += c;
        }
        text_.append("\"} ").append(value).append("\n");
    }
    void one(std::string_view name, std::string_view type, std::string_view help,
             const std::string& value) {
        family(name, type, help);
        sample(value);
    }
    std::string take() && { return std::move(text_); }

private:
    std::string text_, name_, suffix_;
};

template <std::size_t N>
void states(Families& out, const std::array<std::string_view, N>& all, std::string_view now) {
    for (const std::string_view state : all) out.sample("state", state, state == now ? "1" : "0");
}

std::string count(std::uint64_t value) {
    return std::to_string(value);
}

}  // namespace

std::string metrics_of(const LinkSnapshot& now, double unix_now) {
    Families out;
    out.one("backplane_odoo_paired", "gauge", "1 while the box belongs to a database.",
            now.server.url.empty() ? "0" : "1");
    out.one("backplane_odoo_registered", "gauge", "1 while the server knows the devices.",
            now.registration.state == "registered" ? "1" : "0");

    out.family("backplane_odoo_bus_state", "gauge", "1 for the state of the connection.");
    states(out,
           std::array<std::string_view, 5>{"off", "connecting", "connected", "polling", "waiting"},
           now.bus.state);
    out.one("backplane_odoo_bus_connections", "counter", "Connections to the server's bus.",
            count(now.bus.connections));
    out.one("backplane_odoo_notifications", "counter", "Notifications taken from the bus.",
            count(now.bus.notifications));
    out.one("backplane_odoo_odd_notifications", "counter", "Notifications that made no sense.",
            count(now.bus.odd));

    out.one("backplane_odoo_uplink_waiting", "gauge", "Results that wait for the server.",
            count(now.uplink.waiting));
    out.one("backplane_odoo_uplink_waiting_bytes", "gauge", "Size of what waits for the server.",
            count(now.uplink.waiting_bytes));
    out.one("backplane_odoo_uplink_sent", "counter", "Events that the server has taken.",
            count(now.uplink.sent));
    out.one("backplane_odoo_uplink_refused", "counter", "Events that the server has refused.",
            count(now.uplink.refused));
    out.one("backplane_odoo_uplink_dropped_results", "counter",
            "Results that were dropped as too many waited.", count(now.uplink.dropped_durable));
    out.family("backplane_odoo_uplink_dropped", "counter",
               "Passing events that were dropped while the server was away, by kind.");
    for (const auto& [kind, dropped] : now.uplink.dropped) out.sample("kind", kind, count(dropped));

    out.one("backplane_odoo_actions_waiting", "gauge", "Actions of the server that wait.",
            count(now.actions.waiting));
    out.one("backplane_odoo_actions_running", "gauge", "Actions of the server that run.",
            count(now.actions.running));
    out.family("backplane_odoo_actions", "counter",
               "Actions of the server, by what became of them.");
    out.sample("what", "accepted", count(now.actions.accepted));
    out.sample("what", "finished", count(now.actions.finished));
    out.sample("what", "duplicate", count(now.actions.duplicates));
    out.sample("what", "repeated", count(now.actions.repeated));
    out.sample("what", "unsure", count(now.actions.unsure));
    out.sample("what", "refused", count(now.actions.refused));

    out.one("backplane_odoo_certificate_left_seconds", "gauge",
            "Time until the HTTPS certificate ends; 0 without one.",
            std::to_string(now.certificate.not_after_time > 0
                               ? now.certificate.not_after_time - unix_now
                               : 0));
    out.one("backplane_odoo_logs_sent", "counter", "Log records sent to the server.",
            count(now.logs.sent));
    out.one("backplane_odoo_logs_dropped", "counter", "Log records that were not sent.",
            count(now.logs.dropped));
    out.one("backplane_odoo_confirmations_waiting", "gauge",
            "Requests that wait for an answer of the owner.", count(now.confirmations.size()));
    return std::move(out).take();
}

}  // namespace backplane::sync
