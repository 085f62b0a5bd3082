// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One request and its answer, as the handler holds it.
//
// It holds its connection; the connection knows it only by a plain pointer, which both clear
// together. So dropping the last reference to an exchange is noticed, and a handler may keep one
// longer than the server lives.
#pragma once

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "backplane/core/http.hpp"
#include "http/body_budget.hpp"

namespace backplane::core {

class ServerConnection;

class ServerExchange final : public HttpExchange,
                             public std::enable_shared_from_this<ServerExchange> {
public:
    ServerExchange(boost::asio::io_context& loop, std::shared_ptr<BodyBudget> budget)
        : loop_(loop), lease_(std::move(budget)) {}
    ServerExchange(const ServerExchange&) = delete;
    ServerExchange& operator=(const ServerExchange&) = delete;
    ~ServerExchange() override;

    const HttpRequest& request() const noexcept override { return request_; }
    void respond(HttpResponse response) override;
    void begin_stream(HttpResponse head) override;
    bool write(std::string piece) override;
    void close() override;
    void on_gone(std::function<void()> gone) override;

    // For the connection:
    HttpRequest& incoming() noexcept { return request_; }
    BodyLease& lease() noexcept { return lease_; }
    void begin(std::shared_ptr<ServerConnection> connection) noexcept {
        connection_ = std::move(connection);
        phase_ = Phase::waiting;
    }
    /// The answer has gone out.
    void finish() noexcept;
    /// The client has closed its side. It may still read an answer, but who waits for something can
    /// stop.
    void client_left();
    /// The connection is closed.
    void lost();
    /// The server ends: nobody is to be called any more.
    void abandon() noexcept;

private:
    enum class Phase { receiving, waiting, streaming, answered };
    void post_gone();
    void call_gone() noexcept;

    boost::asio::io_context& loop_;
    HttpRequest request_;
    BodyLease lease_;
    std::shared_ptr<ServerConnection>
        connection_;  // also owned by the server's list; here until the answer has gone out
    std::function<void()> gone_;
    Phase phase_ = Phase::receiving;
    bool client_gone_ = false;
    bool told_ = false;  // of the client's going
    bool over_ = false;
};

}  // namespace backplane::core
