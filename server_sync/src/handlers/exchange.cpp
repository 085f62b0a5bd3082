// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "handlers/exchange.hpp"

#include <arpa/inet.h>
#include <httplib.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "handlers/answer_head.hpp"
#include "handlers/refusals.hpp"
#include "handlers/resolver.hpp"
#include "handlers/server_url.hpp"

namespace backplane::sync {

namespace {

using core::BundleAnswer;
using core::Result;

constexpr std::size_t k_page_bytes = 64;  ///< of blanks, after which a body is no page

/// What one request to one address has brought.
struct Attempt {
    bool connected = false;
    bool connect_timeout = false;
    Verdict verdict;
    Result<BundleAnswer> result = BundleAnswer{};
};

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

std::string header_value(const httplib::Response& response, const char* name) {
    return response.get_header_value(name);
}

class Exchange {
public:
    Exchange(const HandlerDownloadOptions& options, const core::BundleRequest& wanted, Line& line,
             std::stop_token stop)
        : options_(options),
          line_(line),
          stop_(std::move(stop)),
          etag_(bare_etag(wanted.etag)),
          form_{{"identifier", options.identifier}, {"auto", wanted.forced ? "False" : "True"}} {
        if (!options.mac.empty()) form_.emplace("mac", options.mac);
    }

    Result<BundleAnswer> run() {
        if (options_.server.empty()) return refuse_no_server();
        auto first = parse_server_url(options_.server);
        if (!first) return core::Unexpected(std::move(first).error());
        ServerUrl url = *first;
        // The database's address may have a path of its own; a query of it means nothing here.
        url.path.resize(std::min(url.path.find('?'), url.path.size()));
        while (url.path.ends_with('/')) url.path.pop_back();
        url.path += "/iot/get_handlers";
        for (unsigned hop = 0; hop <= options_.limits.redirects; ++hop) {
            Attempt attempt = ask(url);
            if (const auto why = line_.why(); why != Line::Cut::none)
                return refuse_cut(url, why, options_.limits, line_.received);
            if (attempt.verdict.next != Verdict::Next::follow) return std::move(attempt.result);
            auto to = redirected(url, attempt.verdict.location);
            if (!to) return core::Unexpected(std::move(to).error());
            if (!may_follow(url, *to)) return refuse_redirect(url, *to);
            url = *std::move(to);
        }
        return refuse_redirects(*first, options_.limits.redirects);
    }

private:
    /// All addresses of the host, until one takes the connection.
    Attempt ask(const ServerUrl& url) {
        Attempt last;
        const auto addresses = resolve(options_, url.host, stop_);
        if (!addresses) {
            last.result = core::Unexpected(addresses.error());
            return last;
        }
        for (const std::string& address : *addresses) {
            last = ask(url, address);
            if (last.connected || line_.why() != Line::Cut::none) return last;
        }
        return last;
    }

    Attempt ask(const ServerUrl& url, const std::string& address) {
        Attempt attempt;
        std::unique_ptr<httplib::ClientImpl> plain;
        std::unique_ptr<httplib::SSLClient> tls;
        if (url.tls) {
            tls = std::make_unique<httplib::SSLClient>(url.host, url.port);
            SSL_CTX* const context = tls->ssl_context();
            if (!tls->is_valid() || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
                !expect_host(context, url.host)) {
                attempt.result = refuse_handshake(url);
                attempt.connected = true;  // no other address will help
                return attempt;
            }
            // Besides the authorities of the system, which the client adds by itself.
            if (!options_.ca_file.empty() &&
                SSL_CTX_load_verify_locations(context, options_.ca_file.c_str(), nullptr) != 1) {
                attempt.result = refuse_ca_file(options_.ca_file);
                attempt.connected = true;
                return attempt;
            }
            tls->enable_server_certificate_verification(true);
        } else {
            plain = std::make_unique<httplib::ClientImpl>(url.host, url.port);
        }
        httplib::ClientImpl& client = tls ? *tls : *plain;
        prepare(client, url, address);

        std::vector<std::byte> body;
        bool headed = false, too_big = false, page = false;
        httplib::Request request = make_request(url);
        request.response_handler = [&](const httplib::Response& response) {
            headed = true;
            attempt.verdict =
                judge(url,
                      {response.status, header_value(response, "ETag"),
                       header_value(response, "Location"), header_value(response, "Content-Length"),
                       header_value(response, "Content-Encoding")},
                      options_.limits, !etag_.empty());
            line_.expected = attempt.verdict.expected;
            body.reserve(static_cast<std::size_t>(attempt.verdict.expected));
            return attempt.verdict.next == Verdict::Next::read_body;
        };
        request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t,
                                       std::uint64_t) {
            too_big = size > options_.limits.bytes - body.size();
            if (too_big) return false;
            const auto* const bytes = reinterpret_cast<const std::byte*>(data);
            body.insert(body.end(), bytes, bytes + size);
            line_.received = body.size();
            if (body.size() - size < k_page_bytes)
                page = begins_a_page({reinterpret_cast<const char*>(body.data()), body.size()})
                           .value_or(false);
            return !page;
        };
        httplib::Response response;
        auto error = httplib::Error::Success;
        const bool sent = client.send(request, response, error);

        attempt.connect_timeout = error == httplib::Error::ConnectionTimeout;
        attempt.connected = error != httplib::Error::Connection && !attempt.connect_timeout;
        if (!attempt.connected) {
            attempt.result = refuse_connection(url, !attempt.connect_timeout, options_.limits);
        } else if (headed && attempt.verdict.next != Verdict::Next::read_body) {
            if (attempt.verdict.next == Verdict::Next::refuse)
                attempt.result = core::Unexpected(attempt.verdict.error);
            else if (attempt.verdict.next == Verdict::Next::unchanged)
                attempt.result =
                    BundleAnswer{BundleAnswer::Kind::unchanged, {}, attempt.verdict.etag};
        } else if (too_big) {
            attempt.result = refuse_size(url, options_.limits);
        } else if (page) {
            attempt.result = refuse_page(url);
        } else if (!sent) {
            attempt.result = failed(url, error, tls.get());
        } else if (!headed && response.status != 204) {
            attempt.result = refuse_status(url, response.status);
        } else if (body.empty()) {
            attempt.result = BundleAnswer{BundleAnswer::Kind::nothing, {}, attempt.verdict.etag};
        } else {
            attempt.result =
                BundleAnswer{BundleAnswer::Kind::archive, std::move(body), attempt.verdict.etag};
        }
        return attempt;
    }

    void prepare(httplib::ClientImpl& client, const ServerUrl& url, const std::string& address) {
        const HandlerLimits& limits = options_.limits;
        client.set_hostname_addr_map({{url.host, address}});
        client.set_socket_options([this](socket_t socket) { line_.take(socket); });
        client.set_connection_timeout(limits.connect);
        // Who looks at the pace cuts the line before that.
        client.set_read_timeout(limits.total);
        client.set_write_timeout(limits.total);
        client.set_follow_location(false);
        client.set_keep_alive(false);
        client.set_decompress(false);
        client.set_url_encode(false);
        client.set_tcp_nodelay(true);
    }

    httplib::Request make_request(const ServerUrl& url) const {
        httplib::Request request;
        request.method = "POST";
        request.path = url.path;
        request.body = httplib::detail::params_to_query_str(form_);
        request.set_header("Content-Type", "application/x-www-form-urlencoded");
        // What Odoo's server takes for a box; a browser would be treated differently.
        request.set_header("User-Agent", "OdooIoTBox/1.0");
        request.set_header("Accept", "*/*");
        request.set_header("Accept-Encoding", "identity");
        if (!etag_.empty()) request.set_header("If-None-Match", etag_);
        if (!options_.database.empty()) request.set_header("X-Odoo-Database", options_.database);
        return request;
    }

    Refusal failed(const ServerUrl& url, httplib::Error error, httplib::SSLClient* tls) const {
        if (tls && error == httplib::Error::SSLServerVerification)
            return refuse_certificate(url, tls->get_openssl_verify_result());
        if (error == httplib::Error::SSLConnection || error == httplib::Error::SSLLoadingCerts)
            return refuse_handshake(url);
        return refuse_cut_off(url, line_.received, line_.expected);
    }

    const HandlerDownloadOptions& options_;
    Line& line_;
    std::stop_token stop_;
    std::string etag_;
    httplib::Params form_;
};

}  // namespace

Result<BundleAnswer> ask_for_handlers(const HandlerDownloadOptions& options,
                                      const core::BundleRequest& wanted, Line& line,
                                      std::stop_token stop) {
    return Exchange(options, wanted, line, std::move(stop)).run();
}

}  // namespace backplane::sync
