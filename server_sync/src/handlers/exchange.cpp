// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "handlers/exchange.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "handlers/answer_head.hpp"
#include "handlers/refusals.hpp"
#include "server/http_client.hpp"
#include "server/resolver.hpp"
#include "server/server_url.hpp"

namespace backplane::sync {

namespace {

using core::BundleAnswer;
using core::Result;

constexpr std::size_t k_page_bytes = 64;  ///< of blanks, after which a body is no page

/// What one request to one address has brought.
struct Attempt {
    bool connected = false;
    Verdict verdict;
    Result<BundleAnswer> result = BundleAnswer{};
};

std::string header_value(const httplib::Response& response, const char* name) {
    return response.get_header_value(name);
}

class Exchange {
public:
    Exchange(const HandlerServer& server, const HandlerDownloadOptions& options,
             const core::BundleRequest& wanted, Line& line, std::stop_token stop)
        : server_(server),
          options_(options),
          line_(line),
          stop_(std::move(stop)),
          etag_(bare_etag(wanted.etag)),
          form_{{"identifier", server.identifier}, {"auto", wanted.forced ? "False" : "True"}} {
        if (!server.mac.empty()) form_.emplace("mac", server.mac);
    }

    Result<BundleAnswer> run() {
        if (server_.url.empty()) return refuse_no_server();
        auto first = parse_server_url(server_.url);
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
        const auto addresses = resolve(options_.resolve, url.host, options_.limits.connect, stop_);
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
        const HandlerLimits& limits = options_.limits;
        auto made = HttpClient::make(
            url, address, {options_.ca_file, limits.connect, limits.total, false}, line_);
        if (!made) {
            attempt.result = core::Unexpected(std::move(made).error());
            attempt.connected = true;  // no other address will help
            return attempt;
        }
        HttpClient& client = *made;

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
        const bool sent = client->send(request, response, error);

        attempt.connected = HttpClient::connected(error);
        if (headed && attempt.verdict.next != Verdict::Next::read_body) {
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
            attempt.result = client.why(url, error, line_);
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
        if (!server_.database.empty()) request.set_header("X-Odoo-Database", server_.database);
        return request;
    }

    const HandlerServer& server_;
    const HandlerDownloadOptions& options_;
    Line& line_;
    std::stop_token stop_;
    std::string etag_;
    httplib::Params form_;
};

}  // namespace

Result<BundleAnswer> ask_for_handlers(const HandlerServer& server,
                                      const HandlerDownloadOptions& options,
                                      const core::BundleRequest& wanted, Line& line,
                                      std::stop_token stop) {
    auto came = Exchange(server, options, wanted, line, std::move(stop)).run();
    if (!came) return core::Unexpected(as_update_error(std::move(came).error()));
    return came;
}

}  // namespace backplane::sync
