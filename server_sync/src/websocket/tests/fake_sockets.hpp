// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// WebSockets without a network: they open, speak and end when the test says so.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "websocket/socket.hpp"

namespace backplane::sync::test {

class FakeSockets {
public:
    struct One {
        SocketOptions options;
        Socket::Handlers handlers;  ///< none any more: ended, or closed by the box
        std::vector<std::string> sent;
        bool is_alive = true;  ///< neither has ended it

        std::string header(std::string_view name) const {
            for (const auto& [key, value] : options.headers)
                if (key == name) return value;
            return "(none)";
        }
    };

    SocketMaker maker() {
        return [this](SocketOptions options, Socket::Handlers handlers) -> std::unique_ptr<Socket> {
            auto one = std::make_shared<One>();
            one->options = std::move(options);
            one->handlers = std::move(handlers);
            all.push_back(one);
            return std::make_unique<Handle>(one);
        };
    }

    One& last() {
        if (all.empty()) {
            ADD_FAILURE() << "the box has made no connection";
            all.push_back(std::make_shared<One>());
        }
        return *all.back();
    }
    std::size_t count() const { return all.size(); }
    /// Of those that neither side has ended.
    std::size_t alive() const {
        std::size_t out = 0;
        for (const auto& one : all) out += one->is_alive ? 1 : 0;
        return out;
    }

    void open() {
        ASSERT_TRUE(last().is_alive);
        if (const auto tell = last().handlers.opened) tell();
    }
    void say(std::string text) {
        ASSERT_TRUE(last().is_alive);
        if (const auto tell = last().handlers.text) tell(std::move(text));
    }
    void end(std::string code, int status = 0, int close_code = 0) {
        ASSERT_TRUE(last().is_alive);
        const auto one = all.back();
        one->is_alive = false;
        const auto handlers = std::exchange(one->handlers, {});
        handlers.closed({std::move(code), "it is as it is"}, status, close_code);
    }

    std::vector<std::shared_ptr<One>> all;

private:
    class Handle : public Socket {
    public:
        explicit Handle(std::shared_ptr<One> one) : one_(std::move(one)) {}
        ~Handle() override { close(); }
        Handle(const Handle&) = delete;
        Handle& operator=(const Handle&) = delete;
        void send(std::string text) override { one_->sent.push_back(std::move(text)); }
        void close() override {
            one_->is_alive = false;
            one_->handlers = {};
        }

    private:
        std::shared_ptr<One> one_;
    };
};

}  // namespace backplane::sync::test
