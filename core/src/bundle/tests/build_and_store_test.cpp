// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One build against its manifest, and the documents of a bundle that was accepted before.
#include "util/sha256.hpp"
#include "verification_test.hpp"

namespace backplane::core::bundle::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// ---- one build -----------------------------------------------------------------------------------------------------

class ABuild : public AVerification {
protected:
    /// Of the manifest of acme_scale 1.1.0 and a build with these words, which has the right length and hash.
    std::string check(const PluginWords& words, std::string* text = nullptr) {
        return check_bytes(plugin_build(words), text);
    }
    std::string check_bytes(const Bytes& build, std::string* text = nullptr) {
        PluginFile promised = file();
        promised.length = build.size();
        promised.sha256 = sha256_hex(build);
        const auto checked = check_plugin(plugin(), promised, std::make_shared<const Bytes>(build),
                                          publisher.policy);
        if (text != nullptr && !checked) *text = checked.error().text;
        return checked ? "ok" : checked.error().code;
    }
};

TEST_F(ABuild, that_is_what_its_manifest_says_is_accepted) {
    EXPECT_EQ(check(PluginWords{}), "ok");
}

TEST_F(ABuild, must_say_of_itself_what_its_manifest_says) {
    std::string text;
    EXPECT_EQ(check({.name = "other_scale", .id = "com.example.acme_scale"}, &text), "E_NOTE");
    EXPECT_THAT(text,
                HasSubstr("gives acme_scale 1.1.0 the name \"acme_scale\", but the build itself "
                          "says \"other_scale\""));
    EXPECT_EQ(check({.id = "com.example.other"}, &text), "E_NOTE");
    EXPECT_EQ(check({.version = "1.0.9"}, &text), "E_NOTE");
    EXPECT_THAT(text, HasSubstr("the version \"1.1.0\", but the build itself says \"1.0.9\""));
    EXPECT_EQ(check({.kind = "interface"}, &text), "E_NOTE");
    EXPECT_THAT(text, HasSubstr("the kind \"driver\""));
    plugin().abi_minor = 1;
    publisher.policy.host.abi_minor = 5;
    EXPECT_EQ(check(PluginWords{}, &text), "E_NOTE");
    EXPECT_THAT(text, HasSubstr("the ABI \"1.1\", but the build itself says \"1.0\""));
}

TEST_F(ABuild, must_not_want_more_than_its_manifest_says) {
    std::string text;
    EXPECT_EQ(check({.permissions = "\"video\""}, &text), "E_NOTE");
    EXPECT_THAT(text, HasSubstr("no permission \"video\", but the build itself wants it"));
    EXPECT_EQ(check({.bus = "usb"}), "E_NOTE");
    plugin().caps = {"serial", "video", "usb"};
    EXPECT_EQ(check({.permissions = "\"video\""}), "ok");
    EXPECT_EQ(check({.bus = "usb"}), "ok");
}

TEST_F(ABuild, for_another_machine_or_abi_has_codes_of_its_own) {
    const bool arm = publisher.policy.host.arch == "aarch64-linux-gnu";
    EXPECT_EQ(check({.arch = arm ? "x86_64-linux-gnu" : "aarch64-linux-gnu"}), "E_ARCH");
    EXPECT_EQ(check({.abi_major = 2}), "E_ABI");
    EXPECT_EQ(check({.abi_minor = 99}), "E_ABI");
}

TEST_F(ABuild, that_is_no_library_is_refused) {
    EXPECT_EQ(check_bytes(bytes_of("#!/bin/sh")), "E_ELF");
    auto cut = plugin_build({});
    cut.resize(cut.size() / 2);
    EXPECT_EQ(check_bytes(cut), "E_ELF");
}

TEST_F(ABuild, of_another_length_or_hash_is_not_even_looked_at) {
    const auto build = std::make_shared<const Bytes>(bytes_of("no ELF file"));
    PluginFile promised = file();
    promised.length = build->size() + 1;
    EXPECT_EQ(check_plugin(plugin(), promised, build, publisher.policy).error().code, "E_LEN");
    EXPECT_EQ(check_plugin(plugin(), promised, nullptr, publisher.policy).error().code, "E_LEN");
    promised.length = build->size();
    const auto error = check_plugin(plugin(), promised, build, publisher.policy).error();
    EXPECT_EQ(error.code, "E_HASH");
    EXPECT_THAT(error.text, AllOf(HasSubstr(promised.sha256), HasSubstr(sha256_hex(*build)),
                                  HasSubstr("download it again")));
}

// ---- what was accepted before --------------------------------------------------------------------------------------

class StoredDocuments : public AVerification {
protected:
    Result<StoredBundle> stored(const Files& files, const Root& root) {
        return verify_stored(MemoryFiles{files}, "acme", bytes_of(write_root(root)));
    }
    const Root& root() { return publisher.roots.front().root; }
};

TEST_F(StoredDocuments, are_those_that_were_handed_out) {
    const auto bundle = accepted();
    const auto again = verify_stored(MemoryFiles{bundle.documents}, "acme", bundle.root_bytes);
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(again->digest, bundle.digest);
    EXPECT_EQ(again->signer, bundle.signer);
    EXPECT_EQ(again->root.version, 1u);
    EXPECT_EQ(write_release(again->release), write_release(bundle.release));
    ASSERT_THAT(again->vendors, SizeIs(1));
    EXPECT_EQ(again->vendors[0].plugins.at(0).name, "blue_scale");
}

TEST_F(StoredDocuments, do_not_age) {
    publisher.release.manifest.issued = at(1999, 1, 1);
    publisher.release.manifest.expires = at(2000, 1, 1);
    EXPECT_TRUE(stored(publisher.files(), root()));
}

TEST_F(StoredDocuments, must_still_be_signed) {
    auto files = publisher.files();
    files.at(release_name("acme"))[100] ^= std::byte{1};
    EXPECT_EQ(stored(files, root()).error().code, "E_SIG");
    files = publisher.files();
    files.erase(release_name("acme"));
    EXPECT_EQ(stored(files, root()).error().code, "E_SIG");
}

TEST_F(StoredDocuments, of_a_vendor_count_for_as_long_as_the_root_names_it) {
    auto files = publisher.files();
    Root without = root();
    without.delegations.clear();
    EXPECT_THAT(stored(files, without)->vendors, IsEmpty());
    files.at(vendor_name("acme", "blue"))[100] ^= std::byte{1};
    EXPECT_THAT(stored(files, root())->vendors, IsEmpty());
}

TEST_F(StoredDocuments, of_a_vendor_are_kept_to_its_delegation) {
    publisher.add_plugin(publisher.vendors.front(), {.name = "green_scale"});
    const auto found = stored(publisher.files(), root());
    ASSERT_THAT(found->vendors, SizeIs(1));
    ASSERT_THAT(found->vendors[0].plugins, SizeIs(1));
    EXPECT_EQ(found->vendors[0].plugins[0].name, "blue_scale");
}

TEST_F(StoredDocuments, are_not_read_with_the_root_of_another_bundle) {
    Root other = root();
    other.bundle = "other";
    EXPECT_EQ(stored(publisher.files(), other).error().code, "E_ROOT");
    EXPECT_EQ(
        verify_stored(MemoryFiles{publisher.files()}, "acme", bytes_of("rubbish")).error().code,
        "E_TYPE");
}

}  // namespace
}  // namespace backplane::core::bundle::testing
