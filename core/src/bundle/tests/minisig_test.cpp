// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Keys and signatures: among ourselves, against tampering, and against the real minisign, which has
// to be installed.
#include "bundle/minisig.hpp"

#include <gmock/gmock.h>
#include <sodium.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>

#include "bundle/tests/zip_maker.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::core::bundle::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string k_message = "{\"_type\": \"release\"}\n";

struct AMinisignSignature : ::testing::Test {
    SecretKey key = SecretKey::generate().value();
    PublicKey public_key = key.public_key();

    std::string signed_file(const std::string& comment = "version 1") const {
        return key.sign(bytes_of(k_message), comment).file_text("untrusted");
    }
    /// The code, or "accepted".
    static std::string check(const PublicKey& with, const std::string& file,
                             const std::string& message = k_message) {
        const auto signature = Signature::parse(file);
        if (!signature) return signature.error().code;
        const auto result = verify(with, *signature, bytes_of(message));
        return result ? "accepted" : result.error().code;
    }
    static std::string why(const PublicKey& with, const std::string& file,
                           const std::string& message = k_message) {
        const auto signature = Signature::parse(file);
        if (!signature) return signature.error().text;
        const auto result = verify(with, *signature, bytes_of(message));
        return result ? "accepted" : result.error().text;
    }
};

TEST_F(AMinisignSignature, fits_what_was_signed_and_nothing_else) {
    const std::string file = signed_file();
    EXPECT_EQ(check(public_key, file), "accepted");
    EXPECT_EQ(check(public_key, file, k_message + " "), "E_SIG");
    EXPECT_EQ(check(public_key, file, ""), "E_SIG");
    EXPECT_EQ(
        why(public_key, file, "other"),
        "expected a signature of these bytes by key " + public_key.hint_text() +
            ", found one that does not fit (the bytes or the signature were changed): fetch the "
            "signature and what it signs again, or ask their publisher to sign anew");
}

TEST_F(AMinisignSignature, can_be_of_nothing) {
    const Signature signature = key.sign({}, "");
    EXPECT_TRUE(verify(public_key, signature, {}).has_value());
    EXPECT_FALSE(verify(public_key, signature, bytes_of("x")).has_value());
}

TEST_F(AMinisignSignature, of_another_key_is_refused_with_both_key_ids) {
    const PublicKey other = SecretKey::generate().value().public_key();
    EXPECT_EQ(check(other, signed_file()), "E_SIG");
    EXPECT_THAT(why(other, signed_file()),
                HasSubstr("expected a signature of key " + other.hint_text() +
                          ", found one of key " + public_key.hint_text()));
}

TEST_F(AMinisignSignature, does_not_fit_a_key_that_only_borrows_the_key_id) {
    PublicKey impostor = SecretKey::generate().value().public_key();
    impostor.hint = public_key.hint;
    EXPECT_EQ(check(impostor, signed_file()), "E_SIG");
}

TEST_F(AMinisignSignature, protects_its_trusted_comment) {
    std::string file = signed_file("version 1");
    file.replace(file.find("version 1"), 9, "version 2");
    EXPECT_EQ(check(public_key, file), "E_SIG");
    EXPECT_THAT(why(public_key, file), HasSubstr("expected a trusted comment that key"));
}

TEST_F(AMinisignSignature, does_not_protect_its_untrusted_comment) {
    std::string file = signed_file();
    file.replace(file.find("untrusted\n"), 9, "something");
    EXPECT_EQ(check(public_key, file), "accepted");
}

TEST_F(AMinisignSignature, is_refused_when_any_of_its_bytes_is_another_one) {
    const std::string file = signed_file();
    const std::size_t comment_from = std::string{"untrusted comment: "}.size();
    const std::size_t comment_to = file.find('\n');
    std::size_t tried = 0;
    for (std::size_t at = 0; at < file.size(); ++at) {
        for (const int change : {1, 2, 4, 8, 16, 32, 64, 128}) {
            std::string damaged = file;
            damaged[at] = static_cast<char>(damaged[at] ^ change);
            const bool free_text = at >= comment_from && at < comment_to && damaged[at] != '\n';
            ASSERT_EQ(check(public_key, damaged), free_text ? "accepted" : "E_SIG")
                << "byte " << at << " with bit " << change;
            ++tried;
        }
    }
    EXPECT_EQ(tried, 8 * file.size());
}

TEST_F(AMinisignSignature, is_refused_when_it_is_cut_off_anywhere) {
    const std::string file = signed_file();
    for (std::size_t length = 0; length + 1 < file.size(); ++length) {
        ASSERT_EQ(check(public_key, file.substr(0, length)), "E_SIG") << length;
    }
    EXPECT_EQ(check(public_key, file.substr(0, file.size() - 1)), "accepted")
        << "an editor may take the last end of line";
}

TEST_F(AMinisignSignature, survives_the_line_ends_of_windows) {
    std::string file;
    for (const char c : signed_file()) file += c == '\n' ? std::string{"\r\n"} : std::string{c};
    EXPECT_EQ(check(public_key, file), "accepted");
}

TEST_F(AMinisignSignature, has_exactly_its_four_lines) {
    const std::string file = signed_file();
    EXPECT_EQ(check(public_key, file + file), "E_SIG");
    EXPECT_EQ(check(public_key, file + "\n"), "E_SIG");
    EXPECT_EQ(check(public_key, "\n" + file), "E_SIG");
    EXPECT_EQ(check(public_key, ""), "E_SIG");
    EXPECT_EQ(check(public_key, std::string(20'000, 'x')), "E_SIG");
    EXPECT_EQ(check(public_key, std::string(100, '\n')), "E_SIG");
    EXPECT_THAT(why(public_key, file + "\n"),
                HasSubstr("expected a signature file of minisign (four lines), found 5 lines"));
}

TEST_F(AMinisignSignature, says_which_line_cannot_be_read) {
    const std::string good = signed_file();
    std::string file = good;
    EXPECT_THAT(why(public_key, "x" + file), HasSubstr("first line"));
    file = good;
    file.replace(file.find("trusted comment", 10), 3, "TRU");
    EXPECT_THAT(why(public_key, file), HasSubstr("third line"));
    file = good;
    file.insert(file.find('\n') + 5, "*");
    EXPECT_THAT(why(public_key, file), HasSubstr("74 bytes in base64 on the second line"));
    file = good;
    file.insert(file.size() - 5, "=");
    EXPECT_THAT(why(public_key, file), HasSubstr("64 bytes in base64 on the fourth line"));
    file = good;
    file.insert(file.find("version 1"), "\x1b[2J");
    EXPECT_THAT(why(public_key, file), HasSubstr("control characters in \"\\x1b[2J"));
}

TEST_F(AMinisignSignature, never_lets_a_comment_begin_a_new_line) {
    const Signature signature = key.sign(bytes_of(k_message), "a\nb\r\0c\ttab");
    const std::string file = signature.file_text("x\ny");
    EXPECT_EQ(std::count(file.begin(), file.end(), '\n'), 4);
    EXPECT_EQ(check(public_key, file), "accepted");
    EXPECT_EQ(
        check(public_key, key.sign(bytes_of(k_message), std::string(20'000, 'c')).file_text("")),
        "accepted");
}

TEST_F(AMinisignSignature, of_the_bytes_themselves_fits_too) {
    // What `minisign -S -l` writes; made here from the parts, because we never write it.
    unsigned char public_bytes[32], secret[64];
    ASSERT_EQ(sodium_init() >= 0, true);
    crypto_sign_keypair(public_bytes, secret);
    PublicKey legacy;
    std::copy_n(public_bytes, 32, legacy.key.begin());
    Signature signature;
    signature.prehashed = false;
    const auto* message = reinterpret_cast<const unsigned char*>(k_message.data());
    crypto_sign_detached(signature.signature.data(), nullptr, message, k_message.size(), secret);
    signature.trusted_comment = "c";
    std::string global(signature.signature.begin(), signature.signature.end());
    global += "c";
    crypto_sign_detached(signature.global_signature.data(), nullptr,
                         reinterpret_cast<const unsigned char*>(global.data()), global.size(),
                         secret);
    EXPECT_EQ(check(legacy, signature.file_text("")), "accepted");
    signature.prehashed = true;
    EXPECT_EQ(check(legacy, signature.file_text("")), "E_SIG") << "the kind cannot be changed";
}

TEST_F(AMinisignSignature, by_a_key_of_small_order_is_refused) {
    // The neutral element: a verifier that takes it accepts one signature for every message.
    PublicKey weak;
    weak.key[0] = 1;
    Signature forged;
    forged.signature[0] = 1;
    forged.global_signature[0] = 1;
    EXPECT_EQ(verify(weak, forged, bytes_of(k_message)).error().code, "E_SIG");
}

struct APublicKey : ::testing::Test {
    PublicKey key = SecretKey::generate().value().public_key();
};

TEST_F(APublicKey, is_read_from_its_line_or_its_file) {
    for (const std::string& text : {key.text(), key.text() + "\n", key.file_text(),
                                    "untrusted comment: whatever\r\n" + key.text() + "\r\n"}) {
        const auto read = PublicKey::parse(text);
        ASSERT_TRUE(read.has_value()) << text;
        EXPECT_EQ(*read, key);
        EXPECT_EQ(read->hint, key.hint);
    }
    EXPECT_THAT(key.text(), StartsWith("RW"));
    EXPECT_EQ(key.text().size(), 56u);
    EXPECT_THAT(key.file_text(),
                StartsWith("untrusted comment: minisign public key " + key.hint_text() + "\nRW"));
}

TEST_F(APublicKey, has_an_id_that_is_computed_from_the_key_alone) {
    PublicKey other = key;
    other.hint[0] ^= 1;
    EXPECT_EQ(other.id(), key.id());
    EXPECT_EQ(other, key) << "a key id that was changed makes no second key";
    other.key[31] ^= 1;
    EXPECT_NE(other.id(), key.id());
    // SHA-256 of 32 zero bytes begins so (FIPS 180-4).
    EXPECT_EQ(PublicKey{}.id(), "66687aadf862bd776c8fc18b8e9f8e20");
}

TEST_F(APublicKey, is_refused_when_it_cannot_be_read) {
    const std::string line = key.text();
    for (const std::string& text :
         {std::string{}, std::string{"\n"}, line.substr(1), line.substr(0, 55), line + "A",
          line + "=", line + " ", "RX" + line.substr(2), "AA" + line.substr(2), line + "\n" + line,
          "comment\n" + line, key.file_text() + line, std::string(20'000, 'R'),
          std::string{"untrusted comment: only a comment\n"},
          std::string{"RW\0", 3} + line.substr(3)}) {
        const auto read = PublicKey::parse(text);
        ASSERT_FALSE(read.has_value()) << text;
        EXPECT_EQ(read.error().code, "E_KEY");
        EXPECT_THAT(
            read.error().text,
            StartsWith("expected a public key of minisign (a line that begins with RW), found "));
        EXPECT_THAT(read.error().text, HasSubstr(": copy it again from its publisher"));
    }
}

struct ASecretKey : ::testing::Test {
    SecretKey key = SecretKey::generate().value();
    static std::string refusal(const std::string& file, const std::string& password = "") {
        const auto read = SecretKey::parse(file, password);
        if (read) return "accepted";
        EXPECT_EQ(read.error().code, "E_KEY");
        return read.error().text;
    }
};

TEST_F(ASecretKey, without_a_password_comes_back_from_its_file) {
    const std::string file = key.file_text("").value();
    EXPECT_FALSE(SecretKey::is_encrypted(file));
    const auto read = SecretKey::parse(file, "");
    ASSERT_TRUE(read.has_value()) << read.error().text;
    EXPECT_EQ(read->public_key(), key.public_key());
    EXPECT_EQ(read->public_key().hint, key.public_key().hint);
    EXPECT_TRUE(SecretKey::parse(file, "not needed").has_value());
}

TEST_F(ASecretKey, with_a_password_comes_back_with_this_password_only) {
    const std::string file = key.file_text("correct horse").value();
    EXPECT_TRUE(SecretKey::is_encrypted(file));
    EXPECT_THAT(refusal(file),
                HasSubstr("expected the password of an encrypted secret key, found none"));
    EXPECT_THAT(refusal(file, "correct horsf"),
                HasSubstr("expected the password of the secret key, found another one"));
    const auto read = SecretKey::parse(file, "correct horse");
    ASSERT_TRUE(read.has_value()) << read.error().text;
    EXPECT_EQ(read->public_key(), key.public_key());
}

TEST_F(ASecretKey, is_refused_when_any_part_of_it_is_damaged) {
    const std::string file = key.file_text("").value();
    const std::size_t line = file.find('\n') + 1;
    std::vector<unsigned char> bytes(158);
    std::size_t length = 0;
    ASSERT_EQ(
        sodium_base642bin(bytes.data(), bytes.size(), file.data() + line, file.size() - line - 1,
                          nullptr, &length, nullptr, sodium_base64_VARIANT_ORIGINAL),
        0);
    const auto text_of = [&](const std::vector<unsigned char>& from) {
        std::string out(sodium_base64_encoded_len(from.size(), sodium_base64_VARIANT_ORIGINAL), 0);
        sodium_bin2base64(out.data(), out.size(), from.data(), from.size(),
                          sodium_base64_VARIANT_ORIGINAL);
        out.pop_back();
        return file.substr(0, line) + out + "\n";
    };
    ASSERT_EQ(refusal(text_of(bytes)), "accepted");
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        if (at >= 6 && at < 54) continue;  // salt and limits mean nothing without a password
        auto damaged = bytes;
        damaged[at] ^= 0x10;
        ASSERT_NE(refusal(text_of(damaged)), "accepted") << at;
    }
    // Limits that would exhaust the machine of whoever only looks at the file.
    auto greedy = bytes;
    greedy[2] = 'S';
    greedy[3] = 'c';
    greedy[53] = 0x40;
    EXPECT_THAT(refusal(text_of(greedy), "x"), HasSubstr("more work than minisign ever does"));
    EXPECT_THAT(refusal(file.substr(0, file.size() - 3)), HasSubstr("found something else"));
    EXPECT_THAT(refusal(file + file), HasSubstr("found something else"));
    EXPECT_THAT(refusal(""), HasSubstr("found something else"));
    EXPECT_THAT(refusal(key.public_key().file_text()), HasSubstr("found something else"));
}

TEST_F(ASecretKey, whose_public_half_was_exchanged_is_refused_because_signing_would_reveal_it) {
    const std::string file = key.file_text("").value(),
                      other = SecretKey::generate().value().file_text("").value();
    const auto decoded = [](const std::string& text) {
        std::string out(158, '\0');
        const std::size_t line = text.find('\n') + 1;
        EXPECT_EQ(sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                    text.data() + line, text.size() - line - 1, nullptr, nullptr,
                                    nullptr, sodium_base64_VARIANT_ORIGINAL),
                  0);
        return out;
    };
    std::string mixed = decoded(file);
    mixed.replace(62 + 32, 32, decoded(other), 62 + 32, 32);
    mixed.replace(126, 32, 32, '\0');  // as minisign leaves the checksum of such a key
    std::string line(sodium_base64_encoded_len(mixed.size(), sodium_base64_VARIANT_ORIGINAL), 0);
    sodium_bin2base64(line.data(), line.size(), reinterpret_cast<unsigned char*>(mixed.data()),
                      mixed.size(), sodium_base64_VARIANT_ORIGINAL);
    line.pop_back();
    EXPECT_THAT(refusal("untrusted comment: x\n" + line + "\n"),
                HasSubstr("found one whose halves do not belong together"));
}

/// With the program itself, in a folder of its own.
struct TheRealMinisign : AMinisignSignature {
    backplane::tests::TemporaryFolder folder;

    int run(const std::string& arguments, const std::string& input = "") {
        folder.write("input", input);
        const std::string command = "cd '" + folder.path().string() +
                                    "' && command -v minisign >/dev/null || exit 127; minisign " +
                                    arguments + " <input >output 2>&1";
        const int status = std::system(command.c_str());
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    void SetUp() override {
        folder.write("message", k_message);
        ASSERT_NE(run("-v"), 127)
            << "the program minisign is missing: install the package "
               "\"minisign\" (see packages.txt), it is what bundles are signed with";
    }
    /// Its signature of the message, read by us.
    std::string check_its(const std::string& key_file) {
        const auto public_key_read = PublicKey::parse(folder.read(key_file));
        if (!public_key_read) return public_key_read.error().text;
        return why(*public_key_read, folder.read("message.minisig"));
    }
};

TEST_F(TheRealMinisign, accepts_our_signatures_and_reads_our_public_key_file) {
    folder.write("ours.pub", public_key.file_text());
    folder.write("message.minisig", signed_file("file:message version:1"));
    EXPECT_EQ(run("-V -p ours.pub -m message"), 0) << folder.read("output");
    EXPECT_THAT(folder.read("output"), HasSubstr("file:message version:1"));
    EXPECT_EQ(run("-V -P " + public_key.text() + " -m message"), 0) << folder.read("output");
    folder.write("message", k_message + "x");
    EXPECT_NE(run("-V -p ours.pub -m message"), 0);
}

TEST_F(TheRealMinisign, makes_keys_without_a_password_and_signatures_that_we_accept) {
    ASSERT_EQ(run("-G -W -p its.pub -s its.key"), 0) << folder.read("output");
    ASSERT_EQ(run("-S -s its.key -m message -t 'a trusted comment'"), 0) << folder.read("output");
    EXPECT_EQ(check_its("its.pub"), "accepted");
    EXPECT_EQ(Signature::parse(folder.read("message.minisig"))->trusted_comment,
              "a trusted comment");
    EXPECT_TRUE(Signature::parse(folder.read("message.minisig"))->prehashed);

    const std::string file = folder.read("its.key");
    EXPECT_FALSE(SecretKey::is_encrypted(file));
    const auto theirs = SecretKey::parse(file, "");
    ASSERT_TRUE(theirs.has_value()) << theirs.error().text;
    EXPECT_EQ(theirs->public_key().file_text(), folder.read("its.pub"));
    folder.write("message.minisig", theirs->sign(bytes_of(k_message), "by us").file_text("x"));
    EXPECT_EQ(run("-V -p its.pub -m message"), 0) << folder.read("output");
}

TEST_F(TheRealMinisign, writes_default_comments_and_old_signatures_that_we_accept) {
    ASSERT_EQ(run("-G -W -p its.pub -s its.key"), 0) << folder.read("output");
    ASSERT_EQ(run("-S -l -s its.key -m message"), 0) << folder.read("output");
    EXPECT_FALSE(Signature::parse(folder.read("message.minisig"))->prehashed);
    EXPECT_EQ(check_its("its.pub"), "accepted");
    ASSERT_EQ(run("-S -s its.key -m message"), 0) << folder.read("output");
    EXPECT_EQ(check_its("its.pub"), "accepted");
}

TEST_F(TheRealMinisign, signs_with_our_key_file_without_a_password) {
    folder.write("ours.key", key.file_text("").value());
    ASSERT_EQ(run("-S -s ours.key -m message"), 0) << folder.read("output");
    EXPECT_EQ(why(public_key, folder.read("message.minisig")), "accepted");
}

TEST_F(APublicKey, has_its_number_in_its_comment_as_minisign_writes_it) {
    PublicKey some = SecretKey::generate().value().public_key();
    some.hint = {0xed, 0xcd, 0x35, 0x59, 0xdd, 0xef, 0x73, 0x04};
    EXPECT_TRUE(
        some.file_text().starts_with("untrusted comment: minisign public key 473EFDD5935CDED\n"))
        << some.file_text();
    some.hint = {};
    EXPECT_TRUE(some.file_text().starts_with("untrusted comment: minisign public key 0\n"))
        << some.file_text();
}

TEST_F(TheRealMinisign, makes_keys_with_a_password_that_we_open) {
    ASSERT_EQ(run("-G -p its.pub -s its.key", "secret\nsecret\n"), 0) << folder.read("output");
    const std::string file = folder.read("its.key");
    EXPECT_TRUE(SecretKey::is_encrypted(file));
    const auto theirs = SecretKey::parse(file, "secret");
    ASSERT_TRUE(theirs.has_value()) << theirs.error().text;
    EXPECT_EQ(theirs->public_key().file_text(), folder.read("its.pub"));
}

TEST_F(TheRealMinisign, opens_our_key_file_with_its_password) {
    folder.write("ours.key", key.file_text("secret").value());
    ASSERT_EQ(run("-S -s ours.key -m message", "secret\n"), 0) << folder.read("output");
    EXPECT_EQ(why(public_key, folder.read("message.minisig")), "accepted");
}

}  // namespace
}  // namespace backplane::core::bundle::tests
