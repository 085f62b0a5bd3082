// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Keys and signatures in the format of minisign (https://jedisct1.github.io/minisign/, section "Signature format"), on
// libsodium. Both kinds of signature are read ("Ed": of the bytes, "ED": of their BLAKE2b-512); "ED" is written.
//
// Thread: any. Blocking: no, but opening a secret key with a password costs about a second by design. Error codes:
// E_KEY (a key that cannot be read), E_SIG (a signature that cannot be read or does not fit).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "backplane/core/result.hpp"

namespace backplane::core::bundle {

struct PublicKey {
    std::array<std::uint8_t, 8>
        hint{};  ///< minisign's key id: chosen at random, only helps to find the key
    std::array<std::uint8_t, 32> key{};

    /// The base64 line of a public key file, or the whole file. E_KEY.
    static Result<PublicKey> parse(std::string_view text);
    std::string text() const;       ///< the base64 line, "RWQ…"
    std::string file_text() const;  ///< as `minisign -G` writes it
    std::string hint_text() const;  ///< 16 upper-case hex digits, as minisign shows it
    /// What roles refer to: the first 32 hex digits of the SHA-256 of the 32 key bytes. Computed, never believed.
    std::string id() const;
    bool operator==(const PublicKey& other) const noexcept { return key == other.key; }
};

struct Signature {
    bool prehashed = true;
    std::array<std::uint8_t, 8> hint{};
    std::array<std::uint8_t, 64> signature{};
    std::string trusted_comment;
    std::array<std::uint8_t, 64> global_signature{};

    static Result<Signature> parse(std::string_view file);  ///< E_SIG
    std::string file_text(std::string_view untrusted_comment) const;
};

/// Both the signature of the bytes and that of the trusted comment. E_SIG says what does not fit.
Result<void> verify(const PublicKey& key, const Signature& signature,
                    std::span<const std::byte> bytes);

class SecretKey {
public:
    static Result<SecretKey> generate();
    /// The whole file of `minisign -G`, with a password (scrypt) or without (`-W`). E_KEY: cannot be read, or the password
    /// is wrong or missing.
    static Result<SecretKey> parse(std::string_view file, std::string_view password);
    ~SecretKey();  ///< wiped
    SecretKey(SecretKey&&) noexcept;
    SecretKey& operator=(SecretKey&&) noexcept;

    PublicKey public_key() const;
    /// Empty password: not encrypted.
    Result<std::string> file_text(std::string_view password) const;
    Signature sign(std::span<const std::byte> bytes, std::string trusted_comment) const;

    /// Whether a file of this text needs a password.
    static bool is_encrypted(std::string_view file);

private:
    SecretKey() = default;
    std::array<std::uint8_t, 8> hint_{};
    std::array<std::uint8_t, 64> secret_{};
};

}  // namespace backplane::core::bundle
