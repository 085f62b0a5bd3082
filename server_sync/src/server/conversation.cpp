// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/conversation.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "server/http_client.hpp"
#include "server/net_errors.hpp"
#include "server/resolver.hpp"

namespace backplane::sync {

namespace {

// What Odoo's server takes for a box; a browser would be treated differently (protocol page, 3).
constexpr auto k_user_agent = "OdooIoTBox/1.0";

// The library's own patience must not end together with that of who cuts the line, and says why.
constexpr std::chrono::seconds k_after_the_cut{10};

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

httplib::Request to_send(const ServerRequest& request, const ServerUrl& url) {
    httplib::Request out;
    out.method = request.method;
    out.path = url.path;
    for (const auto& [name, value] : request.headers) out.set_header(name, value);
    if (!out.has_header("User-Agent")) out.set_header("User-Agent", k_user_agent);
    if (!out.has_header("Accept-Encoding")) out.set_header("Accept-Encoding", "identity");
    if (!request.content_type.empty()) out.set_header("Content-Type", request.content_type);
    // Given as a body, the library would invent a content type for it where there is none.
    const std::string& body = request.body;
    if (request.chunked) {
        out.set_header("Transfer-Encoding", "chunked");
        out.is_chunked_content_provider_ = true;
        out.content_provider_ = [&body](std::size_t offset, std::size_t, httplib::DataSink& sink) {
            if (offset < body.size() && !sink.write(body.data() + offset, body.size() - offset))
                return false;
            sink.done();
            return true;
        };
    } else if (!body.empty()) {
        out.content_length_ = body.size();
        out.content_provider_ = [&body](std::size_t offset, std::size_t length,
                                        httplib::DataSink& sink) {
            return sink.write(body.data() + offset, std::min(length, body.size() - offset));
        };
    }
    return out;
}

}  // namespace

/// What one request to one address has brought.
struct Conversation::Attempt {
    bool connected = false;  ///< or no other address will help
    bool whole = false;      ///< the answer was read to its end
    bool untouched = false;  ///< the connection was gone before it brought a single byte
    core::Result<ServerAnswer> result = ServerAnswer{};
};

Conversation::Conversation(LaneOptions options, Line& line)
    : options_(std::move(options)), line_(line) {}

Conversation::~Conversation() = default;

core::Result<ServerAnswer> Conversation::ask(const ServerRequest& request, std::stop_token stop) {
    auto first = parse_server_url(request.url);
    if (!first) return core::Unexpected(std::move(first).error());
    ServerUrl url = *first;
    for (unsigned hop = 0; hop <= request.redirects; ++hop) {
        Attempt attempt = ask_at(url, request, stop);
        keep_or_drop(attempt);
        switch (line_.why()) {
            case Line::Cut::none:
                break;
            case Line::Cut::owner:
                return refuse_given_up(url);
            case Line::Cut::flood:
                return refuse_too_large(url, request.answer_bytes);
            case Line::Cut::silent:
            case Line::Cut::slow:
            case Line::Cut::total:
                if (!attempt.result && attempt.result.error().code == "net.lookup")
                    return std::move(attempt.result);
                if (!attempt.connected) return refuse_connection(url, false, request.total);
                return refuse_timeout(url, request.total, line_.received);
        }
        if (!attempt.result || request.redirects == 0 || !is_redirect(attempt.result->status))
            return std::move(attempt.result);
        auto to = redirected(url, attempt.result->header("Location"));
        if (!to) return core::Unexpected(std::move(to).error());
        if (!may_follow(url, *to)) return refuse_redirect(url, *to);
        url = *std::move(to);
    }
    return refuse_redirects(*first, request.redirects);
}

Conversation::Attempt Conversation::ask_at(const ServerUrl& url, const ServerRequest& request,
                                           const std::stop_token& stop) {
    if (client_ && origin_ == url.origin()) {
        Attempt attempt = ask_over(*client_, url, request);
        // Also when the address leads nowhere any more: the name may have got another one.
        const bool once_more = attempt.untouched || !attempt.connected;
        if (!once_more || line_.why() != Line::Cut::none) return attempt;
    }
    client_.reset();
    Attempt last;
    const auto addresses =
        resolve(options_.resolve, url.host, std::min(options_.connect, request.total), stop);
    if (!addresses) {
        last.result = core::Unexpected(addresses.error());
        return last;
    }
    origin_ = url.origin();
    for (const std::string& address : *addresses) {
        auto made = HttpClient::make(
            url, address,
            {options_.ca_file, options_.connect, request.total + k_after_the_cut, true}, line_);
        if (!made) {
            last.result = core::Unexpected(std::move(made).error());
            last.connected = true;
            return last;
        }
        client_ = std::make_unique<HttpClient>(*std::move(made));
        last = ask_over(*client_, url, request);
        last.untouched = false;
        if (last.connected || line_.why() != Line::Cut::none) break;
    }
    return last;
}

Conversation::Attempt Conversation::ask_over(HttpClient& client, const ServerUrl& url,
                                             const ServerRequest& request) {
    Attempt attempt;
    ServerAnswer answer;
    bool headed = false, too_large = false, no_body = false;
    // The client may have been made for a request with another patience.
    client->set_read_timeout(request.total + k_after_the_cut);
    client->set_write_timeout(request.total + k_after_the_cut);
    line_.received = 0;
    line_.expected = 0;
    const unsigned sockets = line_.sockets();
    const std::uint64_t bytes = line_.wire_bytes();

    const auto take_head = [&](const httplib::Response& response) {
        answer.status = response.status;
        answer.headers.assign(response.headers.begin(), response.headers.end());
    };
    httplib::Request sending = to_send(request, url);
    sending.response_handler = [&](const httplib::Response& response) {
        headed = true;
        take_head(response);
        // The library would wait for a body that never comes.
        no_body = answer.status == 304 || answer.status < 200 ||
                  (request.redirects > 0 && is_redirect(answer.status));
        if (no_body) return false;
        const std::string length = response.get_header_value("Content-Length");
        std::uint64_t expected = 0;
        const auto [end, error] =
            std::from_chars(length.data(), length.data() + length.size(), expected);
        too_large = error == std::errc::result_out_of_range || expected > request.answer_bytes;
        if (too_large) return false;
        line_.expected = expected;
        return true;
    };
    sending.content_receiver = [&](const char* data, std::size_t size, std::uint64_t,
                                   std::uint64_t) {
        too_large = size > request.answer_bytes - answer.body.size();
        if (too_large) return false;
        answer.body.append(data, size);
        line_.received = answer.body.size();
        return true;
    };
    httplib::Response response;
    auto error = httplib::Error::Success;
    const bool sent = client->send(sending, response, error);

    attempt.connected = HttpClient::connected(error);
    if (too_large) {
        attempt.result = refuse_too_large(url, request.answer_bytes);
    } else if (sent || no_body) {
        if (!headed) take_head(response);
        attempt.whole = sent;
        attempt.result = std::move(answer);
    } else {
        // The kernel counts the end of a connection as one byte; over TLS the farewell of the server
        // is a few of them.
        attempt.untouched = !headed && response.status < 0 && line_.sockets() == sockets &&
                            (url.tls || line_.wire_bytes() <= bytes + 1);
        attempt.result = client.why(url, error, line_);
    }
    return attempt;
}

void Conversation::keep_or_drop(const Attempt& attempt) {
    if (!client_) return;
    if (!attempt.whole || line_.why() != Line::Cut::none || (*client_)->is_socket_open() == 0)
        client_.reset();
}

}  // namespace backplane::sync
