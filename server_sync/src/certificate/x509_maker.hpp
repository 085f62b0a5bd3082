// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Makes certificates for this box: self-signed ones, and those that an authority of the owner signs.
//
// The key is new with every certificate (EC P-256), and never leaves the box. Thread: any; takes about a millisecond.
// Errors: "certificate.not_made", or why the authority cannot be used.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/http.hpp"
#include "backplane/core/result.hpp"

namespace backplane::sync {

/// True when a certificate can have it as a DNS name.
bool is_host_name(std::string_view name);
/// As it stands in a certificate: "fe80::1" for "FE80:0::1". Empty when it is no address.
std::string plain_address(const std::string& text);

struct CertificatePlan {
    std::vector<std::string>
        names;  ///< DNS names, the first is the subject; what is none is left out
    std::vector<std::string> addresses;  ///< IPv4 and IPv6
    double from = 0, until = 0;          ///< seconds since 1970
};

core::Result<core::TlsIdentity> make_self_signed(const CertificatePlan& plan);

/// Certificate and key of the authority as PEM. It must be one that may sign certificates. Between it and a root that
/// clients know there may be others: they stand behind it in the same text and are handed on.
core::Result<core::TlsIdentity> make_signed(const CertificatePlan& plan,
                                            const core::TlsIdentity& authority);
/// That authority has signed the first certificate of `identity`.
bool is_signed_by(const core::TlsIdentity& identity, const core::TlsIdentity& authority);

}  // namespace backplane::sync
