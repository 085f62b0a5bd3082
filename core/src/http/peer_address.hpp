// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Who is at the other end of a connection, as a key to count by and as a text to show.
#pragma once

#include <array>
#include <cstddef>
#include <string>

struct sockaddr_storage;

namespace backplane::core {

struct PeerAddress {
    enum class Family : unsigned char { local, v4, v6 };
    Family family = Family::local;
    std::array<unsigned char, 16> bytes{};  ///< the first four of them for v4

    /// "127.0.0.1", "fe80::1", or "unix".
    std::string text() const;
    friend bool operator==(const PeerAddress&, const PeerAddress&) = default;
};

/// An IPv4 address that arrives on an IPv6 socket ("::ffff:10.0.0.1") is the IPv4 address: one
/// client, one count.
PeerAddress peer_address(const sockaddr_storage& address) noexcept;

struct PeerAddressHash {
    std::size_t operator()(const PeerAddress& address) const noexcept;
};

}  // namespace backplane::core
