// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the tests of lanes share: a main loop, a lane, and what came.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/requests.hpp"

namespace backplane::sync::test {

using namespace std::chrono_literals;

class Lanes : public ::testing::Test {
protected:
    using Result = core::Result<ServerAnswer>;
    static constexpr auto k_patience = 30s;

    Requests& lane() {
        if (!lane_) lane_ = make_lane(loop, options);
        return *lane_;
    }
    static ServerRequest get(std::string url) {
        ServerRequest request;
        request.method = "GET";
        request.url = std::move(url);
        return request;
    }
    static ServerRequest post(std::string url, std::string body,
                              std::string content_type = "application/json") {
        ServerRequest request;
        request.url = std::move(url);
        request.body = std::move(body);
        request.content_type = std::move(content_type);
        return request;
    }

    /// One request, from beginning to end.
    Result ask(ServerRequest request) {
        std::optional<Result> came;
        const auto sent = lane().send(std::move(request), [&](Result result) {
            EXPECT_FALSE(came) << "two answers";
            came = std::move(result);
        });
        EXPECT_FALSE(came) << "an answer from inside send()";
        run_until([&] { return came.has_value(); });
        if (!came) return core::failure("test", "the request did not end");
        return *std::move(came);
    }
    std::string body_of(ServerRequest request) {
        auto answer = ask(std::move(request));
        return answer ? answer->body : answer.error().code + ": " + answer.error().text;
    }
    core::Error error_of(ServerRequest request) {
        auto answer = ask(std::move(request));
        if (!answer) {
            EXPECT_EQ(answer.error().text.find('\n'), std::string::npos);
            return answer.error();
        }
        ADD_FAILURE() << "it was answered: " << answer->status << " " << answer->body;
        return {};
    }
    template <typename Condition>
    void run_until(Condition condition) {
        const auto end = std::chrono::steady_clock::now() + k_patience;
        while (!condition() && std::chrono::steady_clock::now() < end) {
            loop.restart();
            loop.run_one_for(20ms);
        }
        EXPECT_TRUE(condition()) << "nothing came in time";
    }
    /// Runs whatever is ready, which must not be a callback of what has ended.
    void run_what_is_left() {
        loop.restart();
        loop.run_for(50ms);
    }

    boost::asio::io_context loop;
    LaneOptions options{
        .name = "bp-test", .ca_file = "", .queue = 32, .connect = 5s, .idle = 30s, .resolve = {}};
    std::unique_ptr<Requests> lane_;
};

}  // namespace backplane::sync::test
