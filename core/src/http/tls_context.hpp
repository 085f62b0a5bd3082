// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How this server speaks TLS, and what it shows of itself: made once per identity, shared by the
// connections that began with it. A new identity is a new context, so nothing changes under an open
// connection.
//
// TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only; no renegotiation, no
// compression; sessions are resumed by tickets, which cost the server no memory.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>

#include "backplane/core/http.hpp"
#include "backplane/core/result.hpp"

namespace backplane::core {

/// The oldest error that OpenSSL has noted for this thread, in its words; notes are removed.
std::string take_tls_error();

class TlsContext {
public:
    /// Error "http.identity": not readable, or the key is not the certificate's.
    static Result<std::shared_ptr<const TlsContext>> create(const TlsIdentity& identity);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    SSL_CTX* get() const noexcept { return context_; }

private:
    explicit TlsContext(SSL_CTX* context) noexcept : context_(context) {}
    SSL_CTX* context_;
};

}  // namespace backplane::core
