// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "handlers/refusals.hpp"

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <cstdio>

namespace backplane::sync {

using core::failure;

namespace {

std::string seconds(std::chrono::milliseconds time) {
    if (time.count() % 1000 == 0) return std::to_string(time.count() / 1000) + " s";
    return std::to_string(time.count()) + " ms";
}

std::string bytes(std::uint64_t count) {
    constexpr std::uint64_t k_kib = 1024, k_mib = k_kib * 1024;
    if (count >= k_mib && count % k_mib == 0) return std::to_string(count / k_mib) + " MiB";
    if (count >= k_kib && count % k_kib == 0) return std::to_string(count / k_kib) + " KiB";
    return std::to_string(count) + " bytes";
}

}  // namespace

Refusal refuse_no_server() {
    return failure(
        "E_NET",
        "no Odoo server is known that could deliver driver updates: set odoo.server in the "
        "configuration, or install a bundle from a file");
}

Refusal refuse_lookup(const std::string& host, std::string_view reason) {
    return failure("E_NET",
                   "the Odoo server " + foreign_text(host) + " was not found (" +
                       std::string(reason) +
                       "): check odoo.server in the configuration, and the network and name "
                       "server of the box");
}

Refusal refuse_cut(const ServerUrl& url, Line::Cut why, const HandlerLimits& limits,
                   std::uint64_t received) {
    const std::string who = url.origin();
    switch (why) {
        case Line::Cut::silent:
            return failure("E_SLOW",
                           who + " was asked for driver updates and has sent nothing for " +
                               seconds(limits.slow_for) +
                               ": look whether the Odoo server is overloaded, then try again");
        case Line::Cut::slow:
            return failure("E_SLOW", "the driver updates came from " + who + " at less than " +
                                         bytes(limits.slow_bytes_per_s) + " per second for " +
                                         seconds(limits.slow_for) + " and were given up after " +
                                         bytes(received) +
                                         ": check the network of the box, then try again");
        case Line::Cut::total:
            return failure("E_SLOW",
                           "the driver updates from " + who + " were not complete within " +
                               seconds(limits.total) + " (" + bytes(received) +
                               " had come): check the network of the box, then try again");
        case Line::Cut::flood:
            return refuse_size(url, limits);
        case Line::Cut::none:
        case Line::Cut::owner:
            break;
    }
    return failure("E_NET", "the download from " + who + " was given up: the box is stopping");
}

Refusal refuse_size(const ServerUrl& url, const HandlerLimits& limits) {
    return failure("E_SIZE", url.origin() + " sends more than the " + bytes(limits.bytes) +
                                 " that driver updates may have: remove modules with handlers that "
                                 "this database does not need");
}

Refusal refuse_connection(const ServerUrl& url, bool in_time, const HandlerLimits& limits) {
    const std::string what =
        in_time ? "takes no connections" : "did not answer within " + seconds(limits.connect);
    return failure("E_NET", url.origin() + " " + what +
                                ": check that the Odoo server runs, that odoo.server has the right "
                                "port, and that no firewall is between it and the box");
}

Refusal refuse_ca_file(const std::string& file) {
    return failure("E_NET", "the certificates in " + file +
                                " cannot be read, and without them the Odoo server cannot be "
                                "recognised: give a readable file in PEM format");
}

Refusal refuse_handshake(const ServerUrl& url) {
    return failure("E_NET",
                   url.origin() +
                       " answered, but no encrypted connection (TLS 1.2 or newer) could be "
                       "agreed upon: check that https is served on this port");
}

Refusal refuse_certificate(const ServerUrl& url, long verified) {
    const std::string who = url.origin();
    switch (verified) {
        // The library's own look at the name, after OpenSSL was content.
        case X509_V_OK:
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return failure("E_NET",
                           "the certificate that " + who +
                               " shows is made for another name, so this may not be your Odoo "
                               "server: set odoo.server to the name in the certificate");
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return failure("E_NET",
                           "the certificate that " + who +
                               " shows has expired: renew it on the Odoo server, and check "
                               "the clock of the box");
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return failure("E_NET",
                           "the certificate that " + who +
                               " shows is not valid yet: check the clocks of the box and of "
                               "the Odoo server");
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        // Somebody else who gives himself the name of an authority that the box knows.
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return failure("E_NET",
                           "the certificate that " + who +
                               " shows is signed by nobody whom this box knows: use one of a "
                               "public authority with its whole chain, or give the box the "
                               "certificate of your own authority");
        default:
            return failure("E_NET", "the certificate that " + who + " shows is not accepted (" +
                                        std::string(X509_verify_cert_error_string(verified)) +
                                        "): check it on the Odoo server");
    }
}

Refusal refuse_cut_off(const ServerUrl& url, std::uint64_t received, std::uint64_t expected) {
    std::string what = " closed the connection without an answer";
    if (received > 0 || expected > 0)
        what = " broke off after " + std::to_string(received) +
               (expected > 0 ? " of " + std::to_string(expected) + " bytes" : " bytes") +
               " of the driver updates";
    return failure("E_NET",
                   url.origin() + what +
                       ": try again, and look into the log of the Odoo server and its proxy "
                       "if it stays so");
}

Refusal refuse_redirect(const ServerUrl& from, const ServerUrl& to) {
    const std::string why =
        from.host == to.host && from.tls && !to.tls
            ? ", which is not encrypted, and the box does not follow: check the "
              "proxy in front of the Odoo server"
            : ", another server, to which the box does not follow: if that is "
              "your Odoo server, set odoo.server to " +
                  to.origin();
    return failure("E_SERVER", from.origin() + " redirects the request for driver updates to " +
                                   to.origin() + why);
}

Refusal refuse_redirects(const ServerUrl& first, unsigned most) {
    return failure("E_SERVER", first.origin() +
                                   " redirects the request for driver updates more than " +
                                   std::to_string(most) +
                                   " times: check the proxy in front of the Odoo server");
}

Refusal refuse_page(const ServerUrl& url) {
    return failure("E_SERVER",
                   url.origin() +
                       " answered the request for driver updates with a web page instead "
                       "of a bundle: check that odoo.server leads to Odoo itself and not "
                       "to a login or maintenance page before it");
}

Refusal refuse_encoding(const ServerUrl& url, std::string_view encoding) {
    return failure("E_SERVER", url.origin() + " sends the driver updates encoded as \"" +
                                   foreign_text(encoding) +
                                   "\" although the box asked for them as they are: switch "
                                   "compression off in the proxy in front of the Odoo server");
}

Refusal refuse_length(const ServerUrl& url, std::string_view length) {
    return failure("E_SERVER",
                   url.origin() + " says that its answer has \"" + foreign_text(length) +
                       "\" bytes, which is not a number: check the proxy in front of the "
                       "Odoo server");
}

Refusal refuse_unchanged(const ServerUrl& url) {
    return failure("E_SERVER",
                   url.origin() +
                       " says that nothing has changed (304) although the box asked for "
                       "everything: check the cache in front of the Odoo server");
}

Refusal refuse_status(const ServerUrl& url, int status) {
    std::string what = "an unexpected status (" + std::to_string(status) + ")";
    std::string help = "check that odoo.server leads to an Odoo server";
    if (status == 404) {
        what = "\"not found\" (404)";
        help =
            "check that the IoT app is installed in the database, and, if the server has several "
            "databases, that it knows which one is meant";
    } else if (status == 401 || status == 403) {
        what = "\"not allowed\" (" + std::to_string(status) + ")";
        help = "check what the proxy in front of the Odoo server asks for";
    } else if (status == 429 || status == 502 || status == 503 || status == 504) {
        what = "\"not now\" (" + std::to_string(status) + ")";
        help = "look whether the Odoo server runs and is not overloaded, then try again";
    } else if (status >= 500) {
        what = "an internal error (" + std::to_string(status) + ")";
        help = "look into the log of the Odoo server";
    }
    return failure("E_SERVER", url.origin() + " answered the request for driver updates with " +
                                   what + ": " + help);
}

}  // namespace backplane::sync
