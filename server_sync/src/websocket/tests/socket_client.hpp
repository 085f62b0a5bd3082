// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A main loop with one WebSocket on it, and what that has said.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "websocket/lookup.hpp"
#include "websocket/tests/raw_socket_server.hpp"

namespace backplane::sync::test {

using namespace std::chrono_literals;

class ASocket : public ::testing::Test {
protected:
    struct Closed {
        core::Error why;
        int status = 0, close_code = 0;
    };

    /// Begins; the options may be changed before.
    void connect(const std::string& url, LookUp lookup = {}) {
        options.url = url;
        const int before = opened;
        socket = beast_sockets(loop, std::move(lookup))(
            options, {[this] {
                          ++opened;
                          if (on_open) on_open();
                      },
                      [this](std::string text) {
                          texts.push_back(std::move(text));
                          if (on_text) on_text();
                      },
                      [this](core::Error why, int status, int close_code) {
                          EXPECT_FALSE(closed) << "it ends once";
                          closed = Closed{std::move(why), status, close_code};
                      }});
        EXPECT_EQ(opened, before);
        EXPECT_FALSE(closed) << "nothing is told from inside the call";
    }
    /// Runs the loop until this is true; false after a time that no healthy machine needs.
    bool until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + 30s;
        while (!done()) {
            loop.restart();
            loop.run_one_for(10ms);
            if (std::chrono::steady_clock::now() > end) return false;
        }
        return true;
    }
    bool is_open() {
        return until([this] { return opened > 0 || closed.has_value(); }) && !closed;
    }
    /// The end, with its code; "" when none comes.
    std::string end() {
        return until([this] { return closed.has_value(); }) ? closed->why.code : "";
    }

    boost::asio::io_context loop;
    SocketOptions options;
    std::unique_ptr<Socket> socket;
    int opened = 0;
    std::vector<std::string> texts;
    std::optional<Closed> closed;
    std::function<void()> on_open, on_text;
};

}  // namespace backplane::sync::test
