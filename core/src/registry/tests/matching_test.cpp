// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/matching.hpp"

#include <gmock/gmock.h>

namespace backplane::core {
namespace {

using testing::ElementsAre;

sdk::PluginNote driver(std::string name, std::string bus, int priority,
                       std::vector<sdk::MatchProperty> properties = {},
                       sdk::ProbeMode probe = sdk::ProbeMode::active) {
    sdk::PluginNote note;
    note.name = std::move(name);
    sdk::MatchRule rule;
    rule.bus = std::move(bus);
    rule.priority = priority;
    rule.properties = std::move(properties);
    rule.probe = probe;
    note.matches = {rule};
    return note;
}

std::vector<std::string> names(const Descriptor& device,
                               const std::vector<sdk::PluginNote>& notes) {
    std::vector<const sdk::PluginNote*> pointers;
    for (const auto& note : notes) pointers.push_back(&note);
    std::vector<std::string> out;
    for (const Candidate& candidate : find_candidates(device, pointers))
        out.push_back(candidate.driver);
    return out;
}

Descriptor port(boost::json::object properties = {}) {
    Descriptor device;
    device.bus = "serial";
    device.properties = std::move(properties);
    return device;
}

TEST(Matching, leaves_out_drivers_of_another_bus) {
    EXPECT_THAT(names(port(), {driver("a", "usb", 9), driver("b", "serial", 0)}), ElementsAre("b"));
}

TEST(Matching, asks_the_highest_priority_first) {
    EXPECT_THAT(names(port(), {driver("a", "serial", -5), driver("b", "serial", 7),
                               driver("c", "serial", 0)}),
                ElementsAre("b", "c", "a"));
}

TEST(Matching, asks_drivers_that_look_before_those_that_take_anything) {
    EXPECT_THAT(names(port(), {driver("a", "serial", 0, {}, sdk::ProbeMode::none),
                               driver("b", "serial", 0)}),
                ElementsAre("b", "a"));
}

TEST(Matching, leaves_out_a_driver_whose_property_is_missing_or_different) {
    const std::vector<sdk::PluginNote> notes{driver("a", "serial", 0, {{"vid", {"0403", "067b"}}})};
    EXPECT_THAT(names(port(), notes), ElementsAre());
    EXPECT_THAT(names(port({{"vid", "1a86"}}), notes), ElementsAre());
    EXPECT_THAT(names(port({{"vid", "067B"}}), notes), ElementsAre("a"));
}

TEST(Matching, compares_numbers_and_booleans_as_text) {
    EXPECT_THAT(
        names(port({{"simulated", true}}), {driver("a", "serial", 0, {{"simulated", {"true"}}})}),
        ElementsAre("a"));
}

TEST(Matching, takes_the_best_rule_of_a_driver) {
    sdk::PluginNote note = driver("a", "serial", 1);
    note.matches.push_back(driver("a", "serial", 8).matches.front());
    EXPECT_THAT(names(port(), {driver("b", "serial", 5), note}), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace backplane::core
