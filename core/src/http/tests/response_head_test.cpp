// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/response_head.hpp"

#include <gtest/gtest.h>

namespace backplane::core {
namespace {

std::string head(const HttpResponse& response, BodyFraming framing = BodyFraming::length,
                 ConnectionHeader connection = ConnectionHeader::omitted) {
    std::string out;
    append_head(out, response, framing, 7, connection);
    return out;
}

TEST(AResponseHead, leaves_out_headers_that_would_split_the_answer) {
    HttpResponse response;
    response.headers = {{"X-Name", "a\r\nSet-Cookie: b"},
                        {"X-Bad\r\nName", "c"},
                        {"X-Nul", std::string("d\0e", 3)},
                        {"", "f"},
                        {"X-Good", "g"}};
    EXPECT_EQ(head(response),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Good: "
              "g\r\nContent-Length: 7\r\n\r\n");
}

TEST(AResponseHead, does_not_let_a_handler_decide_about_the_framing) {
    HttpResponse response;
    response.content_type.clear();
    response.headers = {
        {"content-length", "9"}, {"Transfer-Encoding", "gzip"}, {"CONNECTION", "upgrade"}};
    EXPECT_EQ(head(response), "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    EXPECT_FALSE(asks_to_close(response));
}

TEST(AResponseHead, says_500_instead_of_a_status_that_does_not_exist) {
    HttpResponse response;
    response.status = 77;
    EXPECT_TRUE(head(response).starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
}

TEST(AResponseHead, has_neither_length_nor_type_when_there_is_no_content) {
    HttpResponse response;
    response.status = 204;
    EXPECT_EQ(head(response, BodyFraming::none, ConnectionHeader::close),
              "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}

TEST(AChunk, carries_its_length_in_hexadecimal) {
    std::string out;
    append_chunk(out, std::string(255, 'x'));
    EXPECT_EQ(out, "ff\r\n" + std::string(255, 'x') + "\r\n");
}

}  // namespace
}  // namespace backplane::core
