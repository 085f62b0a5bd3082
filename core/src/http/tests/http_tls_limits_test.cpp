// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Clients that do not get as far as a request: half a handshake, none at all, something else.
#include <fcntl.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include <fstream>
#include <iostream>
#include <random>
#include <stdexcept>

#include "running_server.hpp"
#include "tls_pair.hpp"

namespace backplane::core {
namespace {

using namespace test;  // NOLINT: a test's own helpers
using std::chrono::milliseconds;
using testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool k_memory_is_measurable = false;
#else
constexpr bool k_memory_is_measurable = true;
#endif

/// The first bytes of a handshake record of 512 bytes that never comes.
constexpr std::string_view k_half_a_hello{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11};

struct HttpsServer {
    explicit HttpsServer(HttpLimits limits = {}, HttpHandler handler = echo)
        : server(std::move(handler), limits) {
        const auto used = server.on_loop(
            [this] { return server.server().use_identity(identity_of(tests::self_signed())); });
        if (!used) throw std::runtime_error(used.error().text);
        server.listen_tls();
    }
    HttpClient connect_in_clear() { return HttpClient::tcp(server.tls_port()); }

    RunningServer server;
};

TEST(AnHttpsPort, tells_a_client_that_speaks_plain_http_what_to_do) {
    HttpsServer https;
    auto client = https.connect_in_clear();
    client.send(get("/"));
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, 400u);
    EXPECT_EQ(answer.body, "400: this port speaks HTTPS: begin the address with https://\n");
    EXPECT_TRUE(client.is_closed());
    EXPECT_FALSE(client.was_reset());
}

TEST(AnHttpsPort, ends_a_connection_that_sends_garbage) {
    HttpsServer https;
    std::mt19937 random{7};
    for (int i = 0; i < 60; ++i) {
        auto client = https.connect_in_clear();
        std::string garbage(1 + random() % 3000, '\0');
        for (char& byte : garbage) byte = static_cast<char>(random());
        if (i % 2 == 0) garbage.insert(0, "\x16\x03\x01");
        client.send(garbage);
        client.close_sending();
        const auto rest = client.read_to_end();
        ASSERT_TRUE(rest) << "it is still open, round " << i;
    }
    EXPECT_TRUE(https.server.eventually_statistics([](const auto& s) { return s.open == 0; }));
    EXPECT_GT(https.server.statistics().malformed, 0u);
    EXPECT_EQ(https.server.connect_tls({}).ask(get("/")).status, 200u);
}

TEST(AnHttpsPort, ends_an_open_connection_when_its_records_are_forged) {
    HttpsServer https;
    auto client = https.server.connect_tls({});
    ASSERT_EQ(client.ask(get("/")).status, 200u);
    const std::string forged = std::string{"\x17\x03\x03\x00\x40", 5} + std::string(64, 'x');
    ASSERT_EQ(::send(client.fd(), forged.data(), forged.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(forged.size()));
    EXPECT_TRUE(https.server.eventually_statistics([](const auto& s) { return s.open == 0; }));
}

TEST(AnHttpsPort, cuts_off_who_says_nothing_and_who_says_half) {
    HttpLimits limits;
    limits.header_time = milliseconds{60};
    HttpsServer https{limits};
    auto silent = https.connect_in_clear();
    auto slow = https.connect_in_clear();
    slow.send(k_half_a_hello);
    EXPECT_TRUE(silent.is_closed());
    EXPECT_TRUE(slow.read_to_end());
    EXPECT_TRUE(https.server.eventually_statistics(
        [](const auto& s) { return s.open == 0 && s.timeouts == 2; }));
}

TEST(AnHttpsPort, gives_the_whole_handshake_one_deadline) {
    HttpLimits limits;
    limits.header_time = milliseconds{100};
    HttpsServer https{limits};
    auto client = https.connect_in_clear();
    client.send(k_half_a_hello);
    const auto end = std::chrono::steady_clock::now() + k_patience;
    while (https.server.statistics().timeouts == 0 && std::chrono::steady_clock::now() < end) {
        if (!client.send("x")) break;
        https.server.eventually([turns = 0]() mutable { return ++turns == 3; });
    }
    EXPECT_TRUE(https.server.eventually_statistics([](const auto& s) {
        return s.open == 0 && s.timeouts == 1;
    })) << "each byte has bought it more time";
}

TEST(AnHttpsPort, counts_half_handshakes_as_connections) {
    HttpLimits limits;
    limits.connections_per_address = 20;
    HttpsServer https{limits};
    std::vector<HttpClient> crowd;
    for (int i = 0; i < 60; ++i) {
        crowd.push_back(https.connect_in_clear());
        crowd.back().send(k_half_a_hello);
    }
    ASSERT_TRUE(https.server.eventually_statistics(
        [](const auto& s) { return s.accepted == 20 && s.refused_per_address == 40; }));
    EXPECT_EQ(https.server.statistics().open, 20u);
    const auto refusal = crowd.back().read_to_end();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(*refusal, (std::string{"\x15\x03\x03\x00\x02\x02\x50", 7})) << "an alert, no text";
    EXPECT_EQ(https.server.connect_tls({}, "127.0.0.2").ask(get("/")).status, 200u)
        << "others are served";
}

TEST(AnHttpsPort, shares_its_limit_with_the_plain_one) {
    HttpLimits limits;
    limits.connections = 4;
    HttpsServer https{limits};
    https.server.listen();
    std::vector<HttpClient> crowd;
    for (int i = 0; i < 3; ++i) crowd.push_back(https.server.connect());
    auto last = https.server.connect_tls({});
    EXPECT_EQ(last.ask(get("/")).status, 200u);
    EXPECT_THROW((void)https.server.connect_tls({}), std::runtime_error);
    auto refused = https.server.connect();
    EXPECT_EQ(refused.read().status, 503u);
    EXPECT_EQ(https.server.statistics().refused_total, 2u);
}

TEST(AnHttpsPort, refuses_a_request_that_is_too_large_so_that_the_client_can_read_why) {
    HttpLimits limits;
    limits.body_bytes = 1000;
    HttpsServer https{limits};
    auto client = https.server.connect_tls({});
    client.send(post("/", std::string(200'000, 'x')));
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, 413u);
    EXPECT_TRUE(answer.complete);
}

TEST(AnHttpsPort, cuts_off_a_client_that_does_not_read_its_stream) {
    HttpLimits limits;
    limits.stream_backlog_bytes = 200'000;
    HttpExchangePtr kept;
    HttpsServer https{limits, [&](HttpExchangePtr exchange) { kept = std::move(exchange); }};
    auto client = https.server.connect_tls({});
    client.send(get("/"));
    ASSERT_TRUE(https.server.eventually([&] { return kept != nullptr; }));
    https.server.on_loop([&] { kept->begin_stream({}); });
    const bool cut_off = https.server.on_loop([&] {
        for (int i = 0; i < 2000; ++i) {
            if (!kept->write(std::string(10'000, 'x'))) return true;
        }
        return false;
    });
    EXPECT_TRUE(cut_off);
    EXPECT_EQ(https.server.statistics().cut_off, 1u);
    https.server.on_loop([&] { kept.reset(); });
}

TEST(AnHttpsPort, closes_half_handshakes_when_the_server_stops_or_goes) {
    {
        HttpsServer https;
        auto half = https.connect_in_clear();
        half.send(k_half_a_hello);
        ASSERT_TRUE(https.server.eventually_statistics([](const auto& s) { return s.open == 1; }));
        std::promise<void> stopped;
        https.server.on_loop([&] {
            https.server.server().stop(std::chrono::seconds{20}, [&] { stopped.set_value(); });
        });
        EXPECT_EQ(stopped.get_future().wait_for(k_patience), std::future_status::ready);
        EXPECT_TRUE(half.read_to_end());
    }
    HttpsServer https;
    auto half = https.connect_in_clear();
    half.send(k_half_a_hello);
    ASSERT_TRUE(https.server.eventually_statistics([](const auto& s) { return s.open == 1; }));
    https.server.destroy_server();
    EXPECT_TRUE(half.read_to_end());
}

/// Clients in a process of their own, so that their memory is not taken for the server's: as many
/// waiting polls as it is told, until it is destroyed.
class ForeignPolls {
public:
    ForeignPolls() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
        child_ = ::fork();
        if (child_ == 0) {
            ::close(ends[1]);
            run(ends[0]);
            ::_exit(0);
        }
        ::close(ends[0]);
        orders_.reset(ends[1]);
    }
    ForeignPolls(const ForeignPolls&) = delete;
    ForeignPolls& operator=(const ForeignPolls&) = delete;
    ~ForeignPolls() {
        orders_.reset();
        ::waitpid(child_, nullptr, 0);
    }
    bool open(std::uint16_t port, std::uint16_t upto) {
        const std::uint16_t order[2] = {port, upto};
        return ::write(orders_.get(), order, sizeof order) == sizeof order;
    }

private:
    static void run(int orders) noexcept {
        try {
            std::vector<HttpClient> clients;
            std::uint16_t order[2];
            while (::read(orders, order, sizeof order) == sizeof order) {
                while (clients.size() < order[1]) {
                    clients.push_back(HttpClient::tls(order[0], {}));
                    clients.back().send(get("/poll"));
                }
            }
        } catch (const std::exception&) {  // the parent notices what is missing
        }
    }
    pid_t child_ = -1;
    Fd orders_;
};

TEST(AnHttpsPort, needs_little_memory_for_a_long_poll_that_waits) {
    constexpr std::uint16_t k_before = 10, k_polls = 200;
    ForeignPolls polls;  // before the first thread
    std::vector<HttpExchangePtr> kept;
    kept.reserve(k_polls);
    HttpsServer https{{}, [&](HttpExchangePtr exchange) { kept.push_back(std::move(exchange)); }};
    const auto used_with = [&](std::uint16_t count) {
        EXPECT_TRUE(polls.open(https.server.tls_port(), count));
        EXPECT_TRUE(https.server.eventually([&] { return kept.size() == count; }));
        return https.server.on_loop([] { return ::mallinfo2().uordblks; });
    };
    const auto before = used_with(k_before);  // with what is made once
    const auto after = used_with(k_polls);
    https.server.on_loop([&] { kept.clear(); });
    const auto each = (after - before) / (k_polls - k_before);
    std::cout << "[ MEASURED ] " << each << " bytes for each waiting long poll over TLS\n";
    if (k_memory_is_measurable) {
        EXPECT_GT(each, 2'000u) << "the measurement measures nothing";
        EXPECT_LT(each, 40'000u);
    }
}

}  // namespace
}  // namespace backplane::core
