// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a server of a test shows: certificate and key of a test authority, as PEM.
#pragma once

#include "backplane/core/http.hpp"
#include "doubles/certificates.hpp"

namespace backplane::core::test {

inline TlsIdentity identity_of(const tests::Certificate& certificate) {
    return {certificate.pem(), certificate.private_key_pem()};
}

}  // namespace backplane::core::test
