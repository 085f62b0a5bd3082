// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a verification hands out, in which order its steps come, and how each build is chosen. Who may sign what is in
// the trust table.
#include "bundle/verify.hpp"

#include "util/sha256.hpp"
#include "verification_test.hpp"

namespace backplane::core::bundle::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::SizeIs;

// ---- archives ------------------------------------------------------------------------------------------------------

TEST_F(AVerification, of_a_zip_finds_what_a_publisher_has_packed) {
    publisher.content["drivers/printer_driver.py"] = bytes_of("import os");
    publisher.content["lib/anything.bin"] = bytes_of("x");
    const auto verification = publisher.verify_zip();
    ASSERT_TRUE(verification) << verification.error().text;
    EXPECT_EQ(outcome(*verification), "accepted");
    EXPECT_EQ(verification->foreign_files, 2u);
    ASSERT_THAT(verification->bundles.at(0).plugins, SizeIs(2));
}

TEST_F(AVerification, of_what_is_no_zip_ends_at_once) {
    const auto verification = verify_archive(bytes_of("<html>"), publisher.trust, publisher.policy);
    ASSERT_FALSE(verification);
    EXPECT_EQ(verification.error().code, "E_ZIP");
}

TEST_F(AVerification, of_other_peoples_files_finds_nothing_for_us) {
    Files files{{"drivers/printer_driver.py", bytes_of("import os")}, {"lib/x.txt", bytes_of("x")}};
    const auto verification = verify_archive(zip_files(files).value(), {}, publisher.policy);
    ASSERT_TRUE(verification) << verification.error().text;
    EXPECT_TRUE(verification->nothing_for_us());
    EXPECT_EQ(verification->foreign_files, 2u);
    EXPECT_TRUE(verify_archive(zip_files({}).value(), {}, {})->nothing_for_us());
}

TEST_F(AVerification, of_plug_ins_that_no_document_names_finds_nothing_for_us) {
    const MemoryFiles files{publisher.content};
    EXPECT_TRUE(verify_files(files, publisher.trust, publisher.policy).nothing_for_us());
}

TEST_F(AVerification, is_not_moved_by_signatures_without_a_document) {
    Files files;
    files[release_name("acme") + ".0011223344556677.minisig"] = bytes_of("rubbish");
    files["drivers/backplane.acme.root.01.json"] = bytes_of("{}");
    files["drivers/backplane.acme.root.0.json"] = bytes_of("{}");
    files["drivers/backplane.acme.root.99999999999999999.json"] = bytes_of("{}");
    files["drivers/backplane.acme.json"] = bytes_of("{}");
    files["drivers/backplane.1acme.release.json"] = bytes_of("{}");
    files["drivers/backplane.acme.vendor.1.json"] = bytes_of("{}");
    const MemoryFiles source{files};
    EXPECT_TRUE(verify_files(source, publisher.trust, publisher.policy).nothing_for_us());
}

TEST_F(AVerification, of_an_unknown_publisher_says_how_to_trust_it) {
    publisher.trust.clear();
    const auto error = rejection();
    EXPECT_EQ(error.code, "E_ROOT");
    EXPECT_THAT(error.text, AllOf(HasSubstr("\"acme\""), HasSubstr("backplane trust add")));
}

// ---- what is handed out --------------------------------------------------------------------------------------------

TEST_F(AVerification, hands_out_builds_with_everything_that_is_known_of_them) {
    const auto bundle = accepted();
    EXPECT_EQ(bundle.bundle, "acme");
    EXPECT_EQ(bundle.release.version, 5u);
    EXPECT_FALSE(bundle.unchanged);
    EXPECT_FALSE(bundle.in_grace);
    EXPECT_FALSE(bundle.resets_version);
    EXPECT_EQ(bundle.digest, sha256_hex(publisher.files().at(release_name("acme"))));
    EXPECT_EQ(bundle.signer, bundle.plugins.at(0).signer);
    EXPECT_THAT(bundle.signer,
                AllOf(HasSubstr(key(3).public_key().hint_text()),
                      HasSubstr(key(4).public_key().hint_text()), HasSubstr("(release of acme)")));
    ASSERT_THAT(bundle.plugins, SizeIs(2));
    const auto& scale = bundle.plugins[0];
    EXPECT_EQ(scale.bundle, "acme");
    EXPECT_EQ(scale.vendor, "");
    EXPECT_EQ(scale.release_version, 5u);
    EXPECT_EQ(scale.manifest.name, "acme_scale");
    EXPECT_EQ(scale.note.name, "acme_scale");
    EXPECT_TRUE(scale.raw_note.contains("schema"));
    EXPECT_EQ(sha256_hex(*scale.bytes), scale.file.sha256);
    const auto& blue = bundle.plugins[1];
    EXPECT_EQ(blue.vendor, "blue");
    EXPECT_EQ(blue.release_version, 2u);
    EXPECT_EQ(blue.signer, key(6).public_key().hint_text() + " (vendor blue of acme)");
    EXPECT_THAT(bundle.vendor_digests, Contains(Key("blue")));
}

TEST_F(AVerification, hands_out_only_documents_that_were_signed) {
    publisher.add_root();
    publisher.spoil.push_back([](Files& files) {
        files["drivers/backplane.acme.vendor.green.json"] = bytes_of("rubbish");
        files[signature_name(release_name("acme"), key(20).public_key())] = bytes_of("rubbish");
        files[root_name("acme", 1)] = bytes_of("rubbish");
    });
    const auto bundle = accepted();
    const auto files = publisher.files();
    for (const auto& [name, content] : bundle.documents) {
        if (name == root_name("acme", 1)) {
            EXPECT_EQ(content, *publisher.trust["acme"].root)
                << "the known root, not the archive's";
            continue;
        }
        EXPECT_EQ(content, files.at(name)) << name;
        EXPECT_NE(content, bytes_of("rubbish")) << name;
    }
    EXPECT_THAT(bundle.documents, Contains(Key(root_name("acme", 2))));
    EXPECT_THAT(bundle.documents, Contains(Key(release_name("acme"))));
    EXPECT_THAT(bundle.documents, Contains(Key(vendor_name("acme", "blue"))));
    EXPECT_THAT(bundle.documents,
                Contains(Key(signature_name(vendor_name("acme", "blue"), key(6).public_key()))));
    EXPECT_THAT(bundle.documents, Not(Contains(Key(vendor_name("acme", "green")))));
}

TEST_F(AVerification, remembers_the_new_root_also_when_the_release_fails) {
    publisher.add_root().release = role_of({8, 9, 10}, 2);
    const auto verification = publisher.verify();
    ASSERT_THAT(verification.rejected, SizeIs(1));
    EXPECT_EQ(verification.rejected[0].error.code, "E_SIG");
    ASSERT_TRUE(verification.rejected[0].root_bytes);
    EXPECT_EQ(*verification.rejected[0].root_bytes, publisher.files().at(root_name("acme", 2)));
    EXPECT_TRUE(verification.rejected[0].resets_version);
}

TEST_F(AVerification, remembers_the_roots_before_the_one_that_fails) {
    publisher.add_root();
    publisher.add_root();
    publisher.roots.back().signers = {};
    const auto verification = publisher.verify();
    ASSERT_THAT(verification.rejected, SizeIs(1));
    EXPECT_EQ(verification.rejected[0].error.code, "E_THRESHOLD");
    ASSERT_TRUE(verification.rejected[0].root_bytes);
    EXPECT_EQ(*verification.rejected[0].root_bytes, publisher.files().at(root_name("acme", 2)));
}

TEST_F(AVerification, has_no_root_to_remember_when_none_is_new) {
    publisher.release.signers = {};
    const auto verification = publisher.verify();
    ASSERT_THAT(verification.rejected, SizeIs(1));
    EXPECT_FALSE(verification.rejected[0].root_bytes);
}

TEST_F(AVerification, that_rests_at_33_roots_goes_on_from_there) {
    for (int i = 0; i < 40; ++i) publisher.add_root();
    const auto first = publisher.verify();
    ASSERT_THAT(first.rejected, SizeIs(1));
    EXPECT_EQ(first.rejected[0].error.code, "E_ROOTVER");
    EXPECT_THAT(first.rejected[0].error.text, HasSubstr("start the update again"));
    ASSERT_TRUE(first.rejected[0].root_bytes);
    publisher.trust["acme"].root = std::make_shared<const Bytes>(*first.rejected[0].root_bytes);
    EXPECT_EQ(accepted().root.version, 41u);
}

TEST_F(AVerification, is_unchanged_only_when_the_vendors_are_too) {
    publisher.remember(accepted());
    EXPECT_TRUE(accepted().unchanged);
    publisher.vendors.front().manifest.version = 3;
    EXPECT_FALSE(accepted().unchanged);
    publisher.remember(accepted());
    EXPECT_TRUE(accepted().unchanged);
    publisher.vendors.clear();
    EXPECT_FALSE(accepted().unchanged);
}

TEST_F(AVerification, names_the_first_step_that_fails) {
    // Spoiled from the last step to the first: each time the earlier one is reported.
    publisher.spoil.push_back([path = file().path](Files& files) { files.at(path).pop_back(); });
    EXPECT_EQ(rejection().code, "E_LEN");
    publisher.policy.now = at(2029, 1, 1);
    EXPECT_EQ(rejection().code, "E_EXPIRED");
    publisher.trust["acme"].highest_version = 6;
    EXPECT_EQ(rejection().code, "E_ROLLBACK");
    publisher.release.manifest.min_host = "9.0.0";
    EXPECT_EQ(rejection().code, "E_HOST");
    publisher.release.manifest.root_version = 9;
    EXPECT_EQ(rejection().code, "E_ROOTVER");
    publisher.release.manifest.bundle = "other";
    EXPECT_EQ(rejection().code, "E_TYPE");
    publisher.release.signers = {};
    EXPECT_EQ(rejection().code, "E_SIG");
    publisher.add_root();
    publisher.roots.back().signers = {};
    EXPECT_EQ(rejection().code, "E_THRESHOLD");
    publisher.twice = {release_name("acme")};
    EXPECT_EQ(rejection().code, "E_DUP");
}

TEST_F(AVerification, parses_nothing_that_is_not_signed) {
    // What a parser would say of it never comes up.
    publisher.release.signers = {};
    publisher.release.edit = [](std::string& text) { text = std::string(1'000, '['); };
    EXPECT_EQ(rejection().code, "E_SIG");
    publisher.add_root();
    publisher.roots.back().signers = {};
    publisher.roots.back().edit = publisher.release.edit;
    EXPECT_EQ(rejection().code, "E_THRESHOLD");
}

// ---- texts ---------------------------------------------------------------------------------------------------------

TEST_F(AVerification, says_how_many_signatures_there_are_and_whose) {
    publisher.release.signers = {4};
    const auto error = rejection();
    EXPECT_THAT(error.text,
                AllOf(HasSubstr("needs the signatures of 2 of 3 release keys"),
                      HasSubstr("only 1 fits (" + key(4).public_key().hint_text() + ")"),
                      HasSubstr("ask its publisher to sign it")));
}

TEST_F(AVerification, says_why_a_signature_does_not_count) {
    publisher.spoil.push_back([](Files& files) {
        files.at(signature_name(release_name("acme"), key(4).public_key())) = bytes_of("rubbish");
    });
    EXPECT_THAT(rejection().text,
                HasSubstr("; the one of " + key(4).public_key().hint_text() + ": "));
}

TEST_F(AVerification, says_until_when_a_release_was_valid) {
    publisher.policy.now = at(2029, 1, 1);
    EXPECT_THAT(
        rejection().text,
        AllOf(HasSubstr("release 5 of the bundle \"acme\" was valid until 2027-05-01 00:00 UTC"),
              HasSubstr("more than 90 days ago"), HasSubstr("check the clock")));
}

TEST_F(AVerification, says_which_release_was_accepted_before) {
    publisher.trust["acme"].highest_version = 6;
    EXPECT_THAT(rejection().text,
                HasSubstr("release 5 of the bundle \"acme\" is older than release 6"));
    publisher.trust["acme"].highest_version = 5;
    EXPECT_THAT(rejection().text, HasSubstr("two different releases have one number"));
}

TEST_F(AVerification, says_which_root_is_missing) {
    publisher.add_root();
    publisher.add_root();
    publisher.spoil.push_back([](Files& files) { files.erase(root_name("acme", 2)); });
    EXPECT_THAT(rejection().text,
                HasSubstr("brings root 3, but not root 2 that leads there from root 1"));
}

// ---- choice --------------------------------------------------------------------------------------------------------

TEST_F(AVerification, leaves_out_what_was_built_for_other_machines_only) {
    auto node = plugin().files.extract(plugin().files.begin());
    node.key() = "riscv64-linux-gnu";
    node.mapped().path = "drivers/acme_scale.riscv64-linux-gnu.so.1.1.0";
    plugin().files.insert(std::move(node));
    const auto refusal = only_refusal();
    EXPECT_EQ(refusal.subject, "acme_scale 1.1.0");
    EXPECT_EQ(refusal.error.code, "E_ARCH");
    EXPECT_THAT(refusal.error.text, AllOf(HasSubstr("no build for " + publisher.policy.host.arch),
                                          HasSubstr("only for riscv64-linux-gnu")));
}

TEST_F(AVerification, leaves_out_what_needs_a_newer_box) {
    plugin().abi_minor = 7;
    EXPECT_EQ(only_refusal().error.code, "E_ABI");
    EXPECT_THAT(only_refusal().error.text,
                HasSubstr("built for the plug-in ABI 1.7, this box has 1."));
    plugin().abi_minor = 0;
    file().glibc = "9.99";
    EXPECT_EQ(only_refusal().error.code, "E_ABI");
    EXPECT_THAT(only_refusal().error.text, HasSubstr("needs version 9.99 of the C library"));
    publisher.policy.host.versions.clear();
    EXPECT_THAT(accepted().refused, IsEmpty());
}

TEST_F(AVerification, leaves_out_what_is_in_quarantine_unless_it_is_forced) {
    publisher.policy.quarantined = {file().sha256};
    EXPECT_EQ(only_refusal().error.code, "E_QUARANTINED");
    publisher.policy.ignore_quarantine = true;
    EXPECT_THAT(accepted().refused, IsEmpty());
}

TEST_F(AVerification, leaves_out_what_is_below_a_floor_of_the_manifest_or_of_the_box) {
    plugin().floor = "1.1.1";
    EXPECT_EQ(only_refusal().error.code, "E_FLOOR");
    EXPECT_THAT(only_refusal().error.text, HasSubstr("is older than 1.1.1"));
    plugin().floor = "1.1.0";
    EXPECT_THAT(accepted().refused, IsEmpty());
    publisher.policy.floors["acme_scale"] = "1.10.0";
    EXPECT_EQ(only_refusal().error.code, "E_FLOOR");
    publisher.policy.ignore_quarantine = true;  // Force moves no floor
    EXPECT_EQ(only_refusal().error.code, "E_FLOOR");
}

TEST_F(AVerification, force_does_not_bring_back_what_was_withdrawn) {
    publisher.policy.ignore_quarantine = true;
    publisher.release.manifest.withdrawn.push_back({file().sha256, "it burns"});
    EXPECT_EQ(only_refusal().error.code, "E_WITHDRAWN");
    EXPECT_THAT(only_refusal().error.text, HasSubstr("(it burns)"));
}

TEST_F(AVerification, takes_the_newest_of_several_versions) {
    publisher.add_plugin({.version = "1.10.0"});
    publisher.add_plugin({.version = "1.9.0"});
    const auto bundle = accepted();
    ASSERT_THAT(bundle.plugins, SizeIs(2));
    EXPECT_EQ(bundle.plugins[0].manifest.version, "1.10.0");
    EXPECT_THAT(bundle.refused, IsEmpty());
}

TEST_F(AVerification, takes_an_older_version_when_the_newest_may_not_run) {
    publisher.add_plugin({.version = "1.2.0"});
    publisher.policy.quarantined = {file(1).sha256};
    const auto bundle = accepted();
    ASSERT_THAT(bundle.plugins, SizeIs(2));
    EXPECT_EQ(bundle.plugins[0].manifest.version, "1.1.0");
    EXPECT_EQ(only_refusal().subject, "acme_scale 1.2.0");
}

TEST_F(AVerification, takes_no_older_version_than_the_newest_one_allows) {
    publisher.add_plugin({.version = "1.2.0"});
    plugin(1).floor = "1.2.0";
    publisher.policy.quarantined = {file(1).sha256};
    const auto bundle = accepted();
    EXPECT_THAT(bundle.plugins, SizeIs(1)) << "that of the vendor";
    EXPECT_THAT(bundle.refused, SizeIs(2));
}

TEST_F(AVerification, takes_an_older_version_when_the_newest_build_is_bad) {
    publisher.add_plugin({.version = "1.2.0"});
    auto broken = publisher.content.at(file(1).path);
    broken[18] = std::byte{8};  // the machine: MIPS
    file(1).sha256 = sha256_hex(broken);
    publisher.content[file(1).path] = broken;
    const auto bundle = accepted();
    ASSERT_THAT(bundle.plugins, SizeIs(2));
    EXPECT_EQ(bundle.plugins[0].manifest.version, "1.1.0");
    EXPECT_EQ(only_refusal().error.code, "E_ARCH");
}

TEST_F(AVerification, lets_nobody_take_the_name_of_another_bundle) {
    publisher.policy.owners["acme_scale"] = {"other", "com.example.acme_scale"};
    EXPECT_EQ(only_refusal().error.code, "E_NAME");
    EXPECT_THAT(only_refusal().error.text, HasSubstr("belongs to the bundle \"other\""));
}

TEST_F(AVerification, lets_a_bundle_replace_what_came_with_the_box_by_the_same_plug_in_only) {
    publisher.policy.owners["acme_scale"] = {"", "com.example.acme_scale"};
    EXPECT_THAT(accepted().refused, IsEmpty());
    publisher.policy.owners["acme_scale"] = {"", "org.backplane.scale"};
    EXPECT_EQ(only_refusal().error.code, "E_NAME");
    EXPECT_THAT(only_refusal().error.text,
                HasSubstr("is com.example.acme_scale instead of org.backplane.scale"));
}

TEST_F(AVerification, gives_one_name_to_one_of_two_bundles_in_an_archive) {
    Publisher other;
    other.bundle = "zeta";
    other.release.manifest.bundle = other.vendors.front().manifest.bundle = "zeta";
    other.roots.front().root.bundle = "zeta";
    other.trust.clear();
    other.trust_root(other.roots.front().root);
    Files both = publisher.files();
    both.merge(other.files());
    // Both promise drivers/acme_scale…1.1.0 with the same content.
    auto trust = publisher.trust;
    const auto first_known = verify_files(MemoryFiles{both}, trust, publisher.policy);
    EXPECT_EQ(outcome(first_known), "rejected E_ROOT; accepted");
    EXPECT_EQ(first_known.bundles.at(0).bundle, "acme");
    trust["zeta"] = other.trust["zeta"];
    const auto two = verify_files(MemoryFiles{both}, trust, publisher.policy);
    EXPECT_EQ(outcome(two),
              "accepted; accepted, left out: acme_scale 1.1.0 E_NAME, blue_scale 1.0.0 E_NAME");
    trust.erase("acme");  // then the one that is known comes first
    auto policy = publisher.policy;
    policy.development = true;
    const auto known_first = verify_files(MemoryFiles{both}, trust, policy);
    ASSERT_THAT(known_first.bundles, SizeIs(2));
    EXPECT_EQ(known_first.bundles[0].bundle, "zeta");
    EXPECT_THAT(known_first.bundles[0].plugins, SizeIs(2));
    EXPECT_THAT(known_first.bundles[1].plugins, IsEmpty());
}

TEST_F(AVerification, looks_at_a_bounded_number_of_bundles_and_at_known_ones_first) {
    publisher.spoil.push_back([](Files& files) {
        for (int i = 0; i < 3'000; ++i)
            files[release_name("aaa" + std::to_string(i))] = bytes_of("rubbish");
    });
    const auto verification = publisher.verify();
    ASSERT_THAT(verification.bundles, SizeIs(1));
    EXPECT_EQ(verification.bundles[0].bundle, "acme");
    EXPECT_THAT(verification.rejected, SizeIs(16));
    EXPECT_EQ(verification.rejected.back().error.code, "E_ZIP");
    EXPECT_THAT(verification.rejected.back().error.text, HasSubstr("has 3001 bundles"));
}

TEST_F(AVerification, unpacks_at_most_64_mib) {
    for (int i = 0; i < 3; ++i) {
        publisher.add_plugin({.name = "big" + std::to_string(i)});
        file(publisher.release.manifest.plugins.size() - 1).length = 25u << 20;
    }
    // Promised lengths decide, before anything is unpacked: the files are small, so the first of them is too short.
    EXPECT_EQ(rejection().code, "E_LEN");
    for (int i = 0; i < 3; ++i) {
        const auto& path = file(static_cast<std::size_t>(i) + 1).path;
        publisher.content[path].resize(25u << 20);
        file(static_cast<std::size_t>(i) + 1).sha256 = sha256_hex(publisher.content[path]);
    }
    const auto error = rejection();
    EXPECT_EQ(error.code, "E_LEN");
    EXPECT_THAT(error.text, HasSubstr("more than 64 MiB together"));
}

}  // namespace
}  // namespace backplane::core::bundle::testing
