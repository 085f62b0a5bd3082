// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How good the network is, as Odoo's "test connection" rates it (protocol page, 5.13), by our own measurement: TCP
// connections (the time of the handshake; a refusal counts as an answer) and ICMP echoes where the system allows them to
// an unprivileged program. Three probes, 0.2 s apart, at most 3 s in all.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::sync {

struct Probes {
    unsigned sent = 0;
    std::vector<std::chrono::microseconds> answered;
};
/// "unreachable", "slow", "normal" or "fast"; the limits of a private network are tighter.
std::string_view rate(const Probes& probes, bool private_network) noexcept;
/// The one of two ratings that tells of the better network; an unknown text is the worst.
std::string_view better(std::string_view one, std::string_view other) noexcept;
/// An address that only this network knows: private, link-local, loopback, IPv4 or IPv6 ("fe80::1%eth0" too). A name is not.
bool is_private(std::string_view address) noexcept;
/// The next hop on the way to everybody, from the kernel's table; empty: none.
std::string default_gateway();
/// The same out of the text of /proc/net/route, or of /proc/net/ipv6_route (with the interface: "fe80::1%eth0").
std::string gateway_in(std::string_view route_table);
std::string gateway_in_ipv6(std::string_view route_table);

/// Measures one host (name or address) by TCP on `port` and, if allowed, ICMP: the better of the two counts.
///
/// Owner: the link. Thread: the loop's; `done` is called once, never inside of measure(), nor after the destruction. A name
/// that is not found, or too slowly, is "unreachable".
class NetworkProbe {
public:
    using Done = std::function<void(std::string rating)>;
    struct Options {
        bool icmp = true;
        std::chrono::milliseconds total{3'000}, pause{200};
        unsigned probes = 3;
        /// Addresses of a host name; may block, on a thread of its own. Empty: the system's.
        std::function<core::Result<std::vector<std::string>>(const std::string& host)> resolve;
    };
    explicit NetworkProbe(boost::asio::io_context& loop);
    NetworkProbe(boost::asio::io_context& loop, Options options);
    ~NetworkProbe();
    void measure(std::string host, std::uint16_t port, Done done);

private:
    struct State;
    std::shared_ptr<State> state_;
};

/// What Messages::Setup::measure_network wants: the gateway (empty: "unreachable") and the server at `server_url` (not
/// paired: "unreachable"), both at the same time. A gateway need not be a web server: its refusal of port 80 counts.
void measure_network(NetworkProbe& probe, const std::string& gateway, std::string_view server_url,
                     std::function<void(std::string lan, std::string wan)> done);

}  // namespace backplane::sync
