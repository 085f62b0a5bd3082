// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// An HTTP server whose loop runs on a thread of its own, so that the test can be its client with
// blocking calls.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>

#include "backplane/core/http.hpp"
#include "http_client.hpp"

namespace backplane::core::test {

class RunningServer {
public:
    explicit RunningServer(HttpHandler handler, HttpLimits limits = {});
    ~RunningServer();
    RunningServer(const RunningServer&) = delete;
    RunningServer& operator=(const RunningServer&) = delete;

    std::uint16_t listen(const std::string& address = "127.0.0.1");
    HttpClient connect(const std::string& address = "127.0.0.1") {
        return HttpClient::tcp(port_, address);
    }
    std::uint16_t port() const noexcept { return port_; }
    /// The first call decides about the port for those that follow.
    std::uint16_t listen_tls(const std::string& address = "127.0.0.1");
    HttpClient connect_tls(const HttpClient::Tls& tls, const std::string& from = {}) {
        return HttpClient::tls(tls_port_, tls, from);
    }
    std::uint16_t tls_port() const noexcept { return tls_port_; }

    /// Runs on the loop; returns what it returns.
    template <typename F>
    auto on_loop(F&& work) -> std::invoke_result_t<F> {
        std::packaged_task<std::invoke_result_t<F>()> task{std::forward<F>(work)};
        auto result = task.get_future();
        boost::asio::post(loop_, [&task] { task(); });
        return result.get();
    }
    HttpStatistics statistics() {
        return on_loop([this] { return server_->statistics(); });
    }
    HttpServer& server() noexcept { return *server_; }
    boost::asio::io_context& loop() noexcept { return loop_; }
    void destroy_server() {
        on_loop([this] { server_.reset(); });
    }

    /// Asked on the loop again and again until it is true; false when patience ends first.
    bool eventually(std::function<bool()> condition);
    bool eventually_statistics(std::function<bool(const HttpStatistics&)> condition) {
        return eventually(
            [this, condition = std::move(condition)] { return condition(server_->statistics()); });
    }

private:
    boost::asio::io_context loop_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_ =
        boost::asio::make_work_guard(loop_);
    std::unique_ptr<HttpServer> server_;
    std::uint16_t port_ = 0;
    std::uint16_t tls_port_ = 0;
    std::jthread thread_;
};

/// Answers "METHOD path?query|body".
void echo(const HttpExchangePtr& exchange);
HttpResponse text_response(std::string body, unsigned status = 200);

/// "GET /path HTTP/1.1" with the one header it needs.
std::string get(const std::string& path, const std::string& more_headers = {});
std::string post(const std::string& path, const std::string& body);

}  // namespace backplane::core::test
