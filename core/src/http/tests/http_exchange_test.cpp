// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Answers now, later, in pieces, twice, or never.
#include <gmock/gmock.h>

#include <algorithm>
#include <stdexcept>

#include "backplane/core/log.hpp"
#include "running_server.hpp"

namespace backplane::core {
namespace {

using namespace test;  // NOLINT: a test's own helpers

/// Keeps the exchanges; all members belong to the loop.
class AnExchange : public testing::Test {
protected:
    explicit AnExchange(HttpLimits limits = {})
        : server_([this](HttpExchangePtr exchange) { take(std::move(exchange)); }, limits) {
        server_.listen();
    }
    ~AnExchange() override {
        server_.on_loop([this] { kept_.clear(); });
    }
    virtual void take(HttpExchangePtr exchange) {
        if (watch_) exchange->on_gone([this] { ++gone_; });
        kept_.push_back(std::move(exchange));
    }
    bool wait_for_exchanges(std::size_t count) {
        return server_.eventually([this, count] { return kept_.size() == count; });
    }
    bool wait_for_gone(int count) {
        return server_.eventually([this, count] { return gone_ == count; });
    }
    void respond(std::size_t which, std::string body) {
        server_.on_loop([&] { kept_.at(which)->respond(text_response(std::move(body))); });
    }
    bool write(std::size_t which, std::string piece) {
        return server_.on_loop([&] { return kept_.at(which)->write(std::move(piece)); });
    }
    void begin_stream(std::size_t which) {
        server_.on_loop([&] {
            HttpResponse head;
            head.content_type = "text/event-stream";
            kept_.at(which)->begin_stream(std::move(head));
        });
    }

    /// The log counts repeats instead of writing them: what a test looks for in it needs a name of
    /// its own.
    std::string unique_path() const {
        static int number = 0;
        return "/only-" + std::to_string(server_.port()) + "-" + std::to_string(++number);
    }
    static bool is_logged(std::string_view event, std::string_view path) {
        const auto logs = recent_logs();
        return std::any_of(logs.begin(), logs.end(), [&](const LogRecord& record) {
            return record.level == LogLevel::warning && record.event == event &&
                   std::any_of(record.fields.begin(), record.fields.end(),
                               [&](const auto& field) { return field.second == path; });
        });
    }

    std::vector<HttpExchangePtr> kept_;
    int gone_ = 0;
    bool watch_ = true;
    RunningServer server_;
};

TEST_F(AnExchange, tells_when_its_client_leaves_while_it_waits) {
    auto client = server_.connect();
    client.send(get("/poll"));
    ASSERT_TRUE(wait_for_exchanges(1));
    client.close();
    EXPECT_TRUE(wait_for_gone(1));
    server_.on_loop([this] { kept_.clear(); });
    EXPECT_TRUE(server_.eventually_statistics(
        [](const auto& s) { return s.open == 0 && s.waiting_exchanges == 0; }));
    EXPECT_EQ(server_.on_loop([this] { return gone_; }), 1) << "only once";
}

TEST_F(AnExchange, tells_it_also_when_the_client_has_sent_the_next_request_early) {
    auto client = server_.connect();
    client.send(get("/poll") + get("/early"));
    ASSERT_TRUE(wait_for_exchanges(1));
    client.close();
    EXPECT_TRUE(wait_for_gone(1));
}

TEST_F(AnExchange, tells_it_also_when_the_client_has_sent_more_than_is_read_in_advance) {
    auto client = server_.connect();
    std::string flood = get("/poll");
    while (flood.size() < 60'000) flood += get("/early");
    ASSERT_TRUE(client.send(flood));
    ASSERT_TRUE(wait_for_exchanges(1));
    client.close();
    EXPECT_TRUE(wait_for_gone(1));
}

TEST_F(AnExchange, answers_requests_sent_early_after_the_one_that_waits) {
    auto client = server_.connect();
    client.send(get("/1") + get("/2") + get("/3"));
    for (std::size_t i = 0; i < 3; ++i) {
        ASSERT_TRUE(wait_for_exchanges(i + 1)) << "one at a time";
        respond(i, "answer " + std::to_string(i));
        EXPECT_EQ(client.read().body, "answer " + std::to_string(i));
    }
}

TEST_F(AnExchange, tells_late_listeners_too) {
    watch_ = false;
    auto client = server_.connect();
    client.send(get("/poll"));
    ASSERT_TRUE(wait_for_exchanges(1));
    client.close();
    server_.on_loop([this] { kept_[0]->on_gone([this] { ++gone_; }); });
    EXPECT_TRUE(wait_for_gone(1));
}

TEST_F(AnExchange, forgets_its_listener_once_it_is_answered) {
    auto client = server_.connect();
    client.send(get("/"));
    ASSERT_TRUE(wait_for_exchanges(1));
    respond(0, "x");
    EXPECT_EQ(client.read().body, "x");
    client.close();
    ASSERT_TRUE(server_.eventually_statistics([](const auto& s) { return s.open == 0; }));
    EXPECT_EQ(server_.on_loop([this] { return gone_; }), 0);
}

TEST_F(AnExchange, calls_only_the_listener_set_last) {
    auto client = server_.connect();
    client.send(get("/"));
    ASSERT_TRUE(wait_for_exchanges(1));
    server_.on_loop([this] { kept_[0]->on_gone([this] { gone_ += 10; }); });
    client.close();
    EXPECT_TRUE(wait_for_gone(10));
}

TEST_F(AnExchange, does_not_live_on_because_its_listener_holds_it) {
    std::weak_ptr<HttpExchange> weak;
    auto client = server_.connect();
    client.send(get("/"));
    ASSERT_TRUE(wait_for_exchanges(1));
    server_.on_loop([&] {
        const HttpExchangePtr exchange = kept_[0];
        weak = exchange;
        exchange->on_gone([exchange] {});
        exchange->respond({});
        kept_.clear();
    });
    EXPECT_EQ(client.read().status, 200u);
    EXPECT_TRUE(server_.eventually([&] { return weak.expired(); }));
}

TEST_F(AnExchange, still_answers_a_client_that_has_closed_only_its_sending_side) {
    auto client = server_.connect();
    client.send(get("/"));
    ASSERT_TRUE(wait_for_exchanges(1));
    client.close_sending();
    ASSERT_TRUE(wait_for_gone(1));
    respond(0, "late");
    EXPECT_EQ(client.read().body, "late");
    EXPECT_TRUE(client.is_closed());
}

TEST_F(AnExchange, is_answered_500_when_it_is_dropped) {
    auto client = server_.connect();
    const std::string path = unique_path();
    client.send(get(path));
    ASSERT_TRUE(wait_for_exchanges(1));
    server_.on_loop([this] { kept_.clear(); });
    EXPECT_EQ(client.read().status, 500u);
    EXPECT_TRUE(is_logged("exchange.dropped", path));
    client.send(get("/next"));
    EXPECT_TRUE(wait_for_exchanges(1)) << "the connection goes on";
}

TEST_F(AnExchange, ignores_a_second_answer_and_says_so) {
    auto client = server_.connect();
    const std::string path = unique_path();
    client.send(get(path));
    ASSERT_TRUE(wait_for_exchanges(1));
    respond(0, "first");
    EXPECT_FALSE(is_logged("exchange.answered_twice", path));
    respond(0, "second");
    EXPECT_TRUE(is_logged("exchange.answered_twice", path));
    begin_stream(0);
    EXPECT_EQ(client.read().body, "first");
    client.send(get("/"));
    ASSERT_TRUE(wait_for_exchanges(2));
    respond(1, "third");
    EXPECT_EQ(client.read().body, "third");
}

TEST_F(AnExchange, may_outlive_its_server) {
    auto client = server_.connect();
    client.send(get("/"));
    ASSERT_TRUE(wait_for_exchanges(1));
    server_.destroy_server();
    EXPECT_TRUE(client.is_closed());
    respond(0, "nobody listens");
    EXPECT_FALSE(write(0, "x"));
    EXPECT_EQ(server_.on_loop([this] { return gone_; }), 0) << "after the server nobody is called";
}

TEST_F(AnExchange, that_is_answered_sets_the_next_one_free_without_nesting) {
    // Each answer frees the next waiting request, whose handler answers another: a chain through
    // all connections.
    int depth = 0, deepest = 0, handled = 0;
    std::vector<HttpExchangePtr> waiting;
    RunningServer server{[&](HttpExchangePtr exchange) {
        ++handled;
        deepest = std::max(deepest, ++depth);
        if (exchange->request().path == "/wait") {
            waiting.push_back(std::move(exchange));
        } else {
            exchange->respond({});
            if (!waiting.empty()) {
                const auto next = std::move(waiting.back());
                waiting.pop_back();
                next->respond({});
            }
        }
        --depth;
    }};
    server.listen();
    std::vector<HttpClient> clients;
    for (std::size_t i = 0; i < 50; ++i) {
        clients.push_back(server.connect());
        clients.back().send(get("/wait") + get("/free"));
    }
    ASSERT_TRUE(server.eventually([&] { return waiting.size() == 50; }));
    server.on_loop([&] {
        const auto first = std::move(waiting.back());
        waiting.pop_back();
        first->respond({});
    });
    for (HttpClient& client : clients) {
        EXPECT_EQ(client.read().status, 200u);
        EXPECT_EQ(client.read().status, 200u);
    }
    EXPECT_EQ(server.on_loop([&] { return handled; }), 100);
    EXPECT_EQ(server.on_loop([&] { return deepest; }), 1);
}

TEST_F(AnExchange, becomes_a_stream_in_chunks) {
    auto client = server_.connect();
    client.send(get("/events"));
    ASSERT_TRUE(wait_for_exchanges(1));
    begin_stream(0);
    EXPECT_TRUE(write(0, "data: 1\n\n"));
    EXPECT_TRUE(write(0, "")) << "nothing to say is not the end";
    EXPECT_TRUE(write(0, "data: 2\n\n"));
    EXPECT_THAT(client.read_until("data: 2\n\n\r\n"),
                testing::HasSubstr("9\r\ndata: 1\n\n\r\n9\r\n"));
    server_.on_loop([this] { kept_[0]->close(); });
    EXPECT_EQ(client.read_until("0\r\n\r\n"), "0\r\n\r\n");
    EXPECT_FALSE(write(0, "late"));
    client.send(get("/next"));
    EXPECT_TRUE(wait_for_exchanges(2)) << "the connection goes on after a stream";
}

TEST_F(AnExchange, becomes_a_stream_that_ends_with_the_connection_for_http_1_0) {
    auto client = server_.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(wait_for_exchanges(1));
    begin_stream(0);
    EXPECT_TRUE(write(0, "abc"));
    server_.on_loop([this] { kept_[0]->close(); });
    const Answer answer = client.read();
    EXPECT_EQ(answer.body, "abc");
    EXPECT_EQ(answer.header("Transfer-Encoding"), "");
}

TEST_F(AnExchange, has_no_stream_for_a_head_request) {
    auto client = server_.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: box\r\n\r\n");
    ASSERT_TRUE(wait_for_exchanges(1));
    begin_stream(0);
    EXPECT_FALSE(write(0, "x"));
    EXPECT_TRUE(client.read(true).complete);
    client.send(get("/next"));
    EXPECT_TRUE(wait_for_exchanges(2));
}

TEST_F(AnExchange, ends_a_stream_that_is_dropped_without_the_mark_of_a_regular_end) {
    auto client = server_.connect();
    client.send(get("/"));
    ASSERT_TRUE(wait_for_exchanges(1));
    begin_stream(0);
    EXPECT_TRUE(write(0, "abc"));
    server_.on_loop([this] { kept_.clear(); });
    const Answer answer = client.read();
    EXPECT_EQ(answer.body, "abc");
    EXPECT_FALSE(answer.complete);
}

TEST_F(AnExchange, tells_the_writer_of_a_stream_that_the_client_has_gone) {
    auto client = server_.connect();
    client.send(get("/"));
    ASSERT_TRUE(wait_for_exchanges(1));
    begin_stream(0);
    EXPECT_TRUE(write(0, "abc"));
    client.close();
    EXPECT_TRUE(wait_for_gone(1));
    EXPECT_FALSE(write(0, "def"));
}

class AHandlerThatThrows : public AnExchange {
protected:
    void take(HttpExchangePtr exchange) override {
        if (exchange->request().path == "/throw") throw std::runtime_error("broken");
        exchange->respond(text_response("fine"));
    }
};

TEST_F(AHandlerThatThrows, costs_its_client_an_error_and_nobody_else_anything) {
    auto client = server_.connect();
    EXPECT_EQ(client.ask(get("/throw")).status, 500u);
    EXPECT_EQ(client.ask(get("/ok")).body, "fine");
}

TEST_F(AnExchange, gets_time_to_be_answered_when_the_server_stops) {
    auto idle = server_.connect();
    idle.send(get("/"));
    ASSERT_TRUE(wait_for_exchanges(1));
    respond(0, "idle from now on");
    idle.read();
    auto client = server_.connect();
    client.send(get("/"));
    ASSERT_TRUE(wait_for_exchanges(2));
    std::promise<void> stopped;
    server_.on_loop([&] { server_.server().stop(k_patience, [&] { stopped.set_value(); }); });
    EXPECT_TRUE(idle.is_closed());
    EXPECT_THROW(server_.connect(), std::exception);
    respond(1, "last");
    const Answer answer = client.read();
    EXPECT_EQ(answer.body, "last");
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_TRUE(client.is_closed());
    EXPECT_EQ(stopped.get_future().wait_for(k_patience), std::future_status::ready)
        << "not only after the drain time";
}

TEST_F(AnExchange, is_closed_when_it_still_waits_after_the_drain_time) {
    auto client = server_.connect();
    client.send(get("/poll"));
    ASSERT_TRUE(wait_for_exchanges(1));
    std::promise<void> stopped;
    server_.on_loop([&] {
        server_.server().stop(std::chrono::milliseconds{50}, [&] { stopped.set_value(); });
    });
    EXPECT_EQ(stopped.get_future().wait_for(k_patience), std::future_status::ready);
    EXPECT_TRUE(client.is_closed());
    EXPECT_TRUE(wait_for_gone(1));
}

}  // namespace
}  // namespace backplane::core
