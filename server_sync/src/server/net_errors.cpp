// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/net_errors.hpp"

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

namespace backplane::sync {

using core::failure;

namespace {

std::string who(const ServerUrl& url) {
    return "the Odoo server " + url.origin();
}

std::string certificate_of(const ServerUrl& url) {
    return "the certificate that " + url.origin() + " shows ";
}

}  // namespace

std::string text_of(std::chrono::milliseconds time) {
    if (time.count() % 1000 == 0) return std::to_string(time.count() / 1000) + " s";
    return std::to_string(time.count()) + " ms";
}

std::string text_of_bytes(std::uint64_t count) {
    constexpr std::uint64_t k_kib = 1024, k_mib = k_kib * 1024;
    if (count >= k_mib && count % k_mib == 0) return std::to_string(count / k_mib) + " MiB";
    if (count >= k_kib && count % k_kib == 0) return std::to_string(count / k_kib) + " KiB";
    return std::to_string(count) + " bytes";
}

Refusal refuse_lookup(const std::string& host, std::string_view reason) {
    return failure("net.lookup",
                   "the Odoo server " + foreign_text(host) + " was not found (" +
                       std::string(reason) +
                       "): check its address, and the network and name server of the box");
}

Refusal refuse_connection(const ServerUrl& url, bool in_time, std::chrono::milliseconds patience) {
    const std::string what =
        in_time ? " takes no connections" : " did not answer within " + text_of(patience);
    return failure("net.connect",
                   who(url) + what +
                       ": check that it runs, that its address has the right port, and that no "
                       "firewall is between it and the box");
}

Refusal refuse_ca_file(const std::string& file) {
    return failure("net.tls", "the certificates in " + file +
                                  " cannot be read, and without them the Odoo server cannot be "
                                  "recognised: give a readable file in PEM format");
}

Refusal refuse_handshake(const ServerUrl& url) {
    return failure("net.tls",
                   who(url) +
                       " answered, but no encrypted connection (TLS 1.2 or newer) could be agreed "
                       "upon: check that https is served on this port");
}

Refusal refuse_certificate(const ServerUrl& url, long verified) {
    switch (verified) {
        // The library's own look at the name, after OpenSSL was content.
        case X509_V_OK:
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return failure("net.tls",
                           certificate_of(url) +
                               "is made for another name, so this may not be your Odoo server: use "
                               "the name in the certificate as the server's address");
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return failure("net.tls", certificate_of(url) +
                                          "has expired: renew it on the Odoo server, and check the "
                                          "clock of the box");
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return failure("net.tls", certificate_of(url) +
                                          "is not valid yet: check the clocks of the box and of "
                                          "the Odoo server");
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        // Somebody else who gives himself the name of an authority that the box knows.
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return failure("net.tls", certificate_of(url) +
                                          "is signed by nobody whom this box knows: use one of a "
                                          "public authority with its whole chain, or give the box "
                                          "the certificate of your own authority");
        default:
            return failure("net.tls", certificate_of(url) + "is not accepted (" +
                                          X509_verify_cert_error_string(verified) +
                                          "): check it on the Odoo server");
    }
}

Refusal refuse_cut_off(const ServerUrl& url, std::uint64_t received, std::uint64_t expected) {
    std::string what = " closed the connection without an answer";
    if (received > 0 || expected > 0)
        what = " broke off after " + std::to_string(received) +
               (expected > 0 ? " of " + std::to_string(expected) + " bytes" : " bytes") +
               " of the answer";
    return failure("net.closed",
                   who(url) + what +
                       ": try again, and look into the log of the Odoo server and its proxy if it "
                       "stays so");
}

Refusal refuse_given_up(const ServerUrl& url) {
    return failure("net.closed", "the request to " + url.origin() +
                                     " was given up: nobody waits for it any more");
}

Refusal refuse_timeout(const ServerUrl& url, std::chrono::milliseconds patience,
                       std::uint64_t received) {
    const std::string what = received == 0
                                 ? " did not answer within " + text_of(patience)
                                 : " had not sent all of its answer after " + text_of(patience) +
                                       " (" + text_of_bytes(received) + " had come)";
    return failure(
        "net.timeout",
        who(url) + what + ": look whether it is overloaded, and check the network of the box");
}

Refusal refuse_too_large(const ServerUrl& url, std::uint64_t most) {
    return failure("net.too_large", who(url) + " sends more than the " + text_of_bytes(most) +
                                        " that this answer may have: check that the address leads "
                                        "to Odoo itself");
}

Refusal refuse_redirect(const ServerUrl& from, const ServerUrl& to) {
    const std::string why = from.host == to.host && from.tls && !to.tls
                                ? ", which is not encrypted, and the box does not follow: check "
                                  "the proxy in front of the Odoo server"
                                : ", another server, to which the box does not follow: if that is "
                                  "your Odoo server, give the box the address " +
                                      to.origin();
    return failure("net.redirect", who(from) + " redirects the request to " + to.origin() + why);
}

Refusal refuse_redirects(const ServerUrl& first, unsigned most) {
    return failure("net.redirect", who(first) + " redirects the request more than " +
                                       std::to_string(most) +
                                       " times: check the proxy in front of the Odoo server");
}

StatusText status_text(int status) {
    const std::string number = " (" + std::to_string(status) + ")";
    if (status == 404)
        return {"\"not found\"" + number,
                "check that the IoT app is installed in the database, and, if the server has "
                "several databases, that it knows which one is meant"};
    if (status == 401 || status == 403)
        return {"\"not allowed\"" + number,
                "check what the proxy in front of the Odoo server asks for"};
    if (status == 429 || status == 502 || status == 503 || status == 504)
        return {"\"not now\"" + number,
                "look whether the Odoo server runs and is not overloaded, then try again"};
    if (status >= 500)
        return {"an internal error" + number, "look into the log of the Odoo server"};
    return {"an unexpected status" + number, "check that this is the address of an Odoo server"};
}

Refusal refuse_queue_full(std::string_view url, std::size_t most) {
    const auto parsed = parse_server_url(url);
    return failure("net.queue_full",
                   "a request to " + (parsed ? parsed->origin() : std::string("a server")) +
                       " was not sent, since " + std::to_string(most) +
                       " others wait before it: look whether that server answers");
}

}  // namespace backplane::sync
