// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "running_server.hpp"

#include <boost/asio/steady_timer.hpp>

#include <stdexcept>

namespace backplane::core::test {

RunningServer::RunningServer(HttpHandler handler, HttpLimits limits)
    : server_(HttpServer::create(loop_, limits, std::move(handler))),
      thread_([this] { loop_.run(); }) {}

RunningServer::~RunningServer() {
    destroy_server();
    work_.reset();
    loop_.stop();
}

std::uint16_t RunningServer::listen(const std::string& address) {
    const auto port = on_loop([&] { return server_->listen_tcp(address, port_); });
    if (!port) throw std::runtime_error(port.error().text);
    port_ = *port;
    return port_;
}

std::uint16_t RunningServer::listen_tls(const std::string& address) {
    const auto port = on_loop([&] { return server_->listen_tls(address, tls_port_); });
    if (!port) throw std::runtime_error(port.error().text);
    tls_port_ = *port;
    return tls_port_;
}

bool RunningServer::eventually(std::function<bool()> condition) {
    struct Attempt {
        boost::asio::steady_timer timer;
        std::function<bool()> condition;
        std::promise<bool> result;
        std::chrono::steady_clock::time_point end = std::chrono::steady_clock::now() + k_patience;

        void run(const std::shared_ptr<Attempt>& self) {
            const bool met = condition();
            if (met || std::chrono::steady_clock::now() >= end) {
                result.set_value(met);
                return;
            }
            timer.expires_after(std::chrono::milliseconds{2});
            timer.async_wait([self](const boost::system::error_code&) { self->run(self); });
        }
    };
    auto attempt = std::make_shared<Attempt>(
        Attempt{boost::asio::steady_timer{loop_}, std::move(condition), std::promise<bool>{}});
    auto result = attempt->result.get_future();
    boost::asio::post(loop_, [attempt = std::move(attempt)] { attempt->run(attempt); });
    return result.get();
}

void echo(const HttpExchangePtr& exchange) {
    const HttpRequest& request = exchange->request();
    static constexpr std::string_view k_names[] = {"GET",    "HEAD",    "POST", "PUT",
                                                   "DELETE", "OPTIONS", "OTHER"};
    std::string body{k_names[static_cast<std::size_t>(request.method)]};
    body += " " + request.path + "?" + request.query + "|" + request.body;
    exchange->respond(text_response(std::move(body)));
}

HttpResponse text_response(std::string body, unsigned status) {
    HttpResponse response;
    response.status = status;
    response.body = std::move(body);
    return response;
}

std::string get(const std::string& path, const std::string& more_headers) {
    return "GET " + path + " HTTP/1.1\r\nHost: box\r\n" + more_headers + "\r\n";
}

std::string post(const std::string& path, const std::string& body) {
    return "POST " + path +
           " HTTP/1.1\r\nHost: box\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
}

}  // namespace backplane::core::test
