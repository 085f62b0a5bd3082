// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "certificate/pem_pair.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace backplane::sync {
namespace {

struct FreeBio {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
struct FreeContext {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
struct FreeNames {
    void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
};

constexpr int k_most_names = 100;  // that are looked at

std::unique_ptr<BIO, FreeBio> reader(const std::string& pem) {
    return std::unique_ptr<BIO, FreeBio>{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
}

/// Instead of OpenSSL's own, which would ask on the terminal.
int no_password(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

core::Unexpected<core::Error> unreadable(const std::string& what, const std::string& why) {
    return core::failure("certificate.unreadable", what + " cannot be used: " + why);
}

std::string text_of(const ASN1_STRING* string) {
    const auto* const data = ASN1_STRING_get0_data(string);
    const int size = ASN1_STRING_length(string);
    // A NUL inside would end the name somewhere else for others.
    const std::string_view text{reinterpret_cast<const char*>(data),
                                static_cast<std::size_t>(std::max(size, 0))};
    return text.find('\0') == std::string_view::npos ? std::string(text) : std::string();
}

std::string address_text(const ASN1_OCTET_STRING* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int size = ASN1_STRING_length(address);
    if (size != 4 && size != 16) return {};
    ::inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text.data(),
                static_cast<socklen_t>(text.size()));
    return text.data();
}

double time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
    return static_cast<double>(::timegm(&parts));
}

}  // namespace

void FreeX509::operator()(X509* certificate) const noexcept {
    X509_free(certificate);
}
void FreeKey::operator()(EVP_PKEY* key) const noexcept {
    EVP_PKEY_free(key);
}

std::string openssl_reason() {
    const auto error = ERR_get_error();
    ERR_clear_error();
    if (error == 0) return "no details";
    const char* const reason = ERR_reason_error_string(error);
    return reason != nullptr ? reason : "error " + std::to_string(error);
}

bool CertificateFacts::is_good_for(std::string_view name) const noexcept {
    return std::find(names.begin(), names.end(), name) != names.end();
}

core::Result<X509Ptr> read_certificate(const std::string& pem, const std::string& what) {
    ERR_clear_error();
    if (pem.size() > k_most_pem_bytes) return unreadable(what, "the file is larger than 256 kB");
    const auto bio = reader(pem);
    X509Ptr certificate{bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr};
    if (!certificate)
        return unreadable(what, "it is no certificate in PEM format (" + openssl_reason() + ")");
    ERR_clear_error();
    return certificate;
}

core::Result<KeyPtr> read_key(const std::string& pem, const std::string& what) {
    ERR_clear_error();
    if (pem.size() > k_most_pem_bytes)
        return unreadable(what, "the key file is larger than 256 kB");
    const auto bio = reader(pem);
    bool asked = false;
    KeyPtr key{bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, &asked) : nullptr};
    const std::string reason = key ? std::string() : openssl_reason();
    ERR_clear_error();
    if (key) return key;
    if (asked) {
        return unreadable(what,
                          "its key is protected by a password; store the key without one, "
                          "readable by this service alone");
    }
    return unreadable(what, "its key is no private key in PEM format (" + reason + ")");
}

CertificateFacts facts_of(X509* certificate) {
    CertificateFacts facts;
    X509_NAME* const subject = X509_get_subject_name(certificate);
    if (const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0)
        facts.common_name = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    facts.not_before = time_of(X509_get0_notBefore(certificate));
    facts.not_after = time_of(X509_get0_notAfter(certificate));

    const std::unique_ptr<GENERAL_NAMES, FreeNames> all{static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
    ERR_clear_error();
    std::vector<std::string> addresses;
    const int count = all ? std::min(sk_GENERAL_NAME_num(all.get()), k_most_names) : 0;
    for (int i = 0; i < count; ++i) {
        int type = 0;
        const void* const value =
            GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all.get(), i), &type);
        if (type == GEN_DNS) {
            auto name = text_of(static_cast<const ASN1_STRING*>(value));
            if (!name.empty()) facts.names.push_back(std::move(name));
        } else if (type == GEN_IPADD) {
            auto address = address_text(static_cast<const ASN1_OCTET_STRING*>(value));
            if (!address.empty()) addresses.push_back(std::move(address));
        }
    }
    facts.names.insert(facts.names.end(), addresses.begin(), addresses.end());
    return facts;
}

core::Result<CheckedPair> check_pair(core::TlsIdentity identity, const std::string& what) {
    const auto certificate = read_certificate(identity.certificates_pem, what);
    if (!certificate) return core::Unexpected<core::Error>{certificate.error()};
    const auto key = read_key(identity.key_pem, what);
    if (!key) return core::Unexpected<core::Error>{key.error()};
    if (X509_check_private_key(certificate->get(), key->get()) != 1) {
        ERR_clear_error();
        return core::failure("certificate.mismatch",
                             what +
                                 " cannot be used: its key belongs to another certificate; give "
                                 "the two files of one pair");
    }
    const std::unique_ptr<SSL_CTX, FreeContext> context{SSL_CTX_new(TLS_server_method())};
    if (!context || SSL_CTX_use_certificate(context.get(), certificate->get()) != 1 ||
        SSL_CTX_use_PrivateKey(context.get(), key->get()) != 1) {
        return unreadable(what, openssl_reason());
    }
    auto facts = facts_of(certificate->get());
    if (facts.not_after <= 0) return unreadable(what, "the date of its end is not readable");
    return CheckedPair{std::move(identity), std::move(facts)};
}

std::string utc_text(double time) {
    if (time == 0) return {};
    const auto seconds = static_cast<std::time_t>(time);
    std::tm parts{};
    if (::gmtime_r(&seconds, &parts) == nullptr) return {};
    std::array<char, 64> text{};
    const auto size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
    return {text.data(), size};
}

}  // namespace backplane::sync
