// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "network_address.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>

namespace backplane::daemon {

namespace {

/// Name of the network interface with the default route (proc(5), /proc/net/route: destination 0), or empty.
std::string default_route_interface() {
    std::ifstream routes{"/proc/net/route"};
    std::string line;
    std::getline(routes, line);
    while (std::getline(routes, line)) {
        std::istringstream fields{line};
        std::string name, destination;
        if (fields >> name >> destination && destination == "00000000") return name;
    }
    return {};
}

}  // namespace

NetworkAddress network_address() {
    ifaddrs* raw = nullptr;
    if (::getifaddrs(&raw) != 0) return {};
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all{raw, &::freeifaddrs};

    std::string chosen = default_route_interface();
    NetworkAddress out;
    for (const ifaddrs* entry = all.get(); entry; entry = entry->ifa_next) {
        if (!entry->ifa_addr || entry->ifa_addr->sa_family != AF_INET) continue;
        if (!(entry->ifa_flags & IFF_UP) || (entry->ifa_flags & IFF_LOOPBACK)) continue;
        if (chosen.empty()) chosen = entry->ifa_name;
        if (chosen != entry->ifa_name) continue;
        std::array<char, INET_ADDRSTRLEN> text{};
        const auto* address = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
        if (::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size()))
            out.ip = text.data();
        break;
    }
    for (const ifaddrs* entry = all.get(); entry && out.mac.empty(); entry = entry->ifa_next) {
        if (!entry->ifa_addr || entry->ifa_addr->sa_family != AF_PACKET ||
            chosen != entry->ifa_name)
            continue;
        const auto* link = reinterpret_cast<const sockaddr_ll*>(entry->ifa_addr);
        if (link->sll_halen != 6) continue;
        std::array<char, 18> text{};
        std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", link->sll_addr[0],
                      link->sll_addr[1], link->sll_addr[2], link->sll_addr[3], link->sll_addr[4],
                      link->sll_addr[5]);
        out.mac = text.data();
    }
    return out;
}

}  // namespace backplane::daemon
