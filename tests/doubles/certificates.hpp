// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Certificates made for one test: an authority, what it signs, and what nobody has signed.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace backplane::tests {

struct FreeX509 {
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};
struct FreeKey {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};

struct Certificate {
    std::unique_ptr<X509, FreeX509> x509;
    std::unique_ptr<EVP_PKEY, FreeKey> key;

    /// The certificate alone, as a CA file has it.
    std::string pem() const;
    /// PKCS #8, not encrypted.
    std::string private_key_pem() const;
};

struct CertificateWish {
    std::vector<std::string> names{"localhost"};      ///< DNS names
    std::vector<std::string> addresses{"127.0.0.1"};  ///< IP addresses
    std::chrono::seconds from{-3600};                 ///< relative to now
    std::chrono::seconds until{86400};
};

/// Throws std::runtime_error when OpenSSL cannot.
Certificate self_signed(const CertificateWish& wish = {});

class CertificateAuthority {
public:
    CertificateAuthority();
    std::string pem() const { return own_.pem(); }
    std::string private_key_pem() const { return own_.private_key_pem(); }
    Certificate issue(const CertificateWish& wish = {}) const;

private:
    Certificate own_;
};

}  // namespace backplane::tests
