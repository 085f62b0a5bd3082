// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "messages/server_move.hpp"

namespace backplane::sync::test {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(AMoveOfTheServer, stays_with_its_owner_within_a_registered_domain) {
    const Pairs k_same{
        {"shop.example.com", "new.example.com"},
        {"shop.example.com", "example.com"},
        {"example.com", "shop.example.com"},
        {"a.b.c.example.com", "x.example.com"},
        {"SHOP.Example.com.", "shop.example.com"},
        {"shop.example.co.uk", "odoo.example.co.uk"},
        {"erp.example.com.br", "example.com.br"},
        {"erp.fleurs.asso.fr", "www.fleurs.asso.fr"},
        {"shop.baeckerei.de", "odoo.baeckerei.de"},
        {"a.odoo.com", "a.odoo.com"},
        {"192.168.1.5", "192.168.1.5"},
        {"server", "server"},
        {"fd00::5", "fd00::5"},
    };
    for (const auto& [from, to] : k_same) EXPECT_TRUE(same_owner(from, to)) << from << " " << to;
}

TEST(AMoveOfTheServer, leads_to_somebody_else_wherever_that_is_not_certain) {
    const Pairs k_other{
        {"shop.example.com", "shop.example.org"},
        {"shop.example.com", "shop.evil.com"},
        {"shop.example.com", "example.com.evil.net"},
        {"shop.example.com", "evilexample.com"},
        {"example.com", "com"},
        {"a.odoo.com", "b.odoo.com"},
        {"a.odoo.com", "odoo.com"},
        {"a.odoo.com", "x.a.odoo.com"},
        {"a-1.dev.odoo.com", "a-2.dev.odoo.com"},
        {"a.odoo.sh", "b.odoo.sh"},
        {"one.co.uk", "two.co.uk"},
        {"one.com.mx", "two.com.mx"},
        {"one.asso.fr", "two.asso.fr"},
        {"shop.bmw.de", "odoo.bmw.de"},  // as short as co.uk: somebody is asked
        {"me.duckdns.org", "you.duckdns.org"},
        {"ec2-1-2-3-4.compute.amazonaws.com", "ec2-1-2-3-5.compute.amazonaws.com"},
        {"me.local", "you.local"},
        {"server", "other"},
        {"192.168.1.5", "192.168.1.6"},
        {"10.1.168.5", "10.2.168.5"},
        {"fd00::5", "fd00::6"},
        {"", ""},
        {"", "shop.example.com"},
        {"shop.example.com", "."},
    };
    for (const auto& [from, to] : k_other) {
        EXPECT_FALSE(same_owner(from, to)) << from << " " << to;
        EXPECT_FALSE(same_owner(to, from)) << to << " " << from;
    }
}

TEST(AMoveOfTheServer, never_gives_up_encryption_without_consent) {
    EXPECT_EQ(judge_move("https://shop.example.com", "https://new.example.com"), Move::allowed);
    EXPECT_EQ(judge_move("http://shop.example.com", "https://shop.example.com"), Move::allowed);
    EXPECT_EQ(judge_move("http://192.168.1.5:8069", "http://192.168.1.5:8070"), Move::allowed);
    EXPECT_EQ(judge_move("https://shop.example.com", "https://shop.example.com:443/"), Move::none);
    EXPECT_EQ(judge_move("https://shop.example.com", "http://shop.example.com"),
              Move::needs_consent);
    EXPECT_EQ(judge_move("https://shop.example.com", "http://new.example.com"),
              Move::needs_consent);
    EXPECT_EQ(judge_move("https://shop.example.com", "https://evil.com"), Move::needs_consent);
    EXPECT_EQ(judge_move("https://shop.example.com", "nonsense"), Move::needs_consent);
    EXPECT_EQ(judge_move("", "https://shop.example.com"), Move::needs_consent);
}

}  // namespace
}  // namespace backplane::sync::test
