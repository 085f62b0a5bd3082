// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/requests.hpp"

#include <atomic>
#include <future>

#include "doubles/bad_ports.hpp"
#include "server/tests/lanes.hpp"
#include "server/tests/wire_server.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ALane : public Lanes {
protected:
    static WireServer::Reply echo() {
        return [](const WireServer::Seen& seen) -> std::optional<std::string> {
            return WireServer::ok(seen.text.substr(seen.text.find("\r\n\r\n") + 4));
        };
    }
    static WireServer::Reply silence() {
        return [](const WireServer::Seen&) -> std::optional<std::string> { return ""; };
    }
    static WireServer::Reply saying(std::string text) {
        return [text = std::move(text)](const WireServer::Seen&) -> std::optional<std::string> {
            return text;
        };
    }
    static std::vector<int> connections(const WireServer& server) {
        std::vector<int> out;
        for (const auto& seen : server.seen()) out.push_back(seen.connection);
        return out;
    }
};

// ---- who does not answer ------------------------------------------------------------------------

TEST_F(ALane, gives_up_a_server_that_is_silent) {
    WireServer server(silence());
    auto request = post(server.url("/iot/setup"), "{}");
    request.total = 200ms;
    const auto error = error_of(request);
    EXPECT_EQ(error.code, "net.timeout");
    EXPECT_EQ(error.text, "the Odoo server " + server.url() +
                              " did not answer within 200 ms: look whether it is overloaded, and "
                              "check the network of the box");
}

TEST_F(ALane, gives_up_a_server_that_sends_a_byte_now_and_then) {
    const tests::RawServer server([](const auto& talk) {
        talk("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst");
        while (talk("") && talk(".")) {
        }
    });
    auto request = get("http://127.0.0.1:" + std::to_string(server.port()));
    request.total = 300ms;
    const auto error = error_of(request);
    EXPECT_EQ(error.code, "net.timeout");
    EXPECT_THAT(error.text, HasSubstr("had not sent all of its answer after 300 ms"));
}

TEST_F(ALane, gives_up_a_server_that_does_not_take_the_connection) {
    const tests::BusyPort busy;
    auto request = get("http://127.0.0.1:" + std::to_string(busy.port()));
    options.connect = 200ms;
    const auto slow = error_of(request);
    EXPECT_EQ(slow.code, "net.connect");
    EXPECT_THAT(slow.text, HasSubstr("did not answer within 200 ms: check that it runs"));
    options.connect = 20s;
    lane_.reset();
    request.total = 200ms;
    const auto over = error_of(request);
    EXPECT_EQ(over.code, "net.connect");
    EXPECT_THAT(over.text, HasSubstr("did not answer within 200 ms"));
}

TEST_F(ALane, is_refused_where_nobody_listens) {
    const tests::RefusingPort nobody;
    const std::string url = "http://127.0.0.1:" + std::to_string(nobody.port());
    const auto error = error_of(get(url + "/x"));
    EXPECT_EQ(error.code, "net.connect");
    EXPECT_EQ(error.text, "the Odoo server " + url +
                              " takes no connections: check that it runs, that its address has the "
                              "right port, and that no firewall is between it and the box");
}

TEST_F(ALane, does_not_wait_for_a_name_server_that_is_silent) {
    const auto gate = std::make_shared<std::promise<void>>();
    const auto ended = std::make_shared<std::promise<void>>();
    options.resolve = [ended, wait = gate->get_future().share()](
                          const std::string&) -> core::Result<std::vector<std::string>> {
        wait.wait();
        ended->set_value();
        return std::vector<std::string>{"127.0.0.1"};
    };
    auto request = get("http://shop.example.com/");
    request.total = 200ms;
    const auto error = error_of(request);
    EXPECT_EQ(error.code, "net.lookup");
    EXPECT_THAT(error.text, HasSubstr("shop.example.com was not found (the name server did not "
                                      "answer in time)"));
    gate->set_value();
    ended->get_future().wait();
}

TEST_F(ALane, says_that_a_name_is_unknown) {
    options.resolve = [](const std::string&) -> core::Result<std::vector<std::string>> {
        return core::failure("net.lookup", "Name or service not known");
    };
    const auto error = error_of(get("https://shop.example.com/iot/setup"));
    EXPECT_EQ(error.code, "net.lookup");
    EXPECT_EQ(error.text,
              "the Odoo server shop.example.com was not found (Name or service not known): check "
              "its address, and the network and name server of the box");
}

TEST_F(ALane, asks_nobody_when_the_address_is_none) {
    for (const char* url :
         {"", "shop.example.com", "ftp://a/", "http://a/ b", "http://a\r\nX: y"}) {
        const auto error = error_of(get(url));
        EXPECT_EQ(error.code, "net.bad_url") << url;
        EXPECT_THAT(error.text, HasSubstr("is not the address of an Odoo server")) << url;
    }
}

// ---- who answers too much, or half --------------------------------------------------------------

TEST_F(ALane, does_not_take_an_answer_that_says_it_is_too_large) {
    WireServer server(saying(WireServer::ok(std::string(2000, 'x'))));
    auto request = get(server.url());
    request.answer_bytes = 1999;
    const auto error = error_of(request);
    EXPECT_EQ(error.code, "net.too_large");
    EXPECT_THAT(error.text, HasSubstr("sends more than the 1999 bytes"));
    request.answer_bytes = 2000;
    EXPECT_EQ(body_of(request), std::string(2000, 'x'));
}

TEST_F(ALane, does_not_take_an_answer_without_end) {
    const tests::RawServer server([](const auto& talk) {
        talk("HTTP/1.1 200 OK\r\n\r\n");
        while (talk(std::string(4096, 'x'))) {
        }
    });
    auto request = get("http://127.0.0.1:" + std::to_string(server.port()));
    request.answer_bytes = 100'000;
    const auto error = error_of(request);
    EXPECT_EQ(error.code, "net.too_large");
    EXPECT_THAT(error.text, HasSubstr("sends more than the 100000 bytes"));
}

TEST_F(ALane, does_not_take_headers_without_end) {
    const tests::RawServer server([](const auto& talk) {
        talk("HTTP/1.1 200 OK\r\n");
        while (talk("X-More: " + std::string(4000, 'x') + "\r\n")) {
        }
    });
    auto request = get("http://127.0.0.1:" + std::to_string(server.port()));
    request.answer_bytes = 1000;
    request.total = 20s;
    EXPECT_EQ(error_of(request).code, "net.too_large");
}

TEST_F(ALane, notices_that_an_answer_breaks_off) {
    WireServer server(
        saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf"));
    const auto error = error_of(get(server.url()));
    EXPECT_EQ(error.code, "net.closed");
    EXPECT_THAT(error.text, HasSubstr("broke off after 4 of 100 bytes of the answer"));
    EXPECT_THAT(server.seen(), SizeIs(1)) << "a request of which something came is not repeated";
}

TEST_F(ALane, notices_a_connection_that_is_closed_without_a_word) {
    WireServer server([](const auto&) { return std::nullopt; });
    const auto error = error_of(get(server.url()));
    EXPECT_EQ(error.code, "net.closed");
    EXPECT_THAT(error.text, HasSubstr("closed the connection without an answer"));
    EXPECT_THAT(server.seen(), SizeIs(1)) << "a new connection is no reason to repeat";
}

TEST_F(ALane, does_not_take_noise_for_an_answer) {
    WireServer server(saying("SSH-2.0-OpenSSH_9.2\r\n\r\nConnection: close"));
    EXPECT_EQ(error_of(get(server.url())).code, "net.closed");
}

TEST_F(ALane, waits_for_no_body_where_none_can_come) {
    for (const char* head :
         {"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"}) {
        WireServer server(saying(head));
        const auto answer = ask(get(server.url()));
        ASSERT_TRUE(answer) << answer.error().text;
        EXPECT_EQ(answer->status, std::string(head).find("304") == 9 ? 304 : 204);
        EXPECT_EQ(answer->body, "");
        lane_.reset();
    }
}

// ---- kept connections ---------------------------------------------------------------------------

TEST_F(ALane, sends_everything_in_order_over_one_connection) {
    WireServer server(echo());
    std::vector<std::string> answers;
    std::vector<core::Subscription> sent;
    for (int i = 0; i < 20; ++i)
        sent.push_back(lane().send(post(server.url("/x"), std::to_string(i)), [&](Result result) {
            answers.push_back(result ? result->body : result.error().text);
        }));
    EXPECT_THAT(answers, IsEmpty()) << "an answer from inside send()";
    run_until([&] { return answers.size() == 20; });
    for (int i = 0; i < 20; ++i) EXPECT_EQ(answers.at(i), std::to_string(i));
    EXPECT_EQ(connections(server), std::vector<int>(20, 1));
}

TEST_F(ALane, notices_that_a_kept_connection_was_closed_while_nobody_used_it) {
    WireServer server(echo());
    EXPECT_EQ(body_of(post(server.url(), "one")), "one");
    server.close_idle();
    EXPECT_EQ(body_of(post(server.url(), "two")), "two");
    EXPECT_EQ(connections(server).back(), 2);
}

TEST_F(ALane, repeats_once_what_a_kept_connection_has_swallowed) {
    WireServer server([](const WireServer::Seen& seen) -> std::optional<std::string> {
        if (seen.request == 2) return std::nullopt;
        return WireServer::ok(std::to_string(seen.request));
    });
    EXPECT_EQ(body_of(post(server.url(), "one")), "1");
    EXPECT_EQ(body_of(post(server.url(), "two")), "3");
    ASSERT_EQ(connections(server), (std::vector<int>{1, 1, 2}));
    EXPECT_THAT(server.seen().at(2).text, HasSubstr("two")) << "it is the same request";
}

TEST_F(ALane, repeats_it_only_once) {
    WireServer server([](const WireServer::Seen& seen) -> std::optional<std::string> {
        if (seen.request > 1) return std::nullopt;
        return WireServer::ok("1");
    });
    EXPECT_EQ(body_of(post(server.url(), "one")), "1");
    EXPECT_EQ(error_of(post(server.url(), "two")).code, "net.closed");
    EXPECT_EQ(connections(server), (std::vector<int>{1, 1, 2}));
}

TEST_F(ALane, does_not_repeat_what_has_begun_to_be_answered) {
    WireServer server([](const WireServer::Seen& seen) -> std::optional<std::string> {
        if (seen.request == 2) return "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Hal";
        return WireServer::ok("1");
    });
    EXPECT_EQ(body_of(post(server.url(), "one")), "1");
    EXPECT_EQ(error_of(post(server.url(), "two")).code, "net.closed");
    EXPECT_THAT(server.seen(), SizeIs(2));
}

TEST_F(ALane, does_not_keep_a_connection_that_the_server_closes) {
    WireServer server(saying(WireServer::ok("x", "Connection: close\r\n")));
    EXPECT_EQ(body_of(get(server.url())), "x");
    EXPECT_EQ(body_of(get(server.url())), "x");
    EXPECT_EQ(connections(server), (std::vector<int>{1, 2}));
}

TEST_F(ALane, takes_another_connection_for_another_server) {
    WireServer one(echo()), two(echo());
    EXPECT_EQ(body_of(post(one.url(), "a")), "a");
    EXPECT_EQ(body_of(post(two.url(), "b")), "b");
    EXPECT_EQ(body_of(post(one.url(), "c")), "c");
    EXPECT_THAT(one.seen(), SizeIs(2));
    EXPECT_THAT(two.seen(), SizeIs(1));
}

TEST_F(ALane, ends_its_thread_when_nothing_is_asked_and_begins_another) {
    options.idle = 0s;
    WireServer server(echo());
    EXPECT_EQ(body_of(post(server.url(), "a")), "a");
    EXPECT_EQ(body_of(post(server.url(), "b")), "b");
    EXPECT_EQ(body_of(post(server.url(), "c")), "c");
    EXPECT_THAT(server.seen(), SizeIs(3));
}

TEST_F(ALane, tries_the_second_address_when_the_first_leads_nowhere) {
    WireServer server(echo());
    options.resolve = [](const std::string&) -> core::Result<std::vector<std::string>> {
        return std::vector<std::string>{"::1", "127.0.0.1"};
    };
    std::string url = server.url("/x");
    url.replace(url.find("127.0.0.1"), 9, "shop.example.com");
    EXPECT_EQ(body_of(post(url, "a")), "a");
    EXPECT_THAT(server.seen().at(0).text, HasSubstr("Host: shop.example.com:"));
}

// ---- giving up ----------------------------------------------------------------------------------

TEST_F(ALane, forgets_a_waiting_request_whose_subscription_ends) {
    std::atomic<int> answered{0};
    WireServer server(echo());
    bool first = false, third = false;
    const auto one = lane().send(post(server.url(), "1"), [&](const Result&) { first = true; });
    auto two = lane().send(post(server.url(), "2"),
                           [&](const Result&) { ADD_FAILURE() << "it was given up"; });
    const auto three = lane().send(post(server.url(), "3"), [&](const Result&) { third = true; });
    two.reset();
    run_until([&] { return third; });
    EXPECT_TRUE(first);
    EXPECT_THAT(server.seen(), SizeIs(2));
}

TEST_F(ALane, cuts_a_running_request_whose_subscription_ends_and_goes_on) {
    WireServer server([](const WireServer::Seen& seen) -> std::optional<std::string> {
        if (seen.request == 1) return "";
        return WireServer::ok("next");
    });
    auto request = post(server.url(), "1");
    request.total = 25s;
    auto one = lane().send(request, [](const Result&) { ADD_FAILURE() << "it was given up"; });
    run_until([&] { return !server.seen().empty(); });
    bool next = false;
    const auto two = lane().send(post(server.url(), "2"), [&](const Result& result) {
        next = result && result->body == "next";
    });
    const auto begin = std::chrono::steady_clock::now();
    one.reset();
    run_until([&] { return next; });
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST_F(ALane, may_be_asked_again_and_destroyed_by_whom_it_tells) {
    WireServer server(echo());
    std::vector<std::string> came;
    core::Subscription second;
    const auto first = lane().send(post(server.url(), "1"), [&](const Result& result) {
        came.push_back(result ? result->body : "error");
        second = lane().send(post(server.url(), "2"), [&](const Result& next) {
            came.push_back(next ? next->body : "error");
            lane_.reset();
        });
    });
    run_until([&] { return lane_ == nullptr; });
    EXPECT_THAT(came, ElementsAre("1", "2"));
    run_what_is_left();
}

TEST_F(ALane, refuses_more_than_may_wait) {
    options.queue = 2;
    WireServer server(silence());
    std::vector<core::Subscription> sent;
    std::optional<core::Error> error;
    const auto never = [](const Result& result) {
        ADD_FAILURE() << (result ? "answered" : result.error().text);
    };
    for (int i = 0; i < 3; ++i) sent.push_back(lane().send(post(server.url(), "x"), never));
    sent.push_back(lane().send(post(server.url("/iot/log?token=secret"), "x"),
                               [&](const Result& result) { error = result.error(); }));
    sent.push_back(lane().send(post(server.url(), "x"), never));
    sent.back().reset();  // nobody wants to hear of this one
    EXPECT_FALSE(error) << "from inside send()";
    run_until([&] { return error.has_value(); });
    EXPECT_EQ(error->code, "net.queue_full");
    EXPECT_EQ(error->text, "a request to " + server.url() +
                               " was not sent, since 2 others wait before it: look whether that "
                               "server answers");
    lane_.reset();
    run_what_is_left();
}

TEST_F(ALane, ends_silently_and_at_once_when_it_is_destroyed) {
    const auto never = [](const Result&) { ADD_FAILURE() << "called after its end"; };
    WireServer server(silence());
    auto request = post(server.url(), "x");
    request.total = 60s;
    auto running = lane().send(request, never);
    auto waiting = lane().send(request, never);
    run_until([&] { return !server.seen().empty(); });
    const auto begin = std::chrono::steady_clock::now();
    lane_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    run_what_is_left();
    running.reset();  // after the lane: nothing is there to be told
    waiting.reset();
}

TEST_F(ALane, ends_at_once_while_it_looks_for_a_name_or_connects) {
    const auto never = [](const Result&) { ADD_FAILURE() << "called after its end"; };
    const auto gate = std::make_shared<std::promise<void>>();
    const auto began = std::make_shared<std::promise<void>>();
    const auto ended = std::make_shared<std::promise<void>>();
    options.connect = 60s;
    options.resolve = [=, wait = gate->get_future().share()](
                          const std::string&) -> core::Result<std::vector<std::string>> {
        began->set_value();
        wait.wait();
        ended->set_value();
        return std::vector<std::string>{"127.0.0.1"};
    };
    auto request = get("http://shop.example.com/");
    request.total = 60s;
    const auto looking = lane().send(request, never);
    began->get_future().wait();
    const auto begin = std::chrono::steady_clock::now();
    lane_.reset();
    gate->set_value();
    ended->get_future().wait();

    const tests::BusyPort busy;
    request.url = "http://127.0.0.1:" + std::to_string(busy.port());
    const auto connecting = lane().send(request, never);
    run_what_is_left();
    lane_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    run_what_is_left();
}

TEST_F(ALane, calls_nobody_when_it_is_destroyed_between_the_answer_and_the_news_of_it) {
    WireServer server(echo());
    const auto sent = lane().send(post(server.url(), "x"),
                                  [](const Result&) { ADD_FAILURE() << "called after its end"; });
    const auto end = std::chrono::steady_clock::now() + k_patience;
    while (server.seen().empty() && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    lane_.reset();
    run_what_is_left();
}

// ---- what is sent -------------------------------------------------------------------------------

TEST_F(ALane, sends_what_it_was_given) {
    WireServer server(saying(WireServer::ok("{}", "Set-Cookie: session_id=abc\r\n")));
    auto request = post(server.url("/iot/setup?a=b%20c"), "{\"params\": {}}");
    request.headers = {{"X-Odoo-Database", "shop"}};
    const auto answer = ask(request);
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->header("set-cookie"), "session_id=abc");
    EXPECT_EQ(answer->header("X-None"), "");
    const std::string text = server.seen().at(0).text;
    EXPECT_TRUE(text.starts_with("POST /iot/setup?a=b%20c HTTP/1.1\r\n")) << text;
    EXPECT_THAT(
        text,
        AllOf(HasSubstr("X-Odoo-Database: shop\r\n"),
              HasSubstr("Content-Type: application/json\r\n"), HasSubstr("Content-Length: 14\r\n"),
              HasSubstr("User-Agent: OdooIoTBox/1.0\r\n"), HasSubstr("\r\n\r\n{\"params\": {}}")));
}

TEST_F(ALane, sends_a_body_in_chunks_and_without_a_type_when_it_is_told_to) {
    WireServer server(saying(WireServer::ok("")));
    auto request = post(server.url("/iot/log"), "a line<log/>\n", "");
    request.chunked = true;
    ASSERT_TRUE(ask(request));
    request.chunked = false;
    ASSERT_TRUE(ask(request));
    const auto seen = server.seen();
    EXPECT_THAT(seen.at(0).text,
                AllOf(HasSubstr("Transfer-Encoding: chunked\r\n"),
                      HasSubstr("\r\nd\r\na line<log/>\n\r\n0\r\n\r\n"),
                      Not(HasSubstr("Content-Length")), Not(HasSubstr("Content-Type"))));
    EXPECT_THAT(seen.at(1).text,
                AllOf(HasSubstr("Content-Length: 13\r\n"), Not(HasSubstr("Content-Type"))));
}

TEST_F(ALane, takes_any_status_for_an_answer) {
    for (const int status : {400, 404, 418, 500, 503}) {
        WireServer server(saying("HTTP/1.1 " + std::to_string(status) +
                                 " Some\r\nContent-Length: 4\r\n\r\nbody"));
        const auto answer = ask(get(server.url()));
        ASSERT_TRUE(answer) << answer.error().text;
        EXPECT_EQ(answer->status, status);
        EXPECT_EQ(answer->body, "body");
        lane_.reset();
    }
}

}  // namespace
}  // namespace backplane::sync::test
