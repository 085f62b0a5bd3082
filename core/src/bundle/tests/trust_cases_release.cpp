// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The release: who signed it, which one it is, how old it is.
#include "trust_cases.hpp"

namespace backplane::core::bundle::testing {
namespace {

void rename_file(Files& files, const std::string& from, const std::string& to) {
    auto content = std::move(files.at(from));
    files.erase(from);
    files[to] = std::move(content);
}

const Case k_cases[] = {
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
};

}  // namespace

std::span<const Case> release_cases() {
    return k_cases;
}

}  // namespace backplane::core::bundle::testing
