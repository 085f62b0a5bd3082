// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One short route, to see what the server itself costs:
//   taskset -c 0 http_bench_server &    (prints its address, on a free port unless one is given)
//   taskset -c 1 wrk -t1 -c32 -d10s ADDRESS
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "backplane/core/http.hpp"

int main(int argc, char** argv) try {
    namespace core = backplane::core;
    const int port = argc > 1 ? std::atoi(argv[1]) : 0;
    if (port < 0 || port > 65535) {
        std::fprintf(stderr, "usage: %s [port, 0 to 65535]\n", argv[0]);
        return 2;
    }
    boost::asio::io_context loop{1};
    core::HttpRouter router;
    router.add("/hw_proxy/hello", [](const core::HttpExchangePtr& exchange) {
        core::HttpResponse response;
        response.body = "ping";
        exchange->respond(std::move(response));
    });
    const auto server = core::HttpServer::create(loop, core::HttpLimits{}, router);
    const auto bound = server->listen_tcp("127.0.0.1", static_cast<std::uint16_t>(port));
    if (!bound) {
        std::fprintf(stderr, "%s\n", bound.error().text.c_str());
        return 1;
    }
    std::printf("http://127.0.0.1:%u/hw_proxy/hello\n", unsigned{*bound});
    std::fflush(stdout);
    boost::asio::signal_set signals{loop, SIGINT, SIGTERM};
    signals.async_wait([&](const boost::system::error_code&, int) {
        server->stop(std::chrono::milliseconds{500}, [&loop] { loop.stop(); });
    });
    loop.run();
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
