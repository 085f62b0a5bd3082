// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The HTTP server on Boost.Asio: what its users see of it.
//
// Purpose: hundreds of waiting long polls beside short requests, on one thread, with a bound on
// everything a client can do. Behind it: ServerCore (shared by all connections), ServerConnection
// (one socket), ServerExchange (one request and its answer), RequestParser, Wire (TLS or not).
#include "backplane/core/http.hpp"

#include <boost/asio/io_context.hpp>

#include <exception>
#include <utility>

#include "http/listen_socket.hpp"
#include "http/server_core.hpp"
#include "http/tls_context.hpp"

namespace backplane::core {
namespace {

namespace asio = boost::asio;

class AsioHttpServer final : public HttpServer {
public:
    AsioHttpServer(asio::io_context& loop, HttpLimits limits, HttpHandler handler)
        : core_(std::make_shared<ServerCore>(loop, limits, std::move(handler))) {}
    AsioHttpServer(const AsioHttpServer&) = delete;
    AsioHttpServer& operator=(const AsioHttpServer&) = delete;
    ~AsioHttpServer() override { core_->shut_down(); }

    Result<std::uint16_t> listen_tcp(const std::string& address, std::uint16_t port) override {
        return listen(address, port, ServerCore::Speech::plain);
    }
    Result<std::uint16_t> listen_tls(const std::string& address, std::uint16_t port) override {
        return listen(address, port, ServerCore::Speech::tls);
    }
    Result<void> use_identity(const TlsIdentity& identity) override {
        auto context = TlsContext::create(identity);
        if (!context) return Unexpected<Error>{context.error()};
        core_->tls = std::move(*context);
        return {};
    }
    Result<void> listen_fd(int fd, bool tls) override {
        auto socket = adopt_listening(fd);
        if (!socket) return Unexpected<Error>{socket.error()};
        return add(std::move(*socket), tls ? ServerCore::Speech::tls : ServerCore::Speech::plain);
    }
    Result<void> listen_unix(const std::string& path) override {
        auto socket = listen_on_unix(path);
        if (!socket) return Unexpected<Error>{socket.error()};
        return add(std::move(*socket), ServerCore::Speech::plain);
    }
    void stop(std::chrono::milliseconds drain, std::function<void()> stopped) override {
        core_->stop(drain, std::move(stopped));
    }
    HttpStatistics statistics() const override {
        HttpStatistics now = core_->statistics;
        now.open = core_->connections.size();
        now.buffered_body_bytes = core_->budget->used;
        return now;
    }

private:
    Result<std::uint16_t> listen(const std::string& address, std::uint16_t port,
                                 ServerCore::Speech speech) {
        auto socket = listen_on_tcp(address, port);
        if (!socket) return Unexpected<Error>{socket.error()};
        const std::uint16_t bound = socket->port;
        if (auto added = add(std::move(*socket), speech); !added)
            return Unexpected<Error>{added.error()};
        return bound;
    }
    Result<void> add(ListenSocket socket, ServerCore::Speech speech) {
        if (core_->draining) {
            return failure("http.stopped", "cannot listen on " + socket.name +
                                               ": the HTTP server has been stopped");
        }
        const std::string name = socket.name;
        try {
            core_->add_listener(std::move(socket), speech);
        } catch (const std::exception& error) {
            return failure("http.listen_failed",
                           "cannot listen for HTTP on " + name + ": " + error.what());
        }
        return {};
    }

    std::shared_ptr<ServerCore> core_;  // shared with the connections, whose operations end later
};

}  // namespace

std::unique_ptr<HttpServer> HttpServer::create(boost::asio::io_context& loop, HttpLimits limits,
                                               HttpHandler handler) {
    return std::make_unique<AsioHttpServer>(loop, limits, std::move(handler));
}

}  // namespace backplane::core
