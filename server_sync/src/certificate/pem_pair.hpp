// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A certificate with its key, as texts, and what stands in it. No file and no network here.
//
// Thread: any. Errors: "certificate.unreadable", "certificate.mismatch", with a sentence for people that names
// `what` ("the certificate of the configuration").
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/http.hpp"
#include "backplane/core/result.hpp"

namespace backplane::sync {

struct FreeX509 {
    void operator()(X509* certificate) const noexcept;
};
struct FreeKey {
    void operator()(EVP_PKEY* key) const noexcept;
};
using X509Ptr = std::unique_ptr<X509, FreeX509>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;

constexpr std::size_t k_most_pem_bytes = 256u << 10;

struct CertificateFacts {
    std::string common_name;
    std::vector<std::string> names;  ///< DNS names, then addresses: "box.local", "192.168.1.20"
    double not_before = 0, not_after = 0;  ///< seconds since 1970, UTC

    bool is_good_for(std::string_view name) const noexcept;
};

struct CheckedPair {
    core::TlsIdentity identity;
    CertificateFacts facts;
};

core::Result<X509Ptr> read_certificate(const std::string& pem, const std::string& what);
/// Never asks for a password: a protected key is an error.
core::Result<KeyPtr> read_key(const std::string& pem, const std::string& what);
CertificateFacts facts_of(X509* certificate);

/// Reads both, and asks the TLS library whether it would show them: they belong together, and are strong enough.
core::Result<CheckedPair> check_pair(core::TlsIdentity identity, const std::string& what);

/// "2026-01-31 12:00:00", UTC. Empty for 0.
std::string utc_text(double time);

/// The oldest error that OpenSSL has noted for this thread, in its words; notes are removed.
std::string openssl_reason();

}  // namespace backplane::sync
