// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What is known to go wrong with signed updates, one case a line: the cases of The Update Framework that mean something
// for this format, in its words. Each begins with a valid bundle and a box that trusts its publisher.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bundle/trust_chain.hpp"
#include "publisher.hpp"

namespace backplane::core::bundle::testing {
namespace {

struct Case {
    const char* name;
    void (*damage)(Publisher&);
    const char* expected;
};

std::string release_file() {
    return release_name("acme");
}

void change_byte(Files& files, const std::string& name) {
    auto& bytes = files.at(name);
    bytes[bytes.size() / 2] ^= std::byte{1};
}

void rename_file(Files& files, const std::string& from, const std::string& to) {
    auto content = std::move(files.at(from));
    files.erase(from);
    files[to] = std::move(content);
}

/// The signature of key `by` under the name of the one of key `as`.
void pass_off(Files& files, const std::string& document, unsigned by, unsigned as) {
    files[signature_name(document, key(as).public_key())] =
        files.at(signature_name(document, key(by).public_key()));
}

ManifestPlugin& plugin(Publisher& p) {
    return p.release.manifest.plugins.front();
}
PluginFile& file(Publisher& p) {
    return plugin(p).files.begin()->second;
}

const Case k_cases[] = {
    // ---- root ---------------------------------------------------------------------------------------------------
    {"a_valid_bundle_under_the_known_root", [](Publisher&) {}, "accepted"},
    {"the_next_root_signed_by_the_old_and_the_new_keys", [](Publisher& p) { p.add_root(); },
     "accepted"},
    {"a_chain_of_three_new_roots",
     [](Publisher& p) {
         for (int i = 0; i < 3; ++i) p.add_root();
     },
     "accepted"},
    {"as_many_new_roots_as_one_run_takes",
     [](Publisher& p) {
         for (unsigned i = 0; i < k_root_hops; ++i) p.add_root();
     },
     "accepted"},
    {"one_new_root_more_than_one_run_takes",
     [](Publisher& p) {
         for (unsigned i = 0; i <= k_root_hops; ++i) p.add_root();
     },
     "rejected E_ROOTVER"},
    {"no_root_in_the_archive_and_the_known_one_is_enough",
     [](Publisher& p) {
         p.spoil.push_back([](Files& f) {
             std::erase_if(f, [](const auto& each) {
                 return each.first.find(".root.") != std::string::npos;
             });
         });
     },
     "accepted"},
    {"a_root_was_skipped",
     [](Publisher& p) {
         p.add_root();
         p.add_root();
         p.spoil.push_back([](Files& f) { f.erase(root_name("acme", 2)); });
     },
     "rejected E_ROOTVER"},
    {"the_file_of_the_next_root_holds_the_known_version",
     [](Publisher& p) { p.add_root().version = 1; }, "rejected E_ROOTVER"},
    {"the_file_of_the_next_root_holds_a_later_version",
     [](Publisher& p) { p.add_root().version = 3; }, "rejected E_ROOTVER"},
    {"the_file_of_a_later_root_holds_an_earlier_version",
     [](Publisher& p) {
         p.add_root();
         p.add_root().version = 2;
     },
     "rejected E_ROOTVER"},
    {"the_next_root_has_the_highest_version_there_is",
     [](Publisher& p) { p.add_root().version = 9'007'199'254'740'991; }, "rejected E_ROOTVER"},
    {"the_next_root_is_signed_by_its_own_new_keys_only",
     [](Publisher& p) {
         p.add_root().root = role_of({8, 9, 10}, 2);
         p.roots.back().signers = {8, 9};
     },
     "rejected E_THRESHOLD"},
    {"the_next_root_is_signed_by_the_old_keys_only",
     [](Publisher& p) {
         p.add_root().root = role_of({8, 9, 10}, 2);
     },
     "rejected E_THRESHOLD"},
    {"all_root_keys_change_and_both_sides_sign",
     [](Publisher& p) {
         p.add_root().root = role_of({8, 9, 10}, 2);
         p.roots.back().signers = {0, 1, 8, 9};
     },
     "accepted"},
    {"the_next_root_is_signed_by_too_few_old_keys",
     [](Publisher& p) {
         p.add_root().root = role_of({0, 8, 9}, 2);
         p.roots.back().signers = {0, 8, 9};
     },
     "rejected E_THRESHOLD"},
    {"the_next_root_is_not_signed",
     [](Publisher& p) {
         p.add_root();
         p.roots.back().signers = {};
     },
     "rejected E_THRESHOLD"},
    {"one_key_signs_the_next_root_in_the_name_of_two",
     [](Publisher& p) {
         p.add_root();
         p.roots.back().signers = {0};
         p.spoil.push_back([](Files& f) { pass_off(f, root_name("acme", 2), 0, 1); });
     },
     "rejected E_THRESHOLD"},
    {"one_key_is_listed_twice_under_two_ids",
     [](Publisher& p) {
         p.add_root();
         p.roots.back().edit = [](std::string& text) {
             const auto key_0 = key(0).public_key();
             replace(text, "\"keys\": {",
                     "\"keys\": { \"" + std::string(32, '0') +
                         R"(": {"type": "ed25519", "scheme": "minisign", "public": ")" +
                         key_0.text() + "\"},");
         };
     },
     "rejected E_ROOT"},
    {"two_keys_share_one_minisign_id",
     [](Publisher& p) {
         Root& root = p.add_root();
         auto same = key(16).public_key();
         same.hint = key(0).public_key().hint;
         root.keys.emplace(same.id(), same);
     },
     "rejected E_ROOT"},
    {"a_revoked_key_signs_a_later_root",
     [](Publisher& p) {
         p.add_root().root = role_of({1, 2, 8}, 2);
         p.roots.back().signers = {0, 1, 2};
         p.add_root();
         p.roots.back().signers = {0, 1};
     },
     "rejected E_THRESHOLD"},
    {"a_raised_threshold_counts_for_the_root_that_raises_it",
     [](Publisher& p) {
         p.add_root().root.threshold = 3;
         p.roots.back().signers = {0, 1};
     },
     "rejected E_THRESHOLD"},
    {"a_lowered_threshold_does_not_count_for_the_step_that_lowers_it",
     [](Publisher& p) {
         p.add_root().root.threshold = 1;
         p.roots.back().signers = {0};
     },
     "rejected E_THRESHOLD"},
    {"a_lowered_threshold_counts_afterwards",
     [](Publisher& p) {
         p.add_root().root.threshold = 1;
         p.add_root();
         p.roots.back().signers = {2};
     },
     "accepted"},
    {"a_threshold_above_the_number_of_keys", [](Publisher& p) { p.add_root().root.threshold = 4; },
     "rejected E_ROOT"},
    {"a_threshold_of_zero", [](Publisher& p) { p.add_root().release.threshold = 0; },
     "rejected E_TYPE"},
    {"a_role_of_a_key_that_is_not_listed",
     [](Publisher& p) {
         p.add_root().release = role_of({3, 4, 20}, 2);
     },
     "rejected E_ROOT"},
    {"an_expired_root_on_the_way",
     [](Publisher& p) {
         p.add_root().expires = at(2026, 2, 1);
         p.add_root().expires = at(2031, 1, 1);
     },
     "accepted"},
    {"the_known_root_has_expired_and_has_a_successor",
     [](Publisher& p) {
         p.roots.front().root.expires = at(2026, 2, 1);
         p.trust_root(p.roots.front().root);
         p.add_root().expires = at(2031, 1, 1);
     },
     "accepted"},
    {"the_last_root_has_expired", [](Publisher& p) { p.add_root().expires = at(2026, 11, 21); },
     "rejected E_EXPIRED"},
    {"the_last_root_expires_at_this_very_second",
     [](Publisher& p) { p.add_root().expires = p.policy.now; }, "accepted"},
    {"the_owner_accepts_an_expired_root",
     [](Publisher& p) {
         p.add_root().expires = at(2026, 11, 21);
         p.policy.accept_expired = true;
     },
     "accepted"},
    {"the_root_of_another_bundle_of_the_same_keys",
     [](Publisher& p) { p.add_root().bundle = "other"; }, "rejected E_ROOT"},
    {"a_release_in_the_place_of_a_root",
     [](Publisher& p) {
         p.add_root();
         p.roots.back().edit = [text = write_release(p.release.manifest)](std::string& out) {
             out = text;
         };
     },
     "rejected E_TYPE"},
    {"the_next_root_is_signed_by_the_release_keys",
     [](Publisher& p) {
         p.add_root();
         p.roots.back().signers = {3, 4, 5};
     },
     "rejected E_THRESHOLD"},
    {"the_next_root_was_changed_after_it_was_signed",
     [](Publisher& p) {
         p.add_root();
         p.spoil.push_back([](Files& f) { change_byte(f, root_name("acme", 2)); });
     },
     "rejected E_THRESHOLD"},
    {"a_root_that_is_known_better_is_not_looked_at",
     [](Publisher& p) {
         p.spoil.push_back([](Files& f) { f[root_name("acme", 1)] = bytes_of("rubbish"); });
     },
     "accepted"},
    {"the_next_root_has_a_kind_of_key_that_nobody_knows",
     [](Publisher& p) {
         p.add_root();
         p.roots.back().edit = [](std::string& text) { replace(text, "ed25519", "rot13"); };
     },
     "rejected E_TYPE"},
    {"the_next_root_has_a_member_twice",
     [](Publisher& p) {
         p.add_root();
         p.roots.back().edit = [](std::string& text) {
             replace(text, "\"version\": 2", "\"version\": 2, \"version\": 2");
         };
     },
     "rejected E_TYPE"},
    // ---- rotation of the release keys -----------------------------------------------------------------------------
    {"the_release_keys_changed_and_the_release_is_signed_by_the_old_ones",
     [](Publisher& p) {
         p.add_root().release = role_of({8, 9, 10}, 2);
     },
     "rejected E_SIG"},
    {"after_a_fast_forward_new_release_keys_start_again_at_the_floor",
     [](Publisher& p) {
         p.trust["acme"].highest_version = 9'007'199'254'740'991;
         Root& root = p.add_root();
         root.release = role_of({8, 9, 10}, 2);
         root.version_floor = 5;
         p.release.signers = {8, 9};
     },
     "accepted"},
    {"after_a_fast_forward_releases_below_the_floor_stay_refused",
     [](Publisher& p) {
         p.trust["acme"].highest_version = 9'007'199'254'740'991;
         Root& root = p.add_root();
         root.release = role_of({8, 9, 10}, 2);
         root.version_floor = 6;
         p.release.signers = {8, 9};
     },
     "rejected E_ROLLBACK"},
    {"a_new_root_with_the_same_release_keys_resets_nothing",
     [](Publisher& p) {
         p.trust["acme"].highest_version = 100;
         p.add_root();
     },
     "rejected E_ROLLBACK"},
    {"keys_that_changed_two_roots_ago_reset_the_version_too",
     [](Publisher& p) {
         p.trust["acme"].highest_version = 100;
         p.add_root().release = role_of({8, 9, 10}, 2);
         p.add_root();
         p.release.signers = {9, 10};
     },
     "accepted"},
    // ---- first sight ----------------------------------------------------------------------------------------------
    {"nobody_knows_the_publisher", [](Publisher& p) { p.trust.clear(); }, "rejected E_ROOT"},
    {"the_owner_has_enrolled_a_root_key",
     [](Publisher& p) {
         p.trust.clear();
         p.policy.enrolled = {key(1).public_key()};
     },
     "accepted"},
    {"the_owner_has_enrolled_a_root_key_that_did_not_sign",
     [](Publisher& p) {
         p.trust.clear();
         p.policy.enrolled = {key(2).public_key()};
     },
     "rejected E_ROOT"},
    {"the_owner_has_enrolled_a_key_that_signed_but_is_no_root_key",
     [](Publisher& p) {
         p.trust.clear();
         p.policy.enrolled = {key(3).public_key()};
         p.roots.front().signers = {0, 1, 3};
     },
     "rejected E_ROOT"},
    {"an_enrolled_key_does_not_replace_the_threshold",
     [](Publisher& p) {
         p.trust.clear();
         p.policy.enrolled = {key(0).public_key()};
         p.roots.front().signers = {0};
     },
     "rejected E_THRESHOLD"},
    {"an_enrolled_key_leads_through_a_chain",
     [](Publisher& p) {
         p.trust.clear();
         p.policy.enrolled = {key(0).public_key()};
         p.add_root().root = role_of({8, 9, 10}, 2);
         p.roots.back().signers = {0, 1, 8, 9};
     },
     "accepted"},
    {"a_box_in_development_mode_trusts_at_first_sight",
     [](Publisher& p) {
         p.trust.clear();
         p.policy.development = true;
     },
     "accepted"},
    {"also_in_development_mode_a_root_must_be_signed_by_itself",
     [](Publisher& p) {
         p.trust.clear();
         p.policy.development = true;
         p.roots.front().signers = {0};
     },
     "rejected E_THRESHOLD"},
    {"also_in_development_mode_a_known_root_is_not_replaced",
     [](Publisher& p) {
         p.policy.development = true;
         p.roots.front().root.root = role_of({8, 9, 10}, 2);
         p.roots.front().root.release = role_of({11, 12, 13}, 2);
         p.roots.front().signers = {8, 9};
         p.release.signers = {11, 12};
     },
     "rejected E_SIG"},
    {"at_first_sight_the_last_root_must_not_have_expired_either",
     [](Publisher& p) {
         p.trust.clear();
         p.policy.development = true;
         p.roots.front().root.expires = at(2026, 11, 21);
     },
     "rejected E_EXPIRED"},
    // ---- release --------------------------------------------------------------------------------------------------
    {"the_release_is_not_signed", [](Publisher& p) { p.release.signers = {}; }, "rejected E_SIG"},
    {"the_release_is_signed_by_too_few", [](Publisher& p) { p.release.signers = {3}; },
     "rejected E_SIG"},
    {"the_release_is_signed_by_the_root_keys",
     [](Publisher& p) {
         p.release.signers = {0, 1, 2};
     },
     "rejected E_SIG"},
    {"the_release_is_signed_by_a_vendor",
     [](Publisher& p) {
         p.release.signers = {3, 6, 7};
     },
     "rejected E_SIG"},
    {"the_release_is_signed_by_strangers",
     [](Publisher& p) {
         p.release.signers = {20, 21};
     },
     "rejected E_SIG"},
    {"one_release_key_signs_in_the_name_of_two",
     [](Publisher& p) {
         p.release.signers = {3};
         p.spoil.push_back([](Files& f) { pass_off(f, release_file(), 3, 4); });
     },
     "rejected E_SIG"},
    {"one_of_three_signatures_does_not_fit",
     [](Publisher& p) {
         p.release.signers = {3, 4, 5};
         p.spoil.push_back([](Files& f) { pass_off(f, release_file(), 3, 4); });
     },
     "accepted"},
    {"the_signature_is_that_of_another_document",
     [](Publisher& p) {
         p.roots.front().signers = {0, 1, 3, 4};
         p.spoil.push_back([](Files& f) {
             for (const unsigned n : {3u, 4u}) {
                 const auto public_key = key(n).public_key();
                 rename_file(f, signature_name(root_name("acme", 1), public_key),
                             signature_name(release_file(), public_key));
             }
         });
     },
     "rejected E_SIG"},
    {"the_signatures_were_stripped",
     [](Publisher& p) {
         p.spoil.push_back([](Files& f) {
             std::erase_if(f, [](const auto& each) { return each.first.ends_with(".minisig"); });
         });
     },
     "rejected E_SIG"},
    {"a_signature_is_rubbish",
     [](Publisher& p) {
         p.spoil.push_back([](Files& f) {
             f[signature_name(release_file(), key(3).public_key())] = bytes_of("rubbish");
         });
     },
     "rejected E_SIG"},
    {"a_signature_is_larger_than_any",
     [](Publisher& p) {
         p.spoil.push_back([](Files& f) {
             f[signature_name(release_file(), key(3).public_key())].resize(100'000);
         });
     },
     "rejected E_SIG"},
    {"the_release_was_cut",
     [](Publisher& p) { p.spoil.push_back([](Files& f) { f.at(release_file()).pop_back(); }); },
     "rejected E_SIG"},
    {"the_release_is_one_byte_longer",
     [](Publisher& p) {
         p.spoil.push_back([](Files& f) { f.at(release_file()).push_back(std::byte{'\n'}); });
     },
     "rejected E_SIG"},
    {"the_release_is_empty",
     [](Publisher& p) { p.spoil.push_back([](Files& f) { f.at(release_file()).clear(); }); },
     "rejected E_SIG"},
    {"the_release_was_taken_out",
     [](Publisher& p) { p.spoil.push_back([](Files& f) { f.erase(release_file()); }); },
     "rejected E_SIG"},
    {"the_release_is_larger_than_any",
     [](Publisher& p) {
         p.spoil.push_back([](Files& f) { f.at(release_file()).resize(k_metadata_bytes + 1); });
     },
     "rejected E_LEN"},
    {"an_older_release", [](Publisher& p) { p.trust["acme"].highest_version = 6; },
     "rejected E_ROLLBACK"},
    {"the_release_that_was_accepted_last",
     [](Publisher& p) { p.remember(p.verify().bundles.front()); }, "accepted unchanged"},
    {"another_release_with_the_number_of_the_last",
     [](Publisher& p) { p.trust["acme"].highest_version = 5; }, "rejected E_EQUIV"},
    {"a_release_below_the_floor_of_the_root", [](Publisher& p) { p.add_root().version_floor = 6; },
     "rejected E_ROLLBACK"},
    {"a_release_at_the_floor_of_the_root", [](Publisher& p) { p.add_root().version_floor = 5; },
     "accepted"},
    {"the_release_expires_at_this_very_second",
     [](Publisher& p) { p.policy.now = p.release.manifest.expires; }, "accepted"},
    {"the_release_expired_a_second_ago",
     [](Publisher& p) { p.policy.now = p.release.manifest.expires + std::chrono::seconds{1}; },
     "accepted in grace"},
    {"the_grace_of_the_release_ends_at_this_very_second",
     [](Publisher& p) { p.policy.now = p.release.manifest.expires + p.policy.grace; },
     "accepted in grace"},
    {"the_grace_of_the_release_is_over",
     [](Publisher& p) {
         p.policy.now = p.release.manifest.expires + p.policy.grace + std::chrono::seconds{1};
     },
     "rejected E_EXPIRED"},
    {"the_owner_accepts_an_expired_release",
     [](Publisher& p) {
         p.policy.now = at(2030, 12, 1);
         p.policy.accept_expired = true;
     },
     "accepted in grace"},
    {"the_release_was_issued_in_the_future_of_a_box_without_a_clock",
     [](Publisher& p) { p.policy.now = at(2026, 3, 1); }, "accepted"},
    {"the_release_of_another_bundle_of_the_same_keys",
     [](Publisher& p) { p.release.manifest.bundle = "other"; }, "rejected E_TYPE"},
    {"a_vendor_manifest_in_the_place_of_the_release",
     [](Publisher& p) {
         p.release.edit = [](std::string& text) {
             replace(text, "\"release\"", "\"vendor\", \"vendor\": \"blue\"");
         };
     },
     "rejected E_TYPE"},
    {"a_root_in_the_place_of_the_release",
     [](Publisher& p) {
         p.release.edit = [text = write_root(p.roots.front().root)](std::string& out) {
             out = text;
         };
     },
     "rejected E_TYPE"},
    {"a_release_of_a_later_format",
     [](Publisher& p) {
         p.release.edit = [](std::string& text) { replace(text, "\"spec\": 1", "\"spec\": 2"); };
     },
     "rejected E_TYPE"},
    {"a_release_with_a_permission_that_nobody_knows",
     [](Publisher& p) { plugin(p).caps.emplace_back("telepathy"); }, "rejected E_TYPE"},
    {"a_release_with_members_that_nobody_knows",
     [](Publisher& p) {
         p.release.edit = [](std::string& text) {
             replace(text, "\"spec\": 1", R"("spec": 1, "sbom": {"path": "x"}, "later": [{}])");
         };
     },
     "accepted"},
    {"a_release_made_under_a_root_that_was_withheld",
     [](Publisher& p) { p.release.manifest.root_version = 2; }, "rejected E_ROOTVER"},
    {"a_release_made_under_an_earlier_root", [](Publisher& p) { p.add_root(); }, "accepted"},
    {"a_release_for_newer_boxes", [](Publisher& p) { p.release.manifest.min_host = "0.1.1"; },
     "rejected E_HOST"},
    {"a_release_for_boxes_of_just_this_version",
     [](Publisher& p) { p.release.manifest.min_host = "0.1.0"; }, "accepted"},
    {"two_releases_in_one_archive", [](Publisher& p) { p.twice = {release_file()}; },
     "rejected E_DUP"},
    {"one_signature_twice_in_one_archive",
     [](Publisher& p) { p.twice = {signature_name(release_file(), key(3).public_key())}; },
     "rejected E_DUP"},
    // ---- delegations ----------------------------------------------------------------------------------------------
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
    // ---- content --------------------------------------------------------------------------------------------------
    {"a_build_was_cut",
     [](Publisher& p) {
         p.spoil.push_back([path = file(p).path](Files& f) { f.at(path).pop_back(); });
     },
     "rejected E_LEN"},
    {"a_build_is_one_byte_longer",
     [](Publisher& p) {
         p.spoil.push_back([path = file(p).path](Files& f) { f.at(path).push_back({}); });
     },
     "rejected E_LEN"},
    {"a_byte_of_a_build_was_changed",
     [](Publisher& p) {
         p.spoil.push_back([path = file(p).path](Files& f) { change_byte(f, path); });
     },
     "rejected E_HASH"},
    {"two_builds_were_swapped",
     [](Publisher& p) {
         p.add_plugin({.name = "acme_other"});
         const auto& plugins = p.release.manifest.plugins;
         p.spoil.push_back([a = plugins[0].files.begin()->second.path,
                            b = plugins[1].files.begin()->second.path](Files& f) {
             std::swap(f.at(a), f.at(b));
         });
     },
     "rejected E_HASH"},
    {"a_build_is_missing",
     [](Publisher& p) { p.spoil.push_back([path = file(p).path](Files& f) { f.erase(path); }); },
     "rejected E_NAME"},
    {"a_build_is_there_twice", [](Publisher& p) { p.twice = {file(p).path}; }, "rejected E_DUP"},
    {"a_build_for_another_machine_is_missing",
     [](Publisher& p) {
         auto other = file(p);
         other.path = "drivers/acme_scale.riscv64-linux-gnu.so.1.1.0";
         plugin(p).files["riscv64-linux-gnu"] = other;
     },
     "accepted"},
    {"a_build_of_the_vendor_was_changed",
     [](Publisher& p) {
         const auto& built = p.vendors.front().manifest.plugins.front().files.begin()->second;
         p.spoil.push_back([path = built.path](Files& f) { change_byte(f, path); });
     },
     "accepted, left out: vendor blue E_HASH"},
    {"a_build_was_withdrawn",
     [](Publisher& p) {
         p.release.manifest.withdrawn.push_back({file(p).sha256, "it forgets to tare"});
     },
     "accepted, left out: acme_scale 1.1.0 E_WITHDRAWN"},
    {"a_withdrawn_build_need_not_be_spread",
     [](Publisher& p) {
         p.release.manifest.withdrawn.push_back({file(p).sha256, "it forgets to tare"});
         p.spoil.push_back([path = file(p).path](Files& f) { f.erase(path); });
     },
     "accepted, left out: acme_scale 1.1.0 E_WITHDRAWN"},
    {"the_note_of_a_build_has_another_version",
     [](Publisher& p) {
         auto build = plugin_build({.version = "1.0.0"});
         auto described = describe_plugin({build});
         plugin(p).files.begin()->second.length = build.size();
         plugin(p).files.begin()->second.sha256 = described->files.begin()->second.sha256;
         p.content[file(p).path] = std::move(build);
     },
     "accepted, left out: acme_scale 1.1.0 E_NOTE"},
};

class ATrustTable : public ::testing::TestWithParam<Case> {};

TEST_P(ATrustTable, is_kept) {
    Publisher publisher;
    GetParam().damage(publisher);
    const auto verification = publisher.verify();
    EXPECT_EQ(outcome(verification), GetParam().expected);
    for (const auto& each : verification.rejected) {
        EXPECT_EQ(each.bundle, "acme");
        // What was expected, what was found, what helps: it does not stop at the second.
        EXPECT_THAT(each.error.text, ::testing::HasSubstr(": ")) << each.error.code;
        EXPECT_GT(each.error.text.size(), 40u);
    }
    for (const auto& each : verification.bundles) {
        for (const auto& refusal : each.refused)
            EXPECT_THAT(refusal.error.text, ::testing::HasSubstr(": ")) << refusal.error.code;
        for (const auto& found : each.plugins)
            EXPECT_EQ(*found.bytes, publisher.content.at(found.file.path)) << found.file.path;
    }
}

INSTANTIATE_TEST_SUITE_P(TrustTable, ATrustTable, ::testing::ValuesIn(k_cases),
                         [](const auto& each) { return std::string{each.param.name}; });

TEST(TheTrustTable, has_at_least_the_cases_that_the_design_asks_for) {
    static_assert(std::size(k_cases) >= 66);
    std::set<std::string> names;
    for (const auto& each : k_cases) names.insert(each.name);
    EXPECT_EQ(names.size(), std::size(k_cases)) << "two cases have one name";
}

}  // namespace
}  // namespace backplane::core::bundle::testing
