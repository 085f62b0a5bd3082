// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/trust_folder.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "support/bundle_maker.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string text_of(const bundle::Bytes& bytes) {
    std::string text(bytes.size(), '\0');
    std::transform(bytes.begin(), bytes.end(), text.begin(),
                   [](std::byte byte) { return static_cast<char>(byte); });
    return text;
}

class ATrustFolder : public testing::Test {
protected:
    backplane::tests::TemporaryFolder folder;
    tests::BundleMaker acme{"acme"};
};

TEST_F(ATrustFolder, that_is_not_there_trusts_nobody) {
    const TrustFolder trust = read_trust_folder(folder.file("trust"));
    EXPECT_THAT(trust.roots, IsEmpty());
    EXPECT_THAT(trust.keys, IsEmpty());
    EXPECT_THAT(trust.problems, IsEmpty());
}

TEST_F(ATrustFolder, knows_roots_by_the_bundle_inside_and_keys_by_their_files) {
    folder.write("whatever.root.json", text_of(acme.root()));
    folder.write("vendor.pub", acme.root_key().public_key().file_text());
    folder.write("notes.txt", "nothing of this");
    const TrustFolder trust = read_trust_folder(folder.path());
    EXPECT_THAT(trust.problems, IsEmpty());
    ASSERT_THAT(trust.roots, SizeIs(1));
    EXPECT_EQ(trust.roots.at("acme"), acme.root());
    EXPECT_THAT(trust.keys, ElementsAre(acme.root_key().public_key()));
}

TEST_F(ATrustFolder, tells_what_it_cannot_read_and_uses_the_rest) {
    folder.write("a.root.json", "{}");
    folder.write("b.pub", "not a key");
    folder.write("c.root.json", std::string(bundle::k_metadata_bytes + 1, ' '));
    folder.write("d.root.json", text_of(acme.root()));
    const TrustFolder trust = read_trust_folder(folder.path());
    EXPECT_THAT(trust.roots, SizeIs(1));
    ASSERT_THAT(trust.problems, SizeIs(3));
    EXPECT_THAT(trust.problems[0], HasSubstr("a.root.json is not used: "));
    EXPECT_THAT(trust.problems[1], HasSubstr("b.pub is not used: "));
    EXPECT_THAT(trust.problems[2], HasSubstr("c.root.json is not used: "));
}

TEST_F(ATrustFolder, uses_the_newest_of_several_roots_of_one_bundle_and_says_so) {
    const std::string first = text_of(acme.root());
    acme.rotate(tests::BundleMaker::ReleaseKeys::keep);
    folder.write("1.root.json", first);
    folder.write("2.root.json", text_of(acme.root()));
    folder.write("3.root.json", first);
    const TrustFolder trust = read_trust_folder(folder.path());
    EXPECT_EQ(trust.roots.at("acme"), acme.root());
    ASSERT_THAT(trust.problems, SizeIs(2));
    EXPECT_THAT(trust.problems[0], HasSubstr("2.root.json is the newest of them and used"));
    EXPECT_THAT(trust.problems[1], HasSubstr("3.root.json is not used: remove all but one"));
}

TEST_F(ATrustFolder, reads_keys_of_the_configuration_in_both_forms) {
    const bundle::PublicKey key = acme.root_key().public_key();
    const auto minisign = parse_trusted_key(key.text());
    ASSERT_TRUE(minisign) << minisign.error().text;
    EXPECT_EQ(*minisign, key);
    const auto bare = parse_trusted_key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    ASSERT_TRUE(bare) << bare.error().text;
    for (std::size_t i = 0; i < bare->key.size(); ++i) EXPECT_EQ(bare->key[i], i);
    for (const std::string& wrong :
         {std::string(44, 'A'), std::string(43, '!') + "=",
          std::string(42, 'A') + "==", std::string("RW"), std::string()}) {
        const auto refused = parse_trusted_key(wrong);
        ASSERT_FALSE(refused) << wrong;
        EXPECT_EQ(refused.error().code, "E_KEY");
    }
}

}  // namespace
}  // namespace backplane::core
