// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The chain of roots: rotation, revocation, first sight.
#include "bundle/trust_chain.hpp"
#include "trust_cases.hpp"

namespace backplane::core::bundle::testing {
namespace {

const Case k_cases[] = {
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
};

}  // namespace

std::span<const Case> root_cases() {
    return k_cases;
}

}  // namespace backplane::core::bundle::testing
