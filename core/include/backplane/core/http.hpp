// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The HTTP server as its users see it. No HTTP library shows through: the one that is used lives in one file.
//
// Thread: handlers are called on the main loop and must not block. Limits: per connection and in total, see HttpLimits;
// who exceeds one gets a plain 4xx (or is cut off when it does not read), nobody else notices.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backplane/core/result.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::core {

struct HttpLimits {
    std::size_t header_bytes = 16u << 10;
    std::size_t body_bytes = 10u << 20;  ///< more is 413; what clients are used to from other boxes
    /// Paths whose bodies may be larger than that, exactly as clients send them: "/a/b", no query, no escapes.
    std::vector<std::pair<std::string, std::size_t>> larger_bodies{};
    std::size_t buffered_body_bytes = 64u << 20;  ///< of all connections together; more is 503
    std::size_t connections = 1024;               ///< in total; a further one is answered 503
    std::size_t connections_per_address = 512;    ///< further ones are answered 429
    std::chrono::milliseconds header_time{
        10'000};  ///< from the first byte of a request to the end of its header; else 408
    std::chrono::milliseconds body_time{60'000};  ///< for the whole body; else 408
    std::chrono::milliseconds idle_time{75'000};  ///< between two requests; then closed
    std::chrono::milliseconds write_time{
        30'000};  ///< a client that does not read for so long is cut off
    std::size_t stream_backlog_bytes = 1u << 20;  ///< unsent bytes of one stream; more cuts it off
};

enum class HttpMethod { get, head, post, put, delete_, options, other };

/// A received request. Owned by the exchange.
struct HttpRequest {
    HttpMethod method = HttpMethod::other;
    std::string target;  ///< as sent, "/a/b?c=d"
    std::string path;    ///< decoded up to '?'; never contains NUL
    std::string query;   ///< after '?', as sent
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    std::string remote_address;  ///< "127.0.0.1"; "unix" for the control socket
    bool tls = false;            ///< it came over https
    bool keep_alive = true;

    /// First header of this name (any case), or empty.
    std::string_view header(std::string_view name) const noexcept;
};

struct HttpResponse {
    unsigned status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
};

/// One request that waits for its answer. Answer it exactly once, now or later; when it is dropped without an answer the
/// client gets 500. Copies of the pointer may be kept as long as needed.
class HttpExchange {
public:
    virtual ~HttpExchange() = default;

    virtual const HttpRequest& request() const noexcept = 0;

    virtual void respond(HttpResponse response) = 0;

    /// Answer with a stream (server-sent events): headers now, pieces later through write(), until close().
    virtual void begin_stream(HttpResponse head) = 0;
    /// False when the client has gone or was cut off for not reading.
    virtual bool write(std::string piece) = 0;
    virtual void close() = 0;

    /// Called once when the client has gone before the answer was complete. At most one; a later call replaces it.
    virtual void on_gone(std::function<void()> gone) = 0;
};
using HttpExchangePtr = std::shared_ptr<HttpExchange>;
using HttpHandler = std::function<void(HttpExchangePtr)>;

/// What an HTTPS server shows of itself. The key is a secret.
struct TlsIdentity {
    std::string certificates_pem;  ///< its own first, then those between it and the authority
    std::string key_pem;
};

/// Figures for /metrics and the tests.
struct HttpStatistics {
    std::uint64_t accepted = 0, requests = 0, refused_total = 0, refused_per_address = 0,
                  timeouts = 0, too_large = 0, malformed = 0, cut_off = 0;
    std::size_t open = 0, waiting_exchanges = 0, buffered_body_bytes = 0;
};

class HttpServer {
public:
    /// `handler` gets every well-formed request.
    static std::unique_ptr<HttpServer> create(boost::asio::io_context& loop, HttpLimits limits,
                                              HttpHandler handler);
    virtual ~HttpServer() = default;

    /// Port 0 takes a free one. Returns the port. Call it several times for several addresses.
    virtual Result<std::uint16_t> listen_tcp(const std::string& address, std::uint16_t port) = 0;
    /// A listening socket inherited from the service manager; `tls`: it is one for https.
    virtual Result<void> listen_fd(int fd, bool tls = false) = 0;
    /// The same as listen_tcp() over TLS 1.2 and 1.3. Before the first use_identity() a handshake fails.
    virtual Result<std::uint16_t> listen_tls(const std::string& address, std::uint16_t port) = 0;
    /// What new TLS connections show from now on; those that are open keep what they have. Error "http.identity": the
    /// two do not belong together, or are not readable; the old one stays.
    virtual Result<void> use_identity(const TlsIdentity& identity) = 0;
    /// Mode 0660; an old socket file that nobody listens on is replaced. Limits on connections do not apply.
    virtual Result<void> listen_unix(const std::string& path) = 0;

    /// Close the listening sockets, let answers go out for at most this long, then close everything.
    virtual void stop(std::chrono::milliseconds drain, std::function<void()> stopped) = 0;

    virtual HttpStatistics statistics() const = 0;
};

/// Path → handler. Exact paths first, then the longest prefix that ends in "/"; otherwise 404.
class HttpRouter {
public:
    void add(std::string path, HttpHandler handler);
    void add_prefix(std::string prefix, HttpHandler handler);
    void set_fallback(HttpHandler handler);
    void operator()(HttpExchangePtr exchange) const;

private:
    struct Table;
    std::shared_ptr<Table> table_ = make_table();
    static std::shared_ptr<Table> make_table();
};

}  // namespace backplane::core
