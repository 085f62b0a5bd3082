// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Fuzz target: key and signature files that somebody else has written. What is understood can be
// written and is understood in the same way; nothing that was made up fits.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "bundle/minisig.hpp"

using namespace backplane::core::bundle;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto signature = Signature::parse(text)) {
        const auto again = Signature::parse(signature->file_text("again"));
        require(again.has_value());
        require(again->prehashed == signature->prehashed && again->hint == signature->hint &&
                again->signature == signature->signature &&
                again->trusted_comment == signature->trusted_comment &&
                again->global_signature == signature->global_signature);
        PublicKey key;  // of small order: no signature of it may ever fit
        key.hint = signature->hint;
        key.key[0] = 1;
        require(!verify(key, *signature, std::as_bytes(std::span{data, size})));
    } else {
        require(signature.error().code == "E_SIG" && !signature.error().text.empty());
    }
    if (const auto key = PublicKey::parse(text)) {
        const auto again = PublicKey::parse(key->file_text());
        require(again.has_value() && *again == *key && again->hint == key->hint);
        require(key->id().size() == 32 && key->hint_text().size() == 16);
    } else {
        require(key.error().code == "E_KEY" && !key.error().text.empty());
    }
    // Without a password nothing is derived, however much work the file asks for.
    if (const auto secret = SecretKey::parse(text, "")) {
        require(!SecretKey::is_encrypted(text));
        const auto file = secret->file_text("");
        require(file && SecretKey::parse(*file, "").has_value());
    } else {
        require(secret.error().code == "E_KEY" && !secret.error().text.empty());
    }
    return 0;
}
