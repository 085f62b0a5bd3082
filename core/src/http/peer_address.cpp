// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/peer_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace backplane::core {

std::string PeerAddress::text() const {
    if (family == Family::local) return "unix";
    std::array<char, INET6_ADDRSTRLEN> out{};
    const int kind = family == Family::v4 ? AF_INET : AF_INET6;
    return ::inet_ntop(kind, bytes.data(), out.data(), out.size()) == nullptr
               ? std::string{}
               : std::string{out.data()};
}

PeerAddress peer_address(const sockaddr_storage& address) noexcept {
    PeerAddress peer;
    if (address.ss_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &address, sizeof in);
        peer.family = PeerAddress::Family::v4;
        std::memcpy(peer.bytes.data(), &in.sin_addr, 4);
    } else if (address.ss_family == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, &address, sizeof in);
        if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
            peer.family = PeerAddress::Family::v4;
            std::memcpy(peer.bytes.data(), &in.sin6_addr.s6_addr[12], 4);
        } else {
            peer.family = PeerAddress::Family::v6;
            std::memcpy(peer.bytes.data(), in.sin6_addr.s6_addr, 16);
        }
    }
    return peer;
}

std::size_t PeerAddressHash::operator()(const PeerAddress& address) const noexcept {
    std::array<char, 17> key{};
    std::memcpy(key.data(), address.bytes.data(), 16);
    key[16] = static_cast<char>(address.family);
    return std::hash<std::string_view>{}(std::string_view{key.data(), key.size()});
}

}  // namespace backplane::core
