// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Files of all kinds for minisig_fuzz.cpp. The keys were made for this and sign nothing else.
#include "bundle/fuzz/run_corpus.hpp"
#include "bundle/minisig.hpp"

using namespace backplane::core::bundle;

int main() {
    const std::string secret_file =
        "untrusted comment: minisign encrypted secret "
        "key\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALbzw0fPlKB4V7"
        "g44dfQ3ZKOUTMeuqt/"
        "eUxVeQyKt202otpd++"
        "NPmf5lImNoWKPOpNrVfBYFtXPBVYw14xU38dKJEQH16n4tsAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "=\n";
    const SecretKey key = SecretKey::parse(secret_file, "").value();
    const Signature signature = key.sign({}, "timestamp:1700000000\tfile:x");
    Signature legacy = signature;
    legacy.prehashed = false;
    std::string encrypted = secret_file;
    encrypted.replace(encrypted.find("\nRWQAA") + 1, 6, "RWRTY0");  // the mark of scrypt
    return fuzz::run_corpus(
        {signature.file_text("a comment"), legacy.file_text(""), key.public_key().text(),
         key.public_key().file_text(), secret_file, encrypted},
        2000);
}
