// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bundle/verify.hpp"

namespace backplane::core::bundle {
namespace {

using ::testing::ElementsAre;
using Caps = std::vector<std::string>;

TEST(ACapability, that_nobody_knows_is_covered_by_nothing) {
    EXPECT_FALSE(is_known_cap("telepathy"));
    EXPECT_FALSE(cap_covered("telepathy", Caps{"telepathy", "*", "serial"}));
    for (const char* wrong : {"", ":", "usb:", "Serial", "serial ", "usb:04b8 *", "usb:04b?:*",
                              "usb:\n", "usb:\xc3\xa4", "*", "u*", "usbx", "us"})
        EXPECT_FALSE(is_known_cap(wrong)) << wrong;
    EXPECT_FALSE(is_known_cap("usb:" + std::string(129, 'a')));
    EXPECT_TRUE(is_known_cap("usb:" + std::string(128, 'a')));
}

TEST(ACapability, of_every_kind_in_use_is_known) {
    for (const char* cap : {"serial", "usb", "usb:04b8:*", "hid:usage", "video", "net:tcp/9100",
                            "netlink", "udev", "pty", "dbus:org.bluez", "cups", "input", "audio",
                            "bluetooth", "printer", "display", "bus:somebus"})
        EXPECT_TRUE(is_known_cap(cap)) << cap;
}

TEST(ACeiling, covers_what_it_says_and_nothing_beside_it) {
    EXPECT_TRUE(cap_covered("serial", Caps{"serial"}));
    EXPECT_FALSE(cap_covered("serial", Caps{}));
    EXPECT_FALSE(cap_covered("serial", Caps{"usb", "video"}));
    EXPECT_TRUE(cap_covered("usb:04b8:0202", Caps{"usb:04b8:*"}));
    EXPECT_FALSE(cap_covered("usb:04b9:0202", Caps{"usb:04b8:*"}));
    EXPECT_FALSE(cap_covered("usb:04b8", Caps{"usb:04b8:*"}));
    EXPECT_TRUE(cap_covered("net:tcp/9100", Caps{"net:tcp/9100"}));
    EXPECT_FALSE(cap_covered("net:tcp/91000", Caps{"net:tcp/9100"}));
    EXPECT_FALSE(cap_covered("net:udp/9100", Caps{"net:tcp/*"}));
}

TEST(ACeiling, of_a_word_alone_covers_every_argument) {
    EXPECT_TRUE(cap_covered("usb:04b8:0202", Caps{"usb"}));
    EXPECT_TRUE(cap_covered("usb", Caps{"usb"}));
}

TEST(ACeiling, with_an_argument_does_not_cover_the_word_alone) {
    EXPECT_FALSE(cap_covered("usb", Caps{"usb:04b8:*"}));
    EXPECT_FALSE(cap_covered("usb", Caps{"usb:*"}));  // a word may mean more than its arguments
}

TEST(ACeiling, is_not_lifted_by_a_wildcard_of_the_plug_in) {
    EXPECT_TRUE(cap_covered("usb:04b8:*", Caps{"usb:04b8:*"}));
    EXPECT_TRUE(cap_covered("usb:04b8:02*", Caps{"usb:04b8:*"}));
    EXPECT_FALSE(cap_covered("usb:*", Caps{"usb:04b8:*"}));
    EXPECT_FALSE(cap_covered("usb:04b8:*", Caps{"usb:04b8:0202"}));
    EXPECT_FALSE(cap_covered("usb:*:*", Caps{"usb:04b8:*"}));
    EXPECT_TRUE(cap_covered("usb:a*c*b", Caps{"usb:a*b"}));
}

TEST(ACeiling, is_case_sensitive_where_names_are) {
    EXPECT_FALSE(cap_covered("dbus:org.Bluez", Caps{"dbus:org.bluez"}));
}

TEST(ACeiling, that_is_unknown_covers_nothing) {
    EXPECT_FALSE(cap_covered("serial", Caps{"serial?", "seria*", "*"}));
}

TEST(ACeiling, of_many_wildcards_is_decided_at_once) {
    const std::string ceiling = "usb:" + std::string(60, '*') + "b";
    std::string stars = "usb:";
    for (int i = 0; i < 60; ++i) stars += "a*";
    EXPECT_FALSE(cap_covered("usb:" + std::string(128, 'a'), Caps{ceiling, stars + "b"}));
}

sdk::MatchRule rule(std::string bus, std::vector<sdk::MatchProperty> properties = {}) {
    sdk::MatchRule out;
    out.bus = std::move(bus);
    out.properties = std::move(properties);
    return out;
}

TEST(WhatAPlugInNeeds, is_what_its_note_permits_and_the_buses_that_it_serves) {
    sdk::PluginNote note;
    EXPECT_TRUE(caps_of(note).empty());
    note.permissions = {"udev", "netlink"};
    EXPECT_THAT(caps_of(note), ElementsAre("netlink", "udev"));
    note.matches = {rule("serial"), rule("serial"), rule("somebus")};
    EXPECT_THAT(caps_of(note), ElementsAre("bus:somebus", "netlink", "serial", "udev"));
}

TEST(WhatAPlugInNeeds, is_narrowed_by_the_devices_that_it_serves) {
    sdk::PluginNote note;
    note.matches = {rule("usb", {{"vid", {"04B8", "0519"}}}), rule("tcp", {{"port", {"9100"}}})};
    EXPECT_THAT(caps_of(note), ElementsAre("net:tcp/9100", "usb:04b8:*", "usb:0519:*"));
}

TEST(WhatAPlugInNeeds, is_everything_when_its_patterns_say_more_than_a_ceiling_can) {
    sdk::PluginNote note;
    note.matches = {rule("usb", {{"vid", {"04b?"}}})};
    EXPECT_THAT(caps_of(note), ElementsAre("usb"));
    note.matches = {rule("usb", {{"vid", {"04b8:*"}}})};
    EXPECT_THAT(caps_of(note), ElementsAre("usb"));
    note.matches = {rule("usb", {{"serial", {"04b8"}}}), rule("tcp")};
    EXPECT_THAT(caps_of(note), ElementsAre("net:tcp/*", "usb"));
}

TEST(WhatAPlugInNeeds, cannot_pass_for_another_bus) {
    sdk::PluginNote note;
    note.matches = {rule("bus")};
    EXPECT_THAT(caps_of(note), ElementsAre("bus:bus"));
}

}  // namespace
}  // namespace backplane::core::bundle
