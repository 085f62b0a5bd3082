// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/http_client.hpp"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <array>

namespace backplane::sync {

namespace {

/// The certificate must be one for this host: OpenSSL looks itself, since the library's own look is
/// less strict. Both must be content.
bool expect_host(SSL_CTX* context, const std::string& host) {
    X509_VERIFY_PARAM* const wanted = SSL_CTX_get0_param(context);
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
        ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1;
    return X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size()) == 1;
}

}  // namespace

core::Result<HttpClient> HttpClient::make(const ServerUrl& url, const std::string& address,
                                          const HttpClientOptions& options, Line& line) {
    HttpClient made;
    if (url.tls) {
        auto tls = std::make_unique<httplib::SSLClient>(url.host, url.port);
        SSL_CTX* const context = tls->ssl_context();
        if (!tls->is_valid() || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
            !expect_host(context, url.host))
            return refuse_handshake(url);
        // Besides the authorities of the system, which the client adds by itself.
        if (!options.ca_file.empty() &&
            SSL_CTX_load_verify_locations(context, options.ca_file.c_str(), nullptr) != 1)
            return refuse_ca_file(options.ca_file);
        tls->enable_server_certificate_verification(true);
        made.tls_ = tls.get();
        made.client_ = std::move(tls);
    } else {
        made.client_ = std::make_unique<httplib::ClientImpl>(url.host, url.port);
    }
    httplib::ClientImpl& client = *made.client_;
    client.set_hostname_addr_map({{url.host, address}});
    client.set_socket_options([&line](socket_t socket) { line.take(socket); });
    client.set_connection_timeout(options.connect);
    client.set_read_timeout(options.talk);
    client.set_write_timeout(options.talk);
    client.set_follow_location(false);
    client.set_keep_alive(options.keep_alive);
    client.set_decompress(false);
    client.set_url_encode(false);
    client.set_tcp_nodelay(true);
    made.patience_ = options.connect;
    return made;
}

bool HttpClient::connected(httplib::Error error) noexcept {
    return error != httplib::Error::Connection && error != httplib::Error::ConnectionTimeout;
}

Refusal HttpClient::why(const ServerUrl& url, httplib::Error error, const Line& line) const {
    if (!connected(error))
        return refuse_connection(url, error != httplib::Error::ConnectionTimeout, patience_);
    if (tls_ && error == httplib::Error::SSLServerVerification)
        return refuse_certificate(url, tls_->get_openssl_verify_result());
    if (error == httplib::Error::SSLConnection || error == httplib::Error::SSLLoadingCerts)
        return refuse_handshake(url);
    return refuse_cut_off(url, line.received, line.expected);
}

}  // namespace backplane::sync
