// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Clients that want too much, send too slowly, or do not read.
#include <sys/resource.h>

#include <gtest/gtest.h>

#include <fstream>

#include "running_server.hpp"

namespace backplane::core {
namespace {

using namespace test;  // NOLINT: a test's own helpers
using std::chrono::milliseconds;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool k_memory_is_measurable = false;
#else
constexpr bool k_memory_is_measurable = true;
#endif

std::size_t resident_bytes() {
    std::ifstream statm{"/proc/self/statm"};
    std::size_t size = 0, resident = 0;
    statm >> size >> resident;
    return resident * 4096;
}

/// Sends one byte at a time until it is answered; the pace is the loop's, which is faster than any
/// deadline.
Answer drip(RunningServer& server, HttpClient& client, std::string_view begin,
            std::string_view drops) {
    client.send(begin);
    const auto end = std::chrono::steady_clock::now() + k_patience;
    for (std::size_t i = 0; std::chrono::steady_clock::now() < end; ++i) {
        if (server.statistics().timeouts > 0) break;
        if (!client.send(drops.substr(i % drops.size(), 1))) break;
        server.eventually([turns = 0]() mutable { return ++turns == 3; });
    }
    return client.read();
}

TEST(AnHttpLimit, refuses_a_header_of_a_megabyte) {
    RunningServer server{echo};
    server.listen();
    auto client = server.connect();
    client.send(get("/", "X: " + std::string(1u << 20, 'x') + "\r\n"));
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, 431u);
    EXPECT_EQ(answer.body, "431: the header of the request is too large\n");
    EXPECT_TRUE(client.is_closed());
    EXPECT_EQ(server.statistics().too_large, 1u);
}

TEST(AnHttpLimit, refuses_a_header_that_grows_by_one_whole_line_at_a_time) {
    RunningServer server{echo};
    server.listen();
    auto client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: box\r\n");
    for (int i = 0; i < 100 && server.statistics().too_large == 0; ++i) {
        client.send("X: " + std::string(1000, 'x') + "\r\n");
        server.on_loop([] {});
    }
    EXPECT_EQ(client.read().status, 431u);
}

TEST(AnHttpLimit, refuses_a_thousand_tiny_headers) {
    RunningServer server{echo};
    server.listen();
    std::string headers;
    for (int i = 0; i < 1000; ++i) headers += "a:\r\n";
    auto client = server.connect();
    EXPECT_EQ(client.ask(get("/", headers)).status, 431u);
}

TEST(AnHttpLimit, takes_a_header_that_just_fits) {
    HttpLimits limits;
    limits.header_bytes = 1000;
    RunningServer server{echo, limits};
    server.listen();
    const std::size_t frame = get("/", "X: \r\n").size();
    EXPECT_EQ(
        server.connect().ask(get("/", "X: " + std::string(1000 - frame, 'x') + "\r\n")).status,
        200u);
    EXPECT_EQ(
        server.connect().ask(get("/", "X: " + std::string(1001 - frame, 'x') + "\r\n")).status,
        431u);
}

TEST(AnHttpLimit, refuses_a_large_body_before_it_is_sent) {
    HttpLimits limits;
    limits.body_bytes = 1000;
    RunningServer server{echo, limits};
    server.listen();
    auto client = server.connect();
    const Answer answer = client.ask(
        "POST / HTTP/1.1\r\nHost: box\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(answer.status, 413u);
    EXPECT_TRUE(client.is_closed());
    EXPECT_EQ(server.connect().ask(post("/", std::string(1000, 'x'))).status, 200u);
}

TEST(AnHttpLimit, lets_a_client_that_sends_a_large_body_anyway_read_the_refusal) {
    HttpLimits limits;
    limits.body_bytes = 1000;
    RunningServer server{echo, limits};
    server.listen();
    auto client = server.connect();
    client.send(post("/", std::string(8u << 20, 'x')));
    EXPECT_EQ(client.read().status, 413u);
    client.close_sending();
    EXPECT_TRUE(client.is_closed());
    EXPECT_FALSE(client.was_reset());
}

TEST(AnHttpLimit, refuses_a_chunked_body_when_it_has_become_too_large) {
    HttpLimits limits;
    limits.body_bytes = 1000;
    RunningServer server{echo, limits};
    server.listen();
    auto client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 11; ++i) client.send("64\r\n" + std::string(100, 'x') + "\r\n");
    EXPECT_EQ(client.read().status, 413u);
    EXPECT_TRUE(
        server.eventually_statistics([](const auto& s) { return s.buffered_body_bytes == 0; }));
}

TEST(AnHttpLimit, is_larger_for_the_bodies_of_one_path_only) {
    HttpLimits limits;
    limits.body_bytes = 1000;
    limits.larger_bodies = {{"/large", 2000}};
    RunningServer server{echo, limits};
    server.listen();
    EXPECT_EQ(server.connect().ask(post("/large", std::string(2000, 'x'))).status, 200u);
    EXPECT_EQ(server.connect().ask(post("/large?a=b", std::string(2000, 'x'))).status, 200u);
    EXPECT_EQ(server.connect().ask(post("/large", std::string(2001, 'x'))).status, 413u);
    for (const char* other : {"/", "/larger", "/large/", "/LARGE", "/%6carge", "/?/large"})
        EXPECT_EQ(server.connect().ask(post(other, std::string(1001, 'x'))).status, 413u) << other;
    // The next request on the same connection has the ordinary limit again.
    auto client = server.connect();
    EXPECT_EQ(client.ask(post("/large", std::string(2000, 'x'))).status, 200u);
    EXPECT_EQ(client.ask(post("/", std::string(1001, 'x'))).status, 413u);
}

TEST(AnHttpLimit, of_one_path_holds_for_chunked_bodies_too) {
    HttpLimits limits;
    limits.body_bytes = 1000;
    limits.larger_bodies = {{"/large", 2000}};
    RunningServer server{echo, limits};
    server.listen();
    const auto send = [&](const std::string& path, int chunks) {
        auto client = server.connect();
        client.send("POST " + path + " HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < chunks; ++i) client.send("64\r\n" + std::string(100, 'x') + "\r\n");
        client.send("0\r\n\r\n");
        return client.read().status;
    };
    EXPECT_EQ(send("/large", 20), 200u);
    EXPECT_EQ(send("/large", 21), 413u);
    EXPECT_EQ(send("/", 11), 413u);
}

TEST(AnHttpLimit, of_one_path_stays_below_the_limit_of_all_connections_together) {
    HttpLimits limits;
    limits.body_bytes = 1000;
    limits.larger_bodies = {{"/large", 1u << 20}};
    limits.buffered_body_bytes = 100'000;
    RunningServer server{echo, limits};
    server.listen();
    EXPECT_EQ(server.connect().ask(post("/large", std::string(100'001, 'x'))).status, 503u);
    EXPECT_EQ(server.connect().ask(post("/large", std::string(90'000, 'x'))).status, 200u);
    EXPECT_TRUE(
        server.eventually_statistics([](const auto& s) { return s.buffered_body_bytes == 0; }));
}

TEST(AnHttpLimit, holds_for_the_bodies_of_all_connections_together) {
    HttpLimits limits;
    limits.buffered_body_bytes = 100'000;
    std::vector<HttpExchangePtr> kept;
    RunningServer server{[&](HttpExchangePtr exchange) { kept.push_back(std::move(exchange)); },
                         limits};
    server.listen();
    auto first = server.connect();
    first.send(post("/", std::string(60'000, 'x')));
    ASSERT_TRUE(server.eventually([&] { return kept.size() == 1; }));
    EXPECT_GE(server.statistics().buffered_body_bytes, 60'000u);

    auto announced = server.connect();
    const Answer refused = announced.ask(post("/", std::string(60'000, 'x')));
    EXPECT_EQ(refused.status, 503u);
    EXPECT_EQ(refused.header("Retry-After"), "1");
    auto chunked = server.connect();
    chunked.send("POST / HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: chunked\r\n\r\nea60\r\n" +
                 std::string(60'000, 'x'));
    EXPECT_EQ(chunked.read().status, 503u);

    // Room again as soon as the first one is done.
    server.on_loop([&] {
        kept[0]->respond({});
        kept.clear();
    });
    EXPECT_EQ(first.read().status, 200u);
    auto again = server.connect();
    again.send(post("/", std::string(60'000, 'x')));
    EXPECT_TRUE(server.eventually([&] { return kept.size() == 1; }));
    server.on_loop([&] { kept.clear(); });
}

TEST(AnHttpLimit, gives_a_header_a_fixed_time_however_many_bytes_arrive) {
    HttpLimits limits;
    limits.header_time = milliseconds{150};
    limits.header_bytes = 1u << 20;
    RunningServer server{echo, limits};
    server.listen();
    auto client = server.connect();
    const Answer answer = drip(server, client, "GET / HTTP/1.1\r\nHost: box\r\nX: ", "x");
    EXPECT_EQ(answer.status, 408u);
    EXPECT_EQ(server.statistics().timeouts, 1u);
    client.close_sending();
    EXPECT_TRUE(client.is_closed());
}

TEST(AnHttpLimit, gives_a_body_a_fixed_time_however_many_bytes_arrive) {
    HttpLimits limits;
    limits.body_time = milliseconds{150};
    RunningServer server{echo, limits};
    server.listen();
    auto client = server.connect();
    EXPECT_EQ(
        drip(server, client, "POST / HTTP/1.1\r\nHost: box\r\nContent-Length: 1000000\r\n\r\n", "x")
            .status,
        408u);
}

TEST(AnHttpLimit, does_not_limit_the_time_of_a_long_poll) {
    HttpLimits limits;
    limits.header_time = limits.body_time = limits.idle_time = limits.write_time = milliseconds{40};
    std::vector<HttpExchangePtr> kept;
    RunningServer server{[&](HttpExchangePtr exchange) { kept.push_back(std::move(exchange)); },
                         limits};
    server.listen();
    auto poll = server.connect();
    poll.send(get("/poll"));
    ASSERT_TRUE(server.eventually([&] { return kept.size() == 1; }));
    // Three others come and are closed for idleness, one after the other: the poll has waited
    // longer than any limit.
    for (int i = 0; i < 3; ++i) {
        auto idle = server.connect();
        ASSERT_TRUE(idle.is_closed());
    }
    server.on_loop([&] {
        kept[0]->respond(text_response("event"));
        kept.clear();
    });
    EXPECT_EQ(poll.read().body, "event");
}

TEST(AnHttpLimit, closes_an_idle_connection_without_a_word) {
    HttpLimits limits;
    limits.idle_time = milliseconds{50};
    RunningServer server{echo, limits};
    server.listen();
    auto fresh = server.connect();
    auto used = server.connect();
    EXPECT_EQ(used.ask(get("/")).status, 200u);
    EXPECT_TRUE(used.is_closed());
    EXPECT_TRUE(fresh.is_closed());
    EXPECT_EQ(server.statistics().timeouts, 0u);
}

TEST(AnHttpLimit, is_not_stretched_by_empty_lines) {
    HttpLimits limits;
    limits.idle_time = milliseconds{100};
    RunningServer server{echo, limits};
    server.listen();
    auto client = server.connect();
    const auto end = std::chrono::steady_clock::now() + k_patience;
    while (client.send("\r\n") && std::chrono::steady_clock::now() < end) server.on_loop([] {});
    EXPECT_LT(std::chrono::steady_clock::now(), end);
}

TEST(AnHttpLimit, cuts_off_a_client_that_does_not_read_its_answer) {
    HttpLimits limits;
    limits.write_time = milliseconds{100};
    int gone = 0;
    RunningServer server{[&](const HttpExchangePtr& exchange) {
                             exchange->on_gone([&gone, exchange] { ++gone; });
                             exchange->respond(text_response(std::string(16u << 20, 'x')));
                         },
                         limits};
    server.listen();
    auto client =
        HttpClient::tcp(server.port(), "127.0.0.1", {.from = {}, .receive_buffer_bytes = 4096});
    client.send(get("/"));
    EXPECT_TRUE(
        server.eventually_statistics([](const auto& s) { return s.cut_off == 1 && s.open == 0; }));
    EXPECT_TRUE(server.eventually([&] { return gone == 1; })) << "its answer was not complete";
    EXPECT_FALSE(client.read().complete);
}

TEST(AnHttpLimit, cuts_off_a_stream_whose_client_does_not_read) {
    HttpLimits limits;
    limits.stream_backlog_bytes = 100'000;
    HttpExchangePtr stream;
    bool gone = false;
    RunningServer server{[&](HttpExchangePtr exchange) {
                             exchange->on_gone([&] { gone = true; });
                             exchange->begin_stream({});
                             stream = std::move(exchange);
                         },
                         limits};
    server.listen();
    auto client =
        HttpClient::tcp(server.port(), "127.0.0.1", {.from = {}, .receive_buffer_bytes = 4096});
    client.send(get("/"));
    ASSERT_TRUE(server.eventually([&] { return stream != nullptr; }));
    int pieces = 0;
    while (pieces < 100'000 &&
           server.on_loop([&] { return stream->write(std::string(1000, 'x')); }))
        ++pieces;
    EXPECT_LT(pieces, 100'000);
    EXPECT_EQ(server.statistics().cut_off, 1u);
    EXPECT_TRUE(server.eventually([&] { return gone; }));
    server.on_loop([&] { stream.reset(); });
}

TEST(AnHttpLimit, cuts_off_a_stream_that_stays_unread_with_little_in_it) {
    HttpLimits limits;
    limits.write_time = milliseconds{100};
    limits.stream_backlog_bytes = 64u << 20;
    HttpExchangePtr stream;
    RunningServer server{[&](HttpExchangePtr exchange) {
                             exchange->begin_stream({});
                             exchange->write(std::string(16u << 20, 'x'));
                             stream = std::move(exchange);
                         },
                         limits};
    server.listen();
    auto client =
        HttpClient::tcp(server.port(), "127.0.0.1", {.from = {}, .receive_buffer_bytes = 4096});
    client.send(get("/"));
    EXPECT_TRUE(server.eventually_statistics([](const auto& s) { return s.cut_off == 1; }));
    EXPECT_FALSE(server.on_loop([&] { return stream->write("x"); }));
    server.on_loop([&] { stream.reset(); });
}

TEST(AnHttpLimit, serves_a_client_that_reads_slowly_but_steadily) {
    HttpLimits limits;
    limits.write_time = milliseconds{2000};
    RunningServer server{[](const HttpExchangePtr& exchange) {
                             exchange->respond(text_response(std::string(4u << 20, 'x')));
                         },
                         limits};
    server.listen();
    auto client =
        HttpClient::tcp(server.port(), "127.0.0.1", {.from = {}, .receive_buffer_bytes = 4096});
    const Answer answer = client.ask(get("/"));
    EXPECT_TRUE(answer.complete);
    EXPECT_EQ(answer.body.size(), 4u << 20);
}

TEST(AnHttpLimit, answers_503_to_a_connection_too_many_in_total) {
    HttpLimits limits;
    limits.connections = 2;
    RunningServer server{echo, limits};
    server.listen();
    auto a = server.connect();
    auto b = server.connect();
    EXPECT_EQ(a.ask(get("/")).status, 200u);
    EXPECT_EQ(b.ask(get("/")).status, 200u);
    auto c = server.connect();
    const Answer answer = c.read();
    EXPECT_EQ(answer.status, 503u);
    EXPECT_EQ(answer.header("Retry-After"), "5");
    EXPECT_EQ(server.statistics().refused_total, 1u);
    a.close();
    ASSERT_TRUE(server.eventually_statistics([](const auto& s) { return s.open == 1; }));
    EXPECT_EQ(server.connect().ask(get("/")).status, 200u);
}

TEST(AnHttpLimit,
     keeps_memory_flat_and_serves_others_when_one_address_opens_two_thousand_connections) {
    rlimit files{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
    const rlim_t before = files.rlim_cur;
    if (files.rlim_max < 4096)
        GTEST_SKIP() << "needs 4096 open files, the limit is " << files.rlim_max;
    files.rlim_cur = std::max<rlim_t>(before, 4096);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);

    {
        RunningServer server{echo};
        server.listen();
        const std::size_t memory = resident_bytes();
        std::vector<HttpClient> crowd;
        for (int i = 0; i < 2000; ++i) {
            crowd.push_back(server.connect());
            crowd.back().send(get("/crowd"));
        }
        ASSERT_TRUE(server.eventually_statistics(
            [](const auto& s) { return s.accepted + s.refused_per_address == 2000; }));
        const HttpStatistics now = server.statistics();
        EXPECT_EQ(now.open, HttpLimits{}.connections_per_address);
        EXPECT_EQ(now.refused_per_address, 2000 - HttpLimits{}.connections_per_address);
        if (k_memory_is_measurable) {
            EXPECT_LT(resident_bytes(), memory + (16u << 20));
        }

        auto other = HttpClient::tcp(server.port(), "127.0.0.1",
                                     {.from = "127.0.0.2", .receive_buffer_bytes = 0});
        EXPECT_EQ(other.ask(get("/other")).body, "GET /other?|");
        EXPECT_EQ(crowd.front().read().status, 200u);
        EXPECT_EQ(crowd.back().read().status, 429u);
    }
    files.rlim_cur = before;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace
}  // namespace backplane::core
