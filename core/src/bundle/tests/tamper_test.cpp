// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One wrong bit, tried at more than ten thousand places of a valid bundle: it is never accepted as something else than
// what was signed.
#include <gtest/gtest.h>

#include <random>

#include "publisher.hpp"

namespace backplane::core::bundle::testing {
namespace {

constexpr unsigned k_parts = 4;
/// Of documents and signatures; those in plug-ins and in the zip come on top.
constexpr std::size_t k_places = 8'000;

class OneWrongBit : public ::testing::Test {
protected:
    OneWrongBit() {
        // Keys without a role are only more bytes to try.
        for (unsigned n = 8; n < 16; ++n)
            publisher_.roots.front().root.keys.erase(key(n).public_key().id());
        publisher_.trust_root(publisher_.roots.front().root);
        publisher_.add_root();
        publisher_.release.signers = {3, 4};
        publisher_.roots.front().signers = {0, 1};
        publisher_.roots.back().signers = {0, 1};
        files_ = publisher_.files();
        good_ = accepted(files_).value();
    }

    /// Name, version and content of everything that would be installed, and the documents that would be believed.
    struct Installed {
        std::map<std::string, Bytes> plugins;
        std::string digest;
        std::map<std::string, std::string> vendors;
        Bytes root;
        bool operator==(const Installed&) const = default;
    };
    std::optional<Installed> accepted(const Files& files) const {
        auto verification = verify_files(MemoryFiles{files}, publisher_.trust, publisher_.policy);
        if (verification.bundles.empty()) return std::nullopt;
        auto& bundle = verification.bundles.front();
        Installed out{{}, bundle.digest, bundle.vendor_digests, bundle.root_bytes};
        for (const auto& each : bundle.plugins) out.plugins[each.file.path] = *each.bytes;
        return out;
    }

    /// What a flip may do at most: cost a vendor its plug-ins. Nothing that is accepted is different.
    ::testing::AssertionResult is_harmless(const std::optional<Installed>& found) const {
        if (!found) return ::testing::AssertionSuccess();
        if (found->digest != good_.digest)
            return ::testing::AssertionFailure() << "another release";
        if (found->root != good_.root) return ::testing::AssertionFailure() << "another root";
        for (const auto& [path, bytes] : found->plugins) {
            const auto original = good_.plugins.find(path);
            if (original == good_.plugins.end() || original->second != bytes)
                return ::testing::AssertionFailure() << "another plug-in at " << path;
        }
        for (const auto& [id, digest] : found->vendors) {
            if (good_.vendors.at(id) != digest)
                return ::testing::AssertionFailure() << "another manifest of the vendor " << id;
        }
        return ::testing::AssertionSuccess();
    }

    static std::size_t end_of_untrusted_comment(const Bytes& signature) {
        std::size_t at = 0;
        while (at < signature.size() && signature[at] != std::byte{'\n'}) ++at;
        return at;
    }

    void try_at(const std::string& name, std::size_t at, unsigned bit) {
        auto& byte = files_.at(name).at(at);
        const auto before = byte;
        byte ^= static_cast<std::byte>(1u << bit);
        const auto found = accepted(files_);
        ++tried_;
        EXPECT_TRUE(is_harmless(found)) << name << " at " << at << ", bit " << bit;
        // What nothing covers is what stands before the first line break of a signature; beside that, whatever is
        // accepted whole in spite of a flip had to be something that this box does not need.
        if (found == good_) {
            ++whole_;
            const bool comment =
                name.ends_with(".minisig") && at < end_of_untrusted_comment(files_.at(name));
            const bool known_already = name.find(".root.1.") != std::string::npos;
            EXPECT_TRUE(comment || known_already) << name << " at " << at << ", bit " << bit;
        }
        byte = before;
    }

    Publisher publisher_;
    Files files_;
    Installed good_;
    std::size_t tried_ = 0, whole_ = 0;
};

/// A part of the places, so that the parts can run side by side.
class AnyByteOfTheDocuments : public OneWrongBit, public ::testing::WithParamInterface<unsigned> {};

TEST_P(AnyByteOfTheDocuments, with_one_wrong_bit_is_never_believed) {
    unsigned place = 0;
    for (const auto& [name, content] : publisher_.files()) {
        if (!name.starts_with("drivers/backplane.")) continue;
        for (std::size_t at = 0; at < content.size() && !HasFailure(); ++at, ++place) {
            if (place % k_parts == GetParam()) try_at(name, at, place / k_parts % 8);
        }
    }
    EXPECT_GE(tried_, k_places / k_parts);
    EXPECT_GT(whole_, 0u) << "the untrusted comments were not tried";
}

INSTANTIATE_TEST_SUITE_P(Part, AnyByteOfTheDocuments, ::testing::Range(0u, k_parts));

TEST_F(OneWrongBit, in_a_plug_in_is_never_loaded) {
    std::mt19937 random{
        20261122};  // NOLINT: the same every time, so that a failure can be repeated
    for (const auto& [name, content] : publisher_.content) {
        for (int i = 0; i < 2'000 && !HasFailure(); ++i)
            try_at(name, random() % content.size(), random() % 8);
    }
    EXPECT_EQ(tried_, 4'000u);
    EXPECT_EQ(whole_, 0u);
}

TEST_F(OneWrongBit, in_the_zip_changes_nothing_or_ends_it) {
    const auto zip = zip_files(files_).value();
    std::mt19937 random{20261123};  // NOLINT
    std::size_t refused = 0;
    for (int i = 0; i < 2'000 && !HasFailure(); ++i) {
        auto bad = zip;
        const auto at = random() % bad.size();
        bad[at] ^= static_cast<std::byte>(1u << random() % 8);
        const auto verification = verify_archive(bad, publisher_.trust, publisher_.policy);
        if (!verification || verification->bundles.empty()) {
            ++refused;
            continue;
        }
        const auto& bundle = verification->bundles.front();
        EXPECT_EQ(bundle.digest, good_.digest) << at;
        for (const auto& each : bundle.plugins)
            EXPECT_EQ(*each.bytes, good_.plugins.at(each.file.path)) << at;
    }
    EXPECT_GT(refused, 1'000u);
}

TEST_F(OneWrongBit, shortened_documents_are_never_believed) {
    for (const auto& [name, content] : publisher_.files()) {
        if (!name.starts_with("drivers/backplane.") || name.find(".root.1.") != std::string::npos)
            continue;
        for (std::size_t length = 0; length < content.size() && !HasFailure();
             length += name.ends_with(".json") ? 7 : 3) {
            auto files = publisher_.files();
            // One file at a time is cut; the publisher makes the same documents each time, the signatures may differ.
            files = files_;
            files.at(name).resize(length);
            EXPECT_TRUE(is_harmless(accepted(files))) << name << " at " << length;
        }
    }
}

}  // namespace
}  // namespace backplane::core::bundle::testing
