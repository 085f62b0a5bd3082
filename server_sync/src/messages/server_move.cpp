// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "messages/server_move.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "server/server_url.hpp"

namespace backplane::sync {

namespace {

/// Domains whose subdomains belong to different people: hosting and dynamic names, above all those of databases. The list
/// need not be complete for safety alone: an attacker would need a name beside the shop's own.
constexpr std::array<std::string_view, 56> k_shared{"odoo.com",
                                                    "odoo.sh",
                                                    "dev.odoo.com",
                                                    "amazonaws.com",
                                                    "appspot.com",
                                                    "awsapprunner.com",
                                                    "azure.com",
                                                    "azurecontainerapps.io",
                                                    "azurewebsites.net",
                                                    "cfargotunnel.com",
                                                    "cloudapp.net",
                                                    "cloudclusters.net",
                                                    "cloudfront.net",
                                                    "cloudpepper.site",
                                                    "cloudwaysapps.com",
                                                    "contaboserver.net",
                                                    "ddns.net",
                                                    "duckdns.org",
                                                    "dyndns.org",
                                                    "dynu.net",
                                                    "dynv6.net",
                                                    "fly.dev",
                                                    "freeddns.org",
                                                    "github.io",
                                                    "gitpod.io",
                                                    "herokuapp.com",
                                                    "hopto.org",
                                                    "hstgr.cloud",
                                                    "home.arpa",
                                                    "linode.com",
                                                    "linodeusercontent.com",
                                                    "loca.lt",
                                                    "localtunnel.me",
                                                    "my-gateway.de",
                                                    "myfritz.net",
                                                    "netlify.app",
                                                    "ngrok-free.app",
                                                    "ngrok.app",
                                                    "ngrok.io",
                                                    "nip.io",
                                                    "no-ip.org",
                                                    "onrender.com",
                                                    "ondigitalocean.app",
                                                    "ovh.net",
                                                    "pages.dev",
                                                    "railway.app",
                                                    "run.app",
                                                    "serveo.net",
                                                    "sslip.io",
                                                    "synology.me",
                                                    "trycloudflare.com",
                                                    "ts.net",
                                                    "vercel.app",
                                                    "workers.dev",
                                                    "your-server.de",
                                                    "zapto.org"};

/// Second labels that stand for a kind of people below the domain of a country: co.uk, com.br, asso.fr.
constexpr std::array<std::string_view, 16> k_kinds{
    "asso", "city", "coop",   "firm",   "gouv",   "govt",  "gob",     "info",
    "mobi", "name", "police", "presse", "school", "store", "tourism", "web"};

std::string lower(std::string_view text) {
    while (text.ends_with('.')) text.remove_suffix(1);
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

bool is_address(std::string_view host) {
    if (host.find(':') != std::string_view::npos) return true;
    // Whatever ends in a number is one to the functions that connect: 10.1.2.3, but 10.1 and 0x7f.1, too.
    const std::string_view last = host.substr(host.find_last_of('.') + 1);
    return !last.empty() && std::isdigit(static_cast<unsigned char>(last.front())) != 0;
}

/// The last `labels` labels; empty when there are fewer.
std::string_view tail(std::string_view host, unsigned labels) {
    std::size_t at = host.size();
    for (unsigned i = 0; i < labels; ++i) {
        if (at == 0) return {};
        const std::size_t dot = host.rfind('.', at - 1);
        if (dot == std::string_view::npos) return i + 1 == labels ? host : std::string_view();
        at = dot;
    }
    return host.substr(at + 1);
}

bool is_shared(std::string_view host) {
    return std::any_of(k_shared.begin(), k_shared.end(), [&](std::string_view domain) {
        return host == domain || (host.size() > domain.size() && host.ends_with(domain) &&
                                  host[host.size() - domain.size() - 1] == '.');
    });
}

/// What somebody has registered: example.com, example.co.uk. Empty when there is no such thing.
std::string_view registered_domain(std::string_view host) {
    if (host.empty() || is_address(host) || is_shared(host)) return {};
    const std::string_view two = tail(host, 2);
    if (two.empty()) return {};
    const std::string_view second = two.substr(0, two.find('.'));
    const std::string_view last = two.substr(two.find('.') + 1);
    if (second.empty() || last.empty()) return {};
    // A short label below a country is more often a kind of people (co.uk, com.br, ne.jp) than a firm. Where it is a firm
    // after all, somebody is asked once.
    const bool kind =
        last.size() == 2 &&
        (second.size() <= 3 || std::find(k_kinds.begin(), k_kinds.end(), second) != k_kinds.end());
    return kind ? tail(host, 3) : two;
}

}  // namespace

bool same_owner(std::string_view host, std::string_view other) {
    const std::string one = lower(host), two = lower(other);
    if (one.empty() || two.empty()) return false;
    if (one == two) return true;
    const std::string_view domain = registered_domain(one);
    return !domain.empty() && domain == registered_domain(two);
}

Move judge_move(std::string_view from, std::string_view to) {
    const auto old_url = parse_server_url(from);
    const auto new_url = parse_server_url(to);
    if (!old_url || !new_url) return Move::needs_consent;
    if (old_url->origin() == new_url->origin()) return Move::none;
    if (old_url->tls && !new_url->tls) return Move::needs_consent;
    return same_owner(old_url->host, new_url->host) ? Move::allowed : Move::needs_consent;
}

}  // namespace backplane::sync
