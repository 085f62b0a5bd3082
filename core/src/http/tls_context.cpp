// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string_view>
#include <utility>

namespace backplane::core {
namespace {

constexpr std::size_t k_most_pem_bytes = 256u << 10;
constexpr int k_most_certificates = 16;

// ECDHE with AES-GCM or ChaCha20: what every browser since 2015 has.
constexpr const char* k_tls12_ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct FreeBio {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
struct FreeX509 {
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};
struct FreeKey {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
struct FreeContext {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;
using X509Ptr = std::unique_ptr<X509, FreeX509>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;
using ContextPtr = std::unique_ptr<SSL_CTX, FreeContext>;

Unexpected<Error> refused(const std::string& what) {
    return failure("http.identity", "this certificate cannot be used for HTTPS: " + what);
}

Bio reader(const std::string& pem) {
    return Bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
}

/// Instead of OpenSSL's own, which would ask on the terminal.
int no_password(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

Result<KeyPtr> read_key(const std::string& pem) {
    const Bio bio = reader(pem);
    bool asked = false;
    KeyPtr key{bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, &asked) : nullptr};
    if (key) {
        ERR_clear_error();
        return key;
    }
    const std::string reason = take_tls_error();
    if (asked) {
        return refused(
            "its private key is protected by a password; store it without one, readable "
            "by this service alone");
    }
    return refused("its private key is not readable as PEM (" + reason + ")");
}

Result<void> add_certificates(SSL_CTX* context, const std::string& pem) {
    const Bio bio = reader(pem);
    int count = 0;
    while (bio) {
        const X509Ptr certificate{PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr)};
        if (!certificate) {
            const auto error = ERR_peek_last_error();
            // The regular end, once there was one.
            if (count > 0 && ERR_GET_LIB(error) == ERR_LIB_PEM &&
                ERR_GET_REASON(error) == PEM_R_NO_START_LINE) {
                ERR_clear_error();
                return {};
            }
            break;
        }
        if (++count > k_most_certificates) {
            return refused("there are more than " + std::to_string(k_most_certificates) +
                           " certificates in its file");
        }
        const bool added = count == 1 ? SSL_CTX_use_certificate(context, certificate.get()) == 1
                                      : SSL_CTX_add1_chain_cert(context, certificate.get()) == 1;
        if (!added)
            return refused("certificate " + std::to_string(count) +
                           " of its file: " + take_tls_error());
    }
    return refused("certificate " + std::to_string(count + 1) +
                   " of its file is not readable as PEM (" + take_tls_error() + ")");
}

/// HTTP/1.1 is all this server speaks: a client that offers other protocols only is told so.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* offered, unsigned offered_length, void*) {
    static constexpr unsigned char k_ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_length, k_ours, sizeof k_ours, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

bool set_up(SSL_CTX* context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    // A waiting long poll needs no buffers: without this, hundreds of them hold 34 kB each.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets only
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
    static constexpr unsigned char k_id[] = "backplane";
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, k_tls12_ciphers) == 1 &&
           SSL_CTX_set_num_tickets(context, 1) == 1 &&
           SSL_CTX_set_session_id_context(context, k_id, sizeof k_id - 1) == 1;
}

}  // namespace

std::string take_tls_error() {
    const auto error = ERR_get_error();
    ERR_clear_error();
    if (error == 0) return "no details";
    const char* const reason = ERR_reason_error_string(error);
    return reason != nullptr ? reason : "error " + std::to_string(error);
}

Result<std::shared_ptr<const TlsContext>> TlsContext::create(const TlsIdentity& identity) {
    ERR_clear_error();
    if (identity.certificates_pem.size() > k_most_pem_bytes ||
        identity.key_pem.size() > k_most_pem_bytes) {
        return refused("its file is larger than " + std::to_string(k_most_pem_bytes >> 10) + " kB");
    }
    ContextPtr context{SSL_CTX_new(TLS_server_method())};
    if (!context || !set_up(context.get())) {
        return refused("TLS cannot be set up (" + take_tls_error() + ")");
    }
    if (auto added = add_certificates(context.get(), identity.certificates_pem); !added) {
        return Unexpected<Error>{added.error()};
    }
    const auto key = read_key(identity.key_pem);
    if (!key) return Unexpected<Error>{key.error()};
    // The certificate's public key is compared first: the setter would answer a foreign key with
    // an error that names only the types.
    if (X509_check_private_key(SSL_CTX_get0_certificate(context.get()), key->get()) != 1) {
        ERR_clear_error();
        return refused(
            "its private key belongs to another certificate; give both files of one pair");
    }
    if (SSL_CTX_use_PrivateKey(context.get(), key->get()) != 1) {
        return refused("its private key: " + take_tls_error());
    }
    return std::shared_ptr<const TlsContext>(new TlsContext(context.release()));
}

TlsContext::~TlsContext() {
    SSL_CTX_free(context_);
}

}  // namespace backplane::core
