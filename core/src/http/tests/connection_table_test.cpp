// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/connection_table.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace backplane::core {
namespace {

using Admission = ConnectionTable::Admission;

PeerAddress v4(unsigned char last) {
    PeerAddress address;
    address.family = PeerAddress::Family::v4;
    address.bytes = {10, 0, 0, last};
    return address;
}

TEST(AConnectionTable, refuses_one_address_too_many_but_not_another_address) {
    ConnectionTable table{10, 2};
    std::vector<ConnectionTable::Slot> slots(4);
    EXPECT_EQ(table.admit(v4(1), slots[0]), Admission::admitted);
    EXPECT_EQ(table.admit(v4(1), slots[1]), Admission::admitted);
    EXPECT_EQ(table.admit(v4(1), slots[2]), Admission::too_many_from_address);
    EXPECT_EQ(table.admit(v4(2), slots[3]), Admission::admitted);
}

TEST(AConnectionTable, refuses_everybody_when_it_is_full_except_local_peers) {
    ConnectionTable table{1, 5};
    ConnectionTable::Slot a, b, c;
    EXPECT_EQ(table.admit(v4(1), a), Admission::admitted);
    EXPECT_EQ(table.admit(v4(2), b), Admission::full);
    EXPECT_EQ(table.admit(PeerAddress{}, c), Admission::admitted);
    EXPECT_EQ(table.size(), 1u);
}

TEST(AConnectionTable, forgets_an_address_with_its_last_connection) {
    ConnectionTable table{10, 1};
    {
        ConnectionTable::Slot slot;
        ASSERT_EQ(table.admit(v4(1), slot), Admission::admitted);
        const ConnectionTable::Slot moved = std::move(slot);
        EXPECT_EQ(table.addresses(), 1u);
    }
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.addresses(), 0u);
}

TEST(APeerAddress, is_the_same_for_ipv4_and_for_ipv4_inside_ipv6) {
    sockaddr_in plain{};
    plain.sin_family = AF_INET;
    ::inet_pton(AF_INET, "10.1.2.3", &plain.sin_addr);
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    ::inet_pton(AF_INET6, "::ffff:10.1.2.3", &mapped.sin6_addr);
    sockaddr_storage a{}, b{};
    std::memcpy(&a, &plain, sizeof plain);
    std::memcpy(&b, &mapped, sizeof mapped);
    EXPECT_EQ(peer_address(a), peer_address(b));
    EXPECT_EQ(peer_address(b).text(), "10.1.2.3");
    EXPECT_EQ(PeerAddress{}.text(), "unix");
}

}  // namespace
}  // namespace backplane::core
