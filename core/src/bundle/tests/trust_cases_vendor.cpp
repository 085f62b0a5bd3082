// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Delegated vendors.
#include "trust_cases.hpp"

namespace backplane::core::bundle::testing {
namespace {

const Case k_cases[] = {
    {"the_vendor_did_not_sign", [](Publisher& p) { p.vendors.front().signers = {}; },
     "accepted, left out: vendor blue E_DELEG"},
    {"the_release_keys_signed_for_the_vendor",
     [](Publisher& p) {
         p.vendors.front().signers = {3, 4, 5};
     },
     "accepted, left out: vendor blue E_DELEG"},
    {"too_few_keys_of_the_vendor_signed",
     [](Publisher& p) { p.add_root().delegations.front().role.threshold = 2; },
     "accepted, left out: vendor blue E_DELEG"},
    {"the_vendor_uses_a_name_outside_its_prefix",
     [](Publisher& p) {
         p.add_plugin(p.vendors.front(), {.name = "green_scale", .version = "1.0.0"});
     },
     "accepted, left out: green_scale 1.0.0 E_DELEG"},
    {"the_vendor_asks_for_more_than_its_ceiling",
     [](Publisher& p) {
         p.add_plugin(p.vendors.front(), {.name = "blue_net", .permissions = "\"net:tcp/9100\""});
     },
     "accepted, left out: blue_net 1.1.0 E_DELEG"},
    {"the_vendor_serves_a_bus_above_its_ceiling",
     [](Publisher& p) { p.add_plugin(p.vendors.front(), {.name = "blue_usb", .bus = "usb"}); },
     "accepted, left out: blue_usb 1.1.0 E_DELEG"},
    {"the_manifest_of_the_vendor_conceals_what_its_build_wants",
     [](Publisher& p) {
         p.add_plugin(p.vendors.front(), {.name = "blue_net", .permissions = "\"net:tcp/9100\""});
         p.vendors.front().manifest.plugins.back().caps = {"serial"};
     },
     "accepted, left out: blue_net 1.1.0 E_NOTE"},
    {"the_delegation_was_revoked", [](Publisher& p) { p.add_root().delegations.clear(); },
     "accepted, left out: vendor blue E_DELEG"},
    {"the_key_of_the_vendor_was_revoked",
     [](Publisher& p) { p.add_root().delegations.front().role = role_of({7}, 1); },
     "accepted, left out: vendor blue E_DELEG"},
    {"a_vendor_that_the_root_does_not_name",
     [](Publisher& p) {
         p.vendors.push_back(p.vendors.front());
         p.vendors.back().id = p.vendors.back().manifest.vendor = "green";
     },
     "accepted, left out: vendor green E_DELEG"},
    {"the_manifest_of_one_vendor_under_the_name_of_another",
     [](Publisher& p) {
         p.add_root().delegations.push_back({"green", role_of({6}, 1), "green_", {"serial"}});
         p.vendors.front().id = "green";
     },
     "accepted, left out: vendor green E_DELEG"},
    {"the_manifest_of_a_vendor_from_another_bundle",
     [](Publisher& p) { p.vendors.front().manifest.bundle = "other"; },
     "accepted, left out: vendor blue E_DELEG"},
    {"the_manifest_of_the_vendor_is_a_release",
     [](Publisher& p) {
         p.vendors.front().edit = [](std::string& text) {
             replace(text, "\"vendor\"", "\"release\"");
         };
     },
     "accepted, left out: vendor blue E_TYPE"},
    {"the_manifest_of_the_vendor_has_expired_beyond_its_grace",
     [](Publisher& p) {
         p.vendors.front().manifest.issued = at(2026, 1, 1);
         p.vendors.front().manifest.expires = at(2026, 8, 1);
     },
     "accepted, left out: vendor blue E_EXPIRED"},
    {"the_manifest_of_the_vendor_is_in_its_grace",
     [](Publisher& p) { p.vendors.front().manifest.expires = at(2026, 11, 10); },
     "accepted in grace"},
    {"an_older_manifest_of_the_vendor",
     [](Publisher& p) { p.trust["acme"].vendors["blue"].version = 3; },
     "accepted, left out: vendor blue E_ROLLBACK"},
    {"another_manifest_of_the_vendor_with_the_number_of_the_last",
     [](Publisher& p) {
         p.trust["acme"].vendors["blue"] = {2, std::string(64, '2')};
     },
     "accepted, left out: vendor blue E_EQUIV"},
    {"the_manifest_of_the_vendor_was_made_under_a_withheld_root",
     [](Publisher& p) { p.vendors.front().manifest.root_version = 2; },
     "accepted, left out: vendor blue E_ROOTVER"},
    {"the_release_has_a_name_of_the_vendor_itself",
     [](Publisher& p) { p.add_plugin({.name = "blue_scale", .version = "0.9.0"}); },
     "accepted, left out: blue_scale 1.0.0 E_DELEG"},
    {"two_vendors_with_the_same_prefix",
     [](Publisher& p) {
         p.add_root().delegations.push_back({"green", role_of({8}, 1), "blue_", {}});
     },
     "rejected E_ROOT"},
    {"the_prefix_of_one_vendor_within_that_of_another",
     [](Publisher& p) {
         p.add_root().delegations.push_back({"green", role_of({8}, 1), "blue_eu_", {}});
     },
     "rejected E_ROOT"},
    {"a_delegation_without_a_prefix",
     [](Publisher& p) { p.add_root().delegations.front().prefix = ""; }, "rejected E_TYPE"},
    {"the_publisher_withdraws_a_build_of_the_vendor",
     [](Publisher& p) {
         const auto& built = p.vendors.front().manifest.plugins.front().files.begin()->second;
         p.release.manifest.withdrawn.push_back({built.sha256, "it burns the scale"});
     },
     "accepted, left out: blue_scale 1.0.0 E_WITHDRAWN"},
    {"a_vendor_cannot_withdraw_a_build_of_the_release",
     [](Publisher& p) {
         p.vendors.front().manifest.withdrawn.push_back({file(p).sha256, "we do not like it"});
     },
     "accepted"},
    {"the_manifest_of_the_vendor_was_taken_out",
     [](Publisher& p) {
         p.spoil.push_back([](Files& f) { f.erase(vendor_name("acme", "blue")); });
     },
     "accepted"},
};

}  // namespace

std::span<const Case> vendor_cases() {
    return k_cases;
}

}  // namespace backplane::core::bundle::testing
