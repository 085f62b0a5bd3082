// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Requests that are not: each gets one clear answer and the end of its connection, so that nobody
// can hide a second request inside a first one.
#include <gtest/gtest.h>

#include "running_server.hpp"

namespace backplane::core {
namespace {

using namespace test;  // NOLINT: a test's own helpers

struct Case {
    const char* name;
    std::string request;
    unsigned status;
};
void PrintTo(const Case& bad, std::ostream* out) {
    *out << bad.name;
}

std::string with(const std::string& headers, const std::string& body = {}) {
    return "POST / HTTP/1.1\r\nHost: box\r\n" + headers + "\r\n" + body;
}

class AMalformedRequest : public testing::TestWithParam<Case> {};

TEST_P(AMalformedRequest, is_refused_and_ends_the_connection) {
    RunningServer server{echo};
    server.listen();
    auto client = server.connect();
    // What follows would be answered if the server lost its place.
    client.send(GetParam().request + get("/smuggled"));
    const Answer answer = client.read();
    EXPECT_EQ(answer.status, GetParam().status);
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_TRUE(answer.body.starts_with(std::to_string(GetParam().status) + ": ")) << answer.body;
    EXPECT_TRUE(client.is_closed());
    EXPECT_EQ(server.statistics().requests, 0u);
    EXPECT_EQ(server.statistics().malformed, 1u);
}

const Case k_cases[] = {
    {"binary", std::string("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 11), 400},
    {"bare_line_feeds", "GET / HTTP/1.1\nHost: box\n\n", 400},
    {"bare_carriage_return", "GET / HTTP/1.1\rHost: box\r\r\n\r\n", 400},
    {"no_version", "GET /\r\n\r\n", 400},
    {"http_2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
    {"http_0_9", "GET / HTTP/0.9\r\n\r\n", 400},
    {"two_spaces", "GET  / HTTP/1.1\r\nHost: box\r\n\r\n", 400},
    {"bad_method", "G@T / HTTP/1.1\r\nHost: box\r\n\r\n", 400},
    {"control_in_target", "GET /\x01 HTTP/1.1\r\nHost: box\r\n\r\n", 400},
    {"nul_in_path", "GET /%00 HTTP/1.1\r\nHost: box\r\n\r\n", 400},
    {"bad_escape", "GET /%zz HTTP/1.1\r\nHost: box\r\n\r\n", 400},
    {"relative_target", "GET a HTTP/1.1\r\nHost: box\r\n\r\n", 400},
    {"connect", "CONNECT box:80 HTTP/1.1\r\nHost: box\r\n\r\n", 400},
    {"space_before_colon", with("Content-Length : 0\r\n"), 400},
    {"nul_in_header", with(std::string("X: a\0b\r\n", 8)), 400},
    {"header_without_colon", with("Broken\r\n"), 400},
    {"no_host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"two_hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"length_and_chunked", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
     400},
    {"chunked_and_length", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
     400},
    {"length_and_unknown_coding",
     with("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n", "abcde"), 400},
    {"two_lengths", with("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"), 400},
    {"same_length_twice", with("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), 400},
    {"list_of_lengths", with("Content-Length: 1, 1\r\n", "a"), 400},
    {"negative_length", with("Content-Length: -1\r\n", "a"), 400},
    {"signed_length", with("Content-Length: +1\r\n", "a"), 400},
    {"hexadecimal_length", with("Content-Length: 0x1\r\n", "a"), 400},
    {"huge_length", with("Content-Length: 99999999999999999999\r\n", "a"), 400},
    {"empty_length", with("Content-Length: \r\n", "a"), 400},
    {"unknown_coding", with("Transfer-Encoding: gzip\r\n", "a"), 501},
    {"coding_before_chunked", with("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501},
    {"chunked_not_last", with("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 501},
    {"chunked_twice",
     with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
    {"chunked_in_1_0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"chunk_size_missing", with("Transfer-Encoding: chunked\r\n", "\r\nabc\r\n0\r\n\r\n"), 400},
    {"chunk_size_negative", with("Transfer-Encoding: chunked\r\n", "-1\r\nabc\r\n0\r\n\r\n"), 400},
    {"chunk_without_end", with("Transfer-Encoding: chunked\r\n", "1\r\nabc\r\n0\r\n\r\n"), 400},
    {"chunk_size_junk", with("Transfer-Encoding: chunked\r\n", "1 x\r\na\r\n0\r\n\r\n"), 400},
    {"chunk_bare_line_feed", with("Transfer-Encoding: chunked\r\n", "1\na\n0\n\n\r\n\r\n"), 400},
    {"endless_chunk_extension",
     with("Transfer-Encoding: chunked\r\n", "1;" + std::string(40'000, 'x')), 400},
    {"length_in_trailer", with("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 5\r\n\r\n"),
     400},
    {"other_expectation", with("Expect: 200-maybe\r\nContent-Length: 1\r\n", "a"), 417},
};
INSTANTIATE_TEST_SUITE_P(Http, AMalformedRequest, testing::ValuesIn(k_cases),
                         [](const auto& tested) { return std::string{tested.param.name}; });

TEST(ACutOffRequest, is_never_handled) {
    RunningServer server{echo};
    server.listen();
    const std::string request = post("/x", "12345");
    for (std::size_t length = 1; length < request.size(); ++length) {
        auto client = server.connect();
        client.send(std::string_view{request}.substr(0, length));
        client.close_sending();
        ASSERT_TRUE(client.is_closed()) << length;
    }
    EXPECT_EQ(server.statistics().requests, 0u);
    EXPECT_TRUE(server.eventually_statistics([](const auto& s) { return s.open == 0; }));
}

}  // namespace
}  // namespace backplane::core
