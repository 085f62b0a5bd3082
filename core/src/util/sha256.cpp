// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "util/sha256.hpp"

#include <openssl/evp.h>

#include <array>
#include <new>

namespace backplane::core {

std::string sha256_hex(std::span<const std::byte> bytes) {
    std::array<unsigned char, 32> digest{};
    // It fails only when there is no memory for its context.
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
        throw std::bad_alloc();
    constexpr std::string_view k_digits = "0123456789abcdef";
    std::string out;
    out.reserve(2 * digest.size());
    for (const unsigned byte : digest) {
        out += k_digits[byte >> 4];
        out += k_digits[byte & 0xfu];
    }
    return out;
}

}  // namespace backplane::core
