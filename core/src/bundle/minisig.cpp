// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/minisig.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "util/sha256.hpp"
#include "util/utf8.hpp"

// Layouts: https://jedisct1.github.io/minisign/, sections "Signature format", "Public key format",
// "Secret key format". Key ids are little-endian numbers there; they are kept as they lie in the
// file.

namespace backplane::core::bundle {
namespace {

constexpr std::string_view k_untrusted = "untrusted comment: ";
constexpr std::string_view k_trusted = "trusted comment: ";
constexpr std::string_view k_of_bytes = "Ed", k_of_hash = "ED", k_scrypt = "Sc", k_blake2b = "B2";
constexpr std::string_view k_no_password{"\0\0", 2};
constexpr std::size_t k_comment_bytes = 1024, k_trusted_comment_bytes = 8192;
constexpr std::size_t k_file_bytes = std::size_t{16} << 10;

/// Bytes that do not outlive their use.
template <std::size_t Size>
struct Wiped : std::array<std::uint8_t, Size> {
    Wiped() { this->fill(0); }
    Wiped(const Wiped&) = delete;
    Wiped& operator=(const Wiped&) = delete;
    ~Wiped() { sodium_memzero(this->data(), Size); }
};

void start_sodium() {
    // Again and again harmless. Without it only random numbers would be unsafe, and it cannot fail
    // after the first time.
    static const bool started = sodium_init() >= 0;
    if (!started) std::abort();
}

Unexpected<Error> bad_key(const std::string& expected, const std::string& found,
                          const std::string& help) {
    return failure("E_KEY", "expected " + expected + ", found " + found + ": " + help);
}

Unexpected<Error> bad_signature(const std::string& expected, const std::string& found) {
    return failure("E_SIG", "expected " + expected + ", found " + found +
                                ": fetch the signature and what it signs again, or ask their "
                                "publisher to sign anew");
}

template <std::size_t Size>
bool decode(std::string_view base64, std::array<std::uint8_t, Size>& out) {
    // libsodium 1.0.18 takes some bytes above 0x7f for letters: one signature would have many
    // spellings.
    const bool plain = std::all_of(base64.begin(), base64.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '+' || c == '/' || c == '=';
    });
    if (!plain) return false;
    std::size_t length = 0;
    const char* end = nullptr;
    return sodium_base642bin(out.data(), out.size(), base64.data(), base64.size(), nullptr, &length,
                             &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
           length == Size && end == base64.data() + base64.size();
}

std::string encode(std::span<const std::uint8_t> bytes) {
    std::string out(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
    sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(),
                      sodium_base64_VARIANT_ORIGINAL);
    out.pop_back();  // the terminator that libsodium counts
    return out;
}

/// Lines without their ends ("\n" or "\r\n"); the last one need not have any.
std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        auto line = text.substr(0, end);
        if (end != text.npos && line.ends_with('\r')) line.remove_suffix(1);
        lines.push_back(line);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    return lines;
}

/// A comment has one line and nothing that a terminal obeys but a tab, which minisign itself
/// writes.
std::string comment_line(std::string_view text, std::size_t most) {
    std::string out = to_valid_utf8(text, most);
    for (char& c : out) {
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) c = ' ';
    }
    return out;
}

bool has_control_character(std::string_view line) {
    return std::any_of(line.begin(), line.end(), [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    });
}

template <typename Array>
std::string_view text_at(const Array& bytes, std::size_t at, std::size_t count) {
    return {reinterpret_cast<const char*>(bytes.data()) + at, count};
}

template <typename From, typename To>
void copy_at(const From& from, std::size_t at, To& to) {
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(at), to.size(), to.begin());
}

template <typename From, typename To>
void put_at(const From& from, To& to, std::size_t at) {
    std::copy(from.begin(), from.end(), to.begin() + static_cast<std::ptrdiff_t>(at));
}

const unsigned char* unsigned_bytes(std::span<const std::byte> bytes) {
    // libsodium wants an address even for nothing.
    static constexpr unsigned char k_nothing = 0;
    return bytes.empty() ? &k_nothing : reinterpret_cast<const unsigned char*>(bytes.data());
}

using Hash = std::array<std::uint8_t, crypto_generichash_BYTES_MAX>;

Hash hash_of(std::span<const std::byte> bytes) {
    Hash hash;
    crypto_generichash(hash.data(), hash.size(), unsigned_bytes(bytes), bytes.size(), nullptr, 0);
    return hash;
}

/// What the second signature covers: the first one and the comment.
std::vector<std::uint8_t> with_comment(const Signature& signature) {
    std::vector<std::uint8_t> out{signature.signature.begin(), signature.signature.end()};
    out.insert(out.end(), signature.trusted_comment.begin(), signature.trusted_comment.end());
    return out;
}

// The secret key file: algorithm, key derivation, checksum algorithm, salt, limits, and then,
// encrypted with the derived stream or not: key id, secret, checksum of algorithm, key id and
// secret.
constexpr std::size_t k_salt_at = 6, k_ops_at = 38, k_mem_at = 46, k_locked_at = 54;
constexpr std::size_t k_locked_bytes = 8 + 64 + 32;
using SecretFile = Wiped<k_locked_at + k_locked_bytes>;
using Locked = Wiped<k_locked_bytes>;
using Checksum = Wiped<32>;
static_assert(sizeof(SecretFile) == 158);

std::uint64_t number_at(const SecretFile& file, std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = value << 8 | file[at + i];
    return value;
}

void put_number(SecretFile& file, std::size_t at, std::uint64_t value) {
    for (std::size_t i = 0; i < 8; ++i) file[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
}

void checksum(const Locked& locked, Checksum& out) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, nullptr, 0, out.size());
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(k_of_bytes.data()),
                              k_of_bytes.size());
    crypto_generichash_update(&state, locked.data(), 8 + 64);
    crypto_generichash_final(&state, out.data(), out.size());
    sodium_memzero(&state, sizeof(state));
}

/// Encrypts or decrypts, which is the same. False: not enough memory for these limits.
bool apply_password(SecretFile& file, std::string_view password) {
    Locked stream;
    if (crypto_pwhash_scryptsalsa208sha256(
            stream.data(), stream.size(), password.data(), password.size(), file.data() + k_salt_at,
            number_at(file, k_ops_at), static_cast<std::size_t>(number_at(file, k_mem_at))) != 0) {
        return false;
    }
    for (std::size_t i = 0; i < stream.size(); ++i) {
        file[k_locked_at + i] = static_cast<std::uint8_t>(file[k_locked_at + i] ^ stream[i]);
    }
    return true;
}

bool decode_secret_file(std::string_view text, SecretFile& out) {
    if (text.size() > k_file_bytes) return false;
    const auto lines = lines_of(text);
    std::array<std::uint8_t, sizeof(SecretFile)>& bytes = out;
    return lines.size() == 2 && lines[0].starts_with(k_untrusted) && decode(lines[1], bytes) &&
           text_at(out, 0, 2) == k_of_bytes && text_at(out, 4, 2) == k_blake2b &&
           (text_at(out, 2, 2) == k_scrypt || text_at(out, 2, 2) == k_no_password);
}

}  // namespace

Result<PublicKey> PublicKey::parse(std::string_view text) {
    const auto fail = [](const std::string& found) {
        return bad_key("a public key of minisign (a line that begins with RW)", found,
                       "copy it again from its publisher");
    };
    if (text.size() > k_file_bytes) return fail("a file that is much longer");
    const auto lines = lines_of(text);
    if (lines.empty()) return fail("nothing");
    const bool has_comment = lines[0].starts_with(k_untrusted);
    if (lines.size() != (has_comment ? 2u : 1u)) {
        return fail(std::to_string(lines.size()) + " lines of something else");
    }
    std::array<std::uint8_t, 42> bytes;
    if (!decode(lines.back(), bytes) || text_at(bytes, 0, 2) != k_of_bytes) {
        return fail("\"" + to_printable(lines.back(), 80) + "\"");
    }
    PublicKey key;
    copy_at(bytes, 2, key.hint);
    copy_at(bytes, 10, key.key);
    return key;
}

std::string PublicKey::text() const {
    std::array<std::uint8_t, 42> bytes;
    put_at(k_of_bytes, bytes, 0);
    put_at(hint, bytes, 2);
    put_at(key, bytes, 10);
    return encode(bytes);
}

std::string PublicKey::file_text() const {
    // minisign itself writes the number there, without leading zeros.
    const std::string hint_number = hint_text();
    const auto first = std::min(hint_number.find_first_not_of('0'), hint_number.size() - 1);
    return std::string{k_untrusted} + "minisign public key " + hint_number.substr(first) + "\n" +
           text() + "\n";
}

std::string PublicKey::hint_text() const {
    std::string out;
    for (std::size_t i = hint.size(); i-- > 0;) {
        out.push_back("0123456789ABCDEF"[hint[i] >> 4]);
        out.push_back("0123456789ABCDEF"[hint[i] & 0xf]);
    }
    return out;
}

std::string PublicKey::id() const {
    return sha256_hex(std::as_bytes(std::span{key})).substr(0, 32);
}

Result<Signature> Signature::parse(std::string_view file) {
    constexpr const char* k_expected = "a signature file of minisign (four lines)";
    if (file.size() > k_file_bytes) {
        return bad_signature(k_expected, std::to_string(file.size()) + " bytes");
    }
    const auto lines = lines_of(file);
    if (lines.size() != 4) {
        return bad_signature(k_expected, std::to_string(lines.size()) + " lines");
    }
    if (!lines[0].starts_with(k_untrusted)) {
        return bad_signature("a first line that begins with \"untrusted comment: \"",
                             "\"" + to_printable(lines[0], 80) + "\"");
    }
    if (!lines[2].starts_with(k_trusted)) {
        return bad_signature("a third line that begins with \"trusted comment: \"",
                             "\"" + to_printable(lines[2], 80) + "\"");
    }
    std::array<std::uint8_t, 74> bytes;
    if (!decode(lines[1], bytes)) {
        return bad_signature("74 bytes in base64 on the second line",
                             "\"" + to_printable(lines[1], 120) + "\"");
    }
    const auto kind = text_at(bytes, 0, 2);
    if (kind != k_of_bytes && kind != k_of_hash) {
        return bad_signature("a signature of kind \"Ed\" or \"ED\"",
                             "\"" + to_printable(kind, 20) + "\"");
    }
    Signature out;
    out.prehashed = kind == k_of_hash;
    copy_at(bytes, 2, out.hint);
    copy_at(bytes, 10, out.signature);
    out.trusted_comment = lines[2].substr(k_trusted.size());
    if (out.trusted_comment.size() > k_trusted_comment_bytes) {
        return bad_signature(
            "a trusted comment of at most " + std::to_string(k_trusted_comment_bytes) + " bytes",
            std::to_string(out.trusted_comment.size()));
    }
    if (has_control_character(out.trusted_comment)) {
        return bad_signature(
            "a trusted comment that can be shown",
            "control characters in \"" + to_printable(out.trusted_comment, 80) + "\"");
    }
    if (!decode(lines[3], out.global_signature)) {
        return bad_signature("64 bytes in base64 on the fourth line",
                             "\"" + to_printable(lines[3], 120) + "\"");
    }
    return out;
}

std::string Signature::file_text(std::string_view untrusted_comment) const {
    std::array<std::uint8_t, 74> bytes;
    put_at(prehashed ? k_of_hash : k_of_bytes, bytes, 0);
    put_at(hint, bytes, 2);
    put_at(signature, bytes, 10);
    std::string out{k_untrusted};
    out += comment_line(untrusted_comment, k_comment_bytes - k_untrusted.size() - 1) + "\n";
    out += encode(bytes) + "\n";
    out += k_trusted;
    out += trusted_comment + "\n";
    out += encode(global_signature) + "\n";
    return out;
}

Result<void> verify(const PublicKey& key, const Signature& signature,
                    std::span<const std::byte> bytes) {
    start_sodium();
    if (signature.hint != key.hint) {
        PublicKey other;
        other.hint = signature.hint;
        return bad_signature("a signature of key " + key.hint_text(),
                             "one of key " + other.hint_text());
    }
    int bad = 0;
    if (signature.prehashed) {
        const Hash hash = hash_of(bytes);
        bad = crypto_sign_verify_detached(signature.signature.data(), hash.data(), hash.size(),
                                          key.key.data());
    } else {
        bad = crypto_sign_verify_detached(signature.signature.data(), unsigned_bytes(bytes),
                                          bytes.size(), key.key.data());
    }
    if (bad != 0) {
        return bad_signature("a signature of these bytes by key " + key.hint_text(),
                             "one that does not fit (the bytes or the signature were changed)");
    }
    const auto global = with_comment(signature);
    if (crypto_sign_verify_detached(signature.global_signature.data(), global.data(), global.size(),
                                    key.key.data()) != 0) {
        return bad_signature("a trusted comment that key " + key.hint_text() + " has signed",
                             "one that was changed");
    }
    return {};
}

Result<SecretKey> SecretKey::generate() {
    start_sodium();
    SecretKey out;
    PublicKey unused;
    if (crypto_sign_keypair(unused.key.data(), out.secret_.data()) != 0) {
        return bad_key("a new key", "none", "check the random numbers of this machine");
    }
    randombytes_buf(out.hint_.data(), out.hint_.size());
    return out;
}

bool SecretKey::is_encrypted(std::string_view file) {
    SecretFile bytes;
    return decode_secret_file(file, bytes) && text_at(bytes, 2, 2) == k_scrypt;
}

Result<SecretKey> SecretKey::parse(std::string_view file, std::string_view password) {
    start_sodium();
    constexpr const char* k_what = "a secret key file of minisign";
    SecretFile bytes;
    if (!decode_secret_file(file, bytes)) {
        return bad_key(k_what, "something else",
                       "name the file that was made together with the public key");
    }
    const bool encrypted = text_at(bytes, 2, 2) == k_scrypt;
    if (encrypted) {
        if (password.empty()) {
            return bad_key("the password of an encrypted secret key", "none", "enter it");
        }
        // minisign never writes more than these. A file that asks for more would only exhaust this
        // machine.
        if (number_at(bytes, k_ops_at) > crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_SENSITIVE ||
            number_at(bytes, k_mem_at) > crypto_pwhash_scryptsalsa208sha256_MEMLIMIT_SENSITIVE) {
            return bad_key(k_what, "one that asks for more work than minisign ever does",
                           "use a key that minisign or this program made");
        }
        if (!apply_password(bytes, password)) {
            return bad_key("enough memory to open the secret key", "too little",
                           "free " + std::to_string(number_at(bytes, k_mem_at) >> 20) +
                               " MiB, or sign on a larger machine");
        }
    }
    Locked locked;
    copy_at(bytes, k_locked_at, locked);
    Checksum sum;
    checksum(locked, sum);
    // minisign leaves the checksum of a key without a password empty; the halves below show what
    // was damaged.
    const bool left_out = !encrypted && sodium_is_zero(locked.data() + 8 + 64, sum.size()) == 1;
    if (!left_out && sodium_memcmp(sum.data(), locked.data() + 8 + 64, sum.size()) != 0) {
        return encrypted ? bad_key("the password of the secret key",
                                   "another one (or a damaged file)", "enter it again")
                         : bad_key(k_what, "one that is damaged", "take it from your backup");
    }
    SecretKey out;
    copy_at(locked, 0, out.hint_);
    copy_at(locked, 8, out.secret_);
    // The second half repeats the public key. If it were another one, each signature would give
    // away the secret half.
    std::array<std::uint8_t, 32> public_half{};
    Wiped<64> again;
    crypto_sign_seed_keypair(public_half.data(), again.data(), out.secret_.data());
    if (sodium_memcmp(again.data(), out.secret_.data(), again.size()) != 0) {
        return bad_key(k_what, "one whose halves do not belong together",
                       "take it from your backup");
    }
    return out;
}

SecretKey::~SecretKey() {
    sodium_memzero(secret_.data(), secret_.size());
}

SecretKey::SecretKey(SecretKey&& other) noexcept {
    *this = std::move(other);
}

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
    if (this != &other) {
        hint_ = other.hint_;
        secret_ = other.secret_;
        sodium_memzero(other.secret_.data(), other.secret_.size());
    }
    return *this;
}

PublicKey SecretKey::public_key() const {
    PublicKey out;
    out.hint = hint_;
    copy_at(secret_, 32, out.key);
    return out;
}

Result<std::string> SecretKey::file_text(std::string_view password) const {
    start_sodium();
    SecretFile bytes;
    put_at(k_of_bytes, bytes, 0);
    put_at(password.empty() ? k_no_password : k_scrypt, bytes, 2);
    put_at(k_blake2b, bytes, 4);
    Locked locked;
    put_at(hint_, locked, 0);
    put_at(secret_, locked, 8);
    Checksum sum;
    checksum(locked, sum);
    put_at(sum, locked, 8 + 64);
    put_at(locked, bytes, k_locked_at);
    if (!password.empty()) {
        randombytes_buf(bytes.data() + k_salt_at, k_ops_at - k_salt_at);
        put_number(bytes, k_ops_at, crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_SENSITIVE);
        put_number(bytes, k_mem_at, crypto_pwhash_scryptsalsa208sha256_MEMLIMIT_SENSITIVE);
        if (!apply_password(bytes, password)) {
            return bad_key("enough memory to encrypt the secret key", "less than 1 GiB",
                           "make the key on a larger machine");
        }
    }
    std::string line = encode(bytes);
    std::string out{k_untrusted};
    out.reserve(256);  // so that no copy of the key stays behind where it was too small
    out +=
        password.empty() ? "minisign unencrypted secret key\n" : "minisign encrypted secret key\n";
    out += line;
    out += '\n';
    sodium_memzero(line.data(), line.size());
    return out;
}

Signature SecretKey::sign(std::span<const std::byte> bytes, std::string trusted_comment) const {
    start_sodium();
    Signature out;
    out.hint = hint_;
    out.trusted_comment = comment_line(trusted_comment, k_trusted_comment_bytes - 256);
    const Hash hash = hash_of(bytes);
    crypto_sign_detached(out.signature.data(), nullptr, hash.data(), hash.size(), secret_.data());
    const auto global = with_comment(out);
    crypto_sign_detached(out.global_signature.data(), nullptr, global.data(), global.size(),
                         secret_.data());
    return out;
}

}  // namespace backplane::core::bundle
