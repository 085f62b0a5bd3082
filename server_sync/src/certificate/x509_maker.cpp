// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "certificate/x509_maker.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>

#include "certificate/pem_pair.hpp"

namespace backplane::sync {
namespace {

constexpr std::size_t k_most_common_name = 64;  // RFC 5280, appendix A.1: ub-common-name
constexpr int k_serial_bits = 120;              // unique without keeping count

using Text = std::unique_ptr<BIO, decltype(&BIO_free)>;

core::Unexpected<core::Error> not_made() {
    return core::failure("certificate.not_made",
                         "cannot make a certificate for this box: " + openssl_reason());
}

std::string pem_of(const Text& text) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(text.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

std::vector<std::string> host_names(const CertificatePlan& plan) {
    std::vector<std::string> names;
    for (const auto& name : plan.names)
        if (is_host_name(name)) names.push_back(name);
    return names;
}

std::string alternative_names(const CertificatePlan& plan) {
    std::string text;
    for (const auto& name : host_names(plan)) text += (text.empty() ? "DNS:" : ",DNS:") + name;
    for (const auto& address : plan.addresses)
        if (const auto plain = plain_address(address); !plain.empty())
            text += (text.empty() ? "IP:" : ",IP:") + plain;
    return text;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    if (extension == nullptr) return false;
    const bool added = X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

bool set_serial(X509* certificate) {
    const std::unique_ptr<BIGNUM, decltype(&BN_free)> serial{BN_new(), &BN_free};
    return serial &&
           BN_rand(serial.get(), k_serial_bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_subject(X509* certificate, const CertificatePlan& plan) {
    const auto names = host_names(plan);
    std::string name = names.empty() ? "backplane" : names.front();
    if (name.size() > k_most_common_name) name.resize(k_most_common_name);
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                                      0) == 1;
}

/// `authority` null: signs itself.
core::Result<core::TlsIdentity> make(const CertificatePlan& plan, X509* authority,
                                     EVP_PKEY* authority_key) {
    ERR_clear_error();
    const KeyPtr key{EVP_EC_gen("P-256")};
    const X509Ptr made{X509_new()};
    if (!key || !made) return not_made();
    X509* const x509 = made.get();
    X509* const issuer = authority != nullptr ? authority : x509;
    const bool filled =
        X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
        ASN1_TIME_set(X509_getm_notBefore(x509), static_cast<std::time_t>(plan.from)) != nullptr &&
        ASN1_TIME_set(X509_getm_notAfter(x509), static_cast<std::time_t>(plan.until)) != nullptr &&
        X509_set_pubkey(x509, key.get()) == 1 && set_subject(x509, plan) &&
        X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1;
    if (!filled) return not_made();
    const std::string names = alternative_names(plan);
    const bool extended =
        add_extension(x509, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x509, issuer, NID_key_usage, "critical,digitalSignature") &&
        add_extension(x509, issuer, NID_ext_key_usage, "serverAuth") &&
        add_extension(x509, issuer, NID_subject_key_identifier, "hash") &&
        (authority == nullptr ||
         add_extension(x509, issuer, NID_authority_key_identifier, "keyid,issuer")) &&
        (names.empty() || add_extension(x509, issuer, NID_subject_alt_name, names));
    if (!extended) return not_made();
    EVP_PKEY* const signer = authority_key != nullptr ? authority_key : key.get();
    // A key of the EdDSA family brings its own digest.
    const int type = EVP_PKEY_get_id(signer);
    const bool own_digest = type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448;
    if (X509_sign(x509, signer, own_digest ? nullptr : EVP_sha256()) <= 0) return not_made();

    const Text certificate_text{BIO_new(BIO_s_mem()), &BIO_free};
    const Text key_text{BIO_new(BIO_s_secmem()), &BIO_free};
    if (!certificate_text || !key_text || PEM_write_bio_X509(certificate_text.get(), x509) != 1 ||
        PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                 nullptr) != 1) {
        return not_made();
    }
    return core::TlsIdentity{pem_of(certificate_text), pem_of(key_text)};
}

}  // namespace

/// Only what can stand in a name goes into the extension's text: a comma would begin another entry
/// there.
bool is_host_name(std::string_view name) {
    return !name.empty() && name.size() <= 253 && name.front() != '-' && name.front() != '.' &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
           });
}

std::string plain_address(const std::string& text) {
    for (const int family : {AF_INET, AF_INET6}) {
        std::array<unsigned char, 16> bytes{};
        std::array<char, INET6_ADDRSTRLEN> plain{};
        if (::inet_pton(family, text.c_str(), bytes.data()) == 1 &&
            ::inet_ntop(family, bytes.data(), plain.data(), plain.size()) != nullptr)
            return plain.data();
    }
    return {};
}

core::Result<core::TlsIdentity> make_self_signed(const CertificatePlan& plan) {
    return make(plan, nullptr, nullptr);
}

core::Result<core::TlsIdentity> make_signed(const CertificatePlan& plan,
                                            const core::TlsIdentity& authority) {
    const std::string what = "the authority of the configuration";
    const auto certificate = read_certificate(authority.certificates_pem, what);
    if (!certificate) return core::Unexpected<core::Error>{certificate.error()};
    const auto key = read_key(authority.key_pem, what);
    if (!key) return core::Unexpected<core::Error>{key.error()};
    if (X509_check_private_key(certificate->get(), key->get()) != 1) {
        ERR_clear_error();
        return core::failure("certificate.mismatch",
                             what + " cannot be used: its key belongs to another certificate");
    }
    if (X509_check_ca(certificate->get()) == 0) {
        return core::failure("certificate.unreadable",
                             what +
                                 " cannot be used: it is a certificate that may not sign others "
                                 "(basicConstraints has no CA:TRUE)");
    }
    CertificatePlan within = plan;
    // Nobody believes a certificate that outlives its issuer.
    within.until = std::min(plan.until, facts_of(certificate->get()).not_after);
    auto made = make(within, certificate->get(), key->get());
    if (!made) return made;
    const bool is_root = X509_NAME_cmp(X509_get_subject_name(certificate->get()),
                                       X509_get_issuer_name(certificate->get())) == 0;
    if (!is_root) made->certificates_pem += authority.certificates_pem;
    return made;
}

bool is_signed_by(const core::TlsIdentity& identity, const core::TlsIdentity& authority) {
    const auto certificate = read_certificate(identity.certificates_pem, "the certificate");
    const auto issuer = read_certificate(authority.certificates_pem, "the authority");
    if (!certificate || !issuer) return false;
    const bool is_signed = X509_check_issued(issuer->get(), certificate->get()) == X509_V_OK &&
                           X509_verify(certificate->get(), X509_get0_pubkey(issuer->get())) == 1;
    ERR_clear_error();
    return is_signed;
}

}  // namespace backplane::sync
