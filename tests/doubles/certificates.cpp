// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <stdexcept>

namespace backplane::tests {

namespace {

void check(bool worked, const char* what) {
    if (!worked) throw std::runtime_error(std::string("no test certificate: ") + what + " failed");
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    check(extension != nullptr, "X509V3_EXT_conf_nid");
    const bool added = X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    check(added, "X509_add_ext");
}

void set_time(ASN1_TIME* time, std::chrono::seconds from_now) {
    check(X509_gmtime_adj(time, static_cast<long>(from_now.count())) != nullptr, "X509_gmtime_adj");
}

/// A key and a certificate for it that nobody has signed yet.
Certificate unsigned_certificate(const std::string& subject, const CertificateWish& wish) {
    static std::atomic<long> serial{1};
    Certificate made;
    made.key.reset(EVP_EC_gen("P-256"));
    check(made.key != nullptr, "EVP_EC_gen");
    made.x509.reset(X509_new());
    X509* const x509 = made.x509.get();
    check(x509 != nullptr && X509_set_version(x509, X509_VERSION_3) == 1, "X509_new");
    check(ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++) == 1, "ASN1_INTEGER_set");
    set_time(X509_getm_notBefore(x509), wish.from);
    set_time(X509_getm_notAfter(x509), wish.until);
    check(X509_set_pubkey(x509, made.key.get()) == 1, "X509_set_pubkey");
    check(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(subject.c_str()), -1,
                                     -1, 0) == 1,
          "X509_NAME_add_entry_by_txt");
    return made;
}

void add_names(X509* certificate, X509* issuer, const CertificateWish& wish) {
    std::string names;
    for (const auto& name : wish.names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
    for (const auto& address : wish.addresses) names += (names.empty() ? "IP:" : ",IP:") + address;
    if (!names.empty()) add_extension(certificate, issuer, NID_subject_alt_name, names);
}

std::string subject_of(const CertificateWish& wish) {
    return wish.names.empty() ? "a server" : wish.names.front();
}

}  // namespace

std::string Certificate::pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
    check(memory && PEM_write_bio_X509(memory.get(), x509.get()) == 1, "PEM_write_bio_X509");
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string Certificate::private_key_pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
    check(memory && PEM_write_bio_PrivateKey(memory.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                             nullptr) == 1,
          "PEM_write_bio_PrivateKey");
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

Certificate self_signed(const CertificateWish& wish) {
    Certificate made = unsigned_certificate(subject_of(wish), wish);
    X509* const x509 = made.x509.get();
    check(X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1, "X509_set_issuer_name");
    add_names(x509, x509, wish);
    check(X509_sign(x509, made.key.get(), EVP_sha256()) > 0, "X509_sign");
    return made;
}

CertificateAuthority::CertificateAuthority()
    : own_(unsigned_certificate("Authority of one test", {})) {
    X509* const x509 = own_.x509.get();
    check(X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1, "X509_set_issuer_name");
    add_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign");
    check(X509_sign(x509, own_.key.get(), EVP_sha256()) > 0, "X509_sign");
}

Certificate CertificateAuthority::issue(const CertificateWish& wish) const {
    Certificate made = unsigned_certificate(subject_of(wish), wish);
    X509* const x509 = made.x509.get();
    check(X509_set_issuer_name(x509, X509_get_subject_name(own_.x509.get())) == 1,
          "X509_set_issuer_name");
    add_names(x509, own_.x509.get(), wish);
    check(X509_sign(x509, own_.key.get(), EVP_sha256()) > 0, "X509_sign");
    return made;
}

}  // namespace backplane::tests
