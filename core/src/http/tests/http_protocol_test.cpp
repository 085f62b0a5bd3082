// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a well-behaved client sees.
#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include <filesystem>

#include "http/listen_socket.hpp"
#include "running_server.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

using namespace test;  // NOLINT: a test's own helpers
using testing::HasSubstr;

class AnHttpServer : public testing::Test {
protected:
    AnHttpServer() { server_.listen(); }
    RunningServer server_{echo};
};

TEST_F(AnHttpServer, answers_a_thousand_pipelined_requests_in_order) {
    auto client = server_.connect();
    std::string requests;
    for (int i = 0; i < 1000; ++i) requests += get(std::string{"/"}.append(std::to_string(i)));
    ASSERT_TRUE(client.send(requests));
    for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(client.read().body, std::string{"GET /"}.append(std::to_string(i)).append("?|"));
    }
}

TEST_F(AnHttpServer, answers_requests_that_arrive_byte_by_byte) {
    auto client = server_.connect();
    const std::string chunked =
        "POST /c HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    const std::string empty =
        "POST /e HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for (const std::string& request : {post("/a?b", "12345"), chunked, empty}) {
        for (const char byte : request) {
            ASSERT_TRUE(client.send({&byte, 1}));
            // One round trip through the loop: the byte is not joined with the next one.
            server_.on_loop([] {});
        }
    }
    EXPECT_EQ(client.read().body, "POST /a?b|12345");
    EXPECT_EQ(client.read().body, "POST /c?|abcde");
    EXPECT_EQ(client.read().body, "POST /e?|");
}

TEST_F(AnHttpServer, does_not_take_trailers_for_headers) {
    std::string seen = "unset";
    RunningServer server{[&](const HttpExchangePtr& exchange) {
        seen = exchange->request().header("X-Late");
        exchange->respond({});
    }};
    server.listen();
    EXPECT_EQ(server.connect()
                  .ask("POST / HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n1\r\na\r\n0\r\nX-Late: 1\r\n\r\n")
                  .status,
              200u);
    EXPECT_EQ(seen, "");
}

TEST_F(AnHttpServer, takes_a_body_of_five_megabytes) {
    std::string body(5u << 20, 'x');
    body[4'000'000] = 'y';
    auto client = server_.connect();
    const Answer answer = client.ask(post("/", body));
    EXPECT_TRUE(answer.complete);
    EXPECT_EQ(answer.body, "POST /?|" + body);
    EXPECT_TRUE(
        server_.eventually_statistics([](const auto& s) { return s.buffered_body_bytes == 0; }));
}

TEST_F(AnHttpServer, says_continue_before_a_body_that_waits_for_it) {
    auto client = server_.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: box\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(client.read().head, "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_EQ(client.ask("ab").body, "POST /?|ab");
}

TEST_F(AnHttpServer, does_not_say_continue_when_the_body_is_there_already) {
    EXPECT_EQ(server_.connect()
                  .ask("POST / HTTP/1.1\r\nHost: box\r\nContent-Length: 2\r\nExpect: "
                       "100-continue\r\n\r\nab")
                  .status,
              200u);
}

TEST_F(AnHttpServer, answers_head_with_the_length_and_without_the_body) {
    auto client = server_.connect();
    const Answer head = client.ask("HEAD /abc HTTP/1.1\r\nHost: box\r\n\r\n");
    EXPECT_EQ(head.header("Content-Length"), std::to_string(std::string{"HEAD /abc?|"}.size()));
    EXPECT_EQ(client.ask(get("/next")).body, "GET /next?|")
        << "a body of the first answer would be in the way";
}

TEST_F(AnHttpServer, closes_after_an_http_1_0_request) {
    auto client = server_.connect();
    const Answer answer = client.ask("GET /old HTTP/1.0\r\n\r\n");
    EXPECT_EQ(answer.body, "GET /old?|");
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_TRUE(client.is_closed());
}

TEST_F(AnHttpServer, keeps_an_http_1_0_connection_on_request) {
    auto client = server_.connect();
    const std::string request = "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    EXPECT_EQ(client.ask(request).header("Connection"), "keep-alive");
    EXPECT_EQ(client.ask(request).body, "GET /old?|");
}

TEST_F(AnHttpServer, closes_when_the_client_asks_for_it) {
    auto client = server_.connect();
    EXPECT_EQ(client.ask(get("/", "Connection: close\r\n")).header("Connection"), "close");
    EXPECT_TRUE(client.is_closed());
}

TEST_F(AnHttpServer, closes_when_the_handler_asks_for_it) {
    RunningServer server{[](const HttpExchangePtr& exchange) {
        HttpResponse response;
        response.headers = {{"Connection", "close"}};
        exchange->respond(std::move(response));
    }};
    server.listen();
    auto client = server.connect();
    EXPECT_EQ(client.ask(get("/")).header("Connection"), "close");
    EXPECT_TRUE(client.is_closed());
}

TEST_F(AnHttpServer, passes_options_and_unknown_methods_to_the_handler) {
    auto client = server_.connect();
    EXPECT_EQ(client.ask("OPTIONS /a HTTP/1.1\r\nHost: box\r\n\r\n").body, "OPTIONS /a?|");
    EXPECT_EQ(client.ask("PATCH /a HTTP/1.1\r\nHost: box\r\n\r\n").body, "OTHER /a?|");
    EXPECT_EQ(client.ask("DELETE /a HTTP/1.1\r\nHost: box\r\n\r\n").body, "DELETE /a?|");
}

TEST_F(AnHttpServer, says_neither_who_it_is_nor_what_time_it_is) {
    const Answer answer = server_.connect().ask(get("/"));
    EXPECT_EQ(
        answer.head,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 7\r\n\r\n");
}

TEST_F(AnHttpServer, answers_a_client_that_has_closed_its_sending_side) {
    auto client = server_.connect();
    client.send(get("/1") + get("/2"));
    client.close_sending();
    EXPECT_EQ(client.read().body, "GET /1?|");
    EXPECT_EQ(client.read().body, "GET /2?|");
    EXPECT_TRUE(client.is_closed());
}

TEST_F(AnHttpServer, ignores_empty_lines_before_a_request) {
    auto client = server_.connect();
    EXPECT_EQ(client.ask("\r\n\r\n" + get("/a")).body, "GET /a?|");
    client.send("\r");
    server_.on_loop([] {});
    EXPECT_EQ(client.ask("\n" + get("/b")).body, "GET /b?|");
}

TEST_F(AnHttpServer, serves_ipv6_beside_ipv4_on_one_port_and_knows_its_clients) {
    RunningServer server{[](const HttpExchangePtr& exchange) {
        exchange->respond(text_response(exchange->request().remote_address));
    }};
    server.listen("0.0.0.0");
    server.listen("::");
    EXPECT_EQ(server.connect("127.0.0.1").ask(get("/")).body, "127.0.0.1");
    EXPECT_EQ(server.connect("::1").ask(get("/")).body, "::1");
}

TEST_F(AnHttpServer, serves_a_unix_socket_without_limits_and_removes_it_at_the_end) {
    const backplane::tests::TemporaryFolder folder;
    const std::string path = folder / "control";
    HttpLimits limits;
    limits.connections = 0;
    {
        RunningServer server{
            [](const HttpExchangePtr& exchange) {
                exchange->respond(text_response(exchange->request().remote_address));
            },
            limits};
        ASSERT_TRUE(server.on_loop([&] { return server.server().listen_unix(path).has_value(); }));
        auto a = HttpClient::local(path);
        auto b = HttpClient::local(path);
        EXPECT_EQ(a.ask(get("/")).body, "unix");
        EXPECT_EQ(b.ask(get("/")).body, "unix");
        std::promise<void> stopped;
        server.on_loop(
            [&] { server.server().stop(std::chrono::seconds{0}, [&] { stopped.set_value(); }); });
        ASSERT_EQ(stopped.get_future().wait_for(k_patience), std::future_status::ready);
        EXPECT_FALSE(std::filesystem::exists(path));
    }
}

TEST_F(AnHttpServer, serves_an_inherited_socket) {
    auto socket = listen_on_tcp("127.0.0.1", 0);
    ASSERT_TRUE(socket);
    const int fd = socket->fd.release();
    ASSERT_TRUE(server_.on_loop([&] { return server_.server().listen_fd(fd).has_value(); }));
    EXPECT_EQ(HttpClient::tcp(socket->port).ask(get("/x")).body, "GET /x?|");
}

TEST_F(AnHttpServer, says_that_its_port_is_in_use) {
    const auto again =
        server_.on_loop([&] { return server_.server().listen_tcp("127.0.0.1", server_.port()); });
    ASSERT_FALSE(again);
    EXPECT_THAT(again.error().text, HasSubstr("port " + std::to_string(server_.port())));
}

}  // namespace
}  // namespace backplane::core
