// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What no client should do, done to a real box: it gets an error as the protocol has it or a plain
// 4xx, the box does not grow, and whoever asks something at the same time does not notice.
#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <thread>

#include "http_client.hpp"
#include "support/box_test.hpp"
#include "support/listeners.hpp"

namespace backplane::tests {
namespace {

using core::test::Answer;
using core::test::HttpClient;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t k_growth = 400u << 20;  // sanitizers keep what was freed
#else
constexpr std::size_t k_growth = 8u << 20;
#endif
// Far above what it is (some milliseconds), far below what a blocked loop costs.
constexpr auto k_neighbour_p99 = 250ms;

std::string request(const std::string& method, const std::string& target,
                    const std::string& headers = "", const std::string& body = "") {
    return method + " " + target + " HTTP/1.1\r\nHost: box\r\n" + headers +
           (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") +
           "\r\n" + body;
}

std::string rpc(const std::string& target, const std::string& body) {
    return request("POST", target, "Content-Type: application/json\r\n", body);
}

std::string poll_of(const std::string& session) {
    return rpc("/iot_drivers/event", R"({"params":{"listener":{"session_id":")" + session +
                                         R"(","last_event":0,"devices":{"printer":{}}}}})");
}

/// Somebody who asks for nothing but hello, one after the other, and writes down how long each
/// took.
class Neighbour {
public:
    explicit Neighbour(std::uint16_t port)
        : client_(HttpClient::tcp(port, "127.0.0.1", {.from = "127.0.0.9"})),
          thread_([this] { ask(); }) {}
    ~Neighbour() { finish(); }

    void expect_not_slowed() {
        finish();
        ASSERT_GT(times_.size(), 20u);
        EXPECT_EQ(failed_, 0) << "of " << times_.size();
        std::sort(times_.begin(), times_.end());
        EXPECT_LT(times_[times_.size() * 99 / 100], k_neighbour_p99 * k_patience)
            << "p99 of " << times_.size();
    }

private:
    void ask() {
        while (!done_) {
            const auto begin = std::chrono::steady_clock::now();
            const Answer answer = client_.ask(request("GET", "/hw_proxy/hello"));
            times_.push_back(std::chrono::steady_clock::now() - begin);
            if (answer.body != "ping") {
                ++failed_;
                return;
            }
            std::this_thread::sleep_for(2ms);  // a client among others, not a flood of its own
        }
    }
    void finish() {
        done_ = true;
        if (thread_.joinable()) thread_.join();
    }

    HttpClient client_;
    std::atomic<bool> done_{false};
    std::vector<std::chrono::nanoseconds> times_;  // of the thread, until it has ended
    int failed_ = 0;
    std::thread thread_;
};

class BadInput : public BoxTest {
protected:
    void SetUp() override {
        start_demo();
        box().get("/hw_proxy/hello");
    }
    void TearDown() override {
        // Whatever it was, the box still does its work.
        EXPECT_EQ(box().get("/hw_proxy/hello").body, "ping");
        EXPECT_EQ(
            number_in(box().rpc("/hw_proxy/scale_read", {}).at("result").as_object(), "weight"),
            0.5);
        EXPECT_EQ(box().plugin("toledo8217").at("crashes").to_number<int>(), 0);
        BoxTest::TearDown();
    }

    HttpClient connect() { return HttpClient::tcp(box().port()); }
    Answer ask(const std::string& bytes) { return connect().ask(bytes); }

    /// Proportional set size of the daemon: what it costs.
    std::size_t memory() const {
        std::ifstream file{"/proc/" + std::to_string(box_->pid()) + "/smaps_rollup"};
        for (std::string line; std::getline(file, line);)
            if (line.starts_with("Pss:")) return std::stoul(line.substr(4)) << 10;
        throw std::runtime_error("the memory of the box cannot be read");
    }
    /// Does it some times, and expects that the box is as small after the last as after the first.
    void expect_no_growth(int rounds, const std::function<void()>& mischief) {
        mischief();
        const std::size_t before = memory();
        for (int round = 1; round < rounds; ++round) mischief();
        std::size_t after = 0;
        EXPECT_TRUE(eventually([&] { return (after = memory()) < before + k_growth; }))
            << before / 1024 << " KiB before, " << after / 1024 << " KiB after";
    }
    std::size_t figure(const std::string& name) {
        const std::string text = "\n" + box().get("/metrics").body;
        const auto at = text.find("\n" + name + " ");
        return at == std::string::npos ? 0 : std::stoul(text.substr(at + name.size() + 2));
    }
};

// ---- requests that say nonsense -----------------------------------------------------------------

TEST_F(BadInput, that_is_no_json_is_400_and_another_content_type_415) {
    std::string deep(100'000, '[');
    std::string many = "[0";
    for (int i = 0; i < 100'000; ++i) many += ",0";
    for (const std::string& body :
         {std::string("{"), std::string("{\"params\": }"), std::string("null"), std::string("[]"),
          std::string("\xff\xfe{}"), std::string("{\"params\": {\"a\": \"\xc3\x28\"}}"),
          std::string("{} {}"), std::string("{\"params\": {\"a\": 1e}}"), deep,
          "{\"params\": {\"a\": " + many + "]}}", std::string("\0\0\0", 3)}) {
        for (const std::string route :
             {"/iot_drivers/action", "/hw_drivers/action", "/hw_proxy/scale_read"}) {
            const Answer answer = ask(rpc(route, body));
            EXPECT_EQ(answer.status, 400u) << body.substr(0, 40);
            EXPECT_THAT(answer.header("Content-Type"), HasSubstr("text/plain"));
        }
    }
    const std::string good = R"({"params": {}})";
    for (const std::string type :
         {"text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""})
        EXPECT_EQ(ask(request("POST", "/iot_drivers/action",
                              type.empty() ? "" : "Content-Type: " + type + "\r\n", good))
                      .status,
                  415u)
            << type;
    EXPECT_EQ(ask(request("POST", "/hw_proxy/hello", "", "x=1")).status, 303u)
        << "as the plain routes of a box answer a form";
}

TEST_F(BadInput, in_params_is_an_error_in_the_envelope_that_names_the_parameter) {
    struct Case {
        std::string params, text;
    };
    const std::string long_name(300, 'x');
    const std::vector<Case> cases{
        {"[]", "\"params\" must be an object"},
        {"\"text\"", "\"params\" must be an object"},
        {"7", "\"params\" must be an object"},
        {"null", "\"device_identifier\" is missing"},
        {"{}", "\"device_identifier\" is missing"},
        {R"({"device_identifier": 7, "data": {}})", "\"device_identifier\" must be a text"},
        {R"({"device_identifier": null, "data": {}})", "\"device_identifier\" must be a text"},
        {R"({"device_identifier": "", "data": {}})", "\"device_identifier\" is empty"},
        {R"({"device_identifier": ")" + long_name + R"(", "data": {}})", "longer than 256 bytes"},
        {R"({"device_identifier": "scale"})", "\"data\" is missing"},
        {R"({"device_identifier": "scale", "data": 7})",
         "\"data\" must be an object or the JSON text of one"},
        {R"({"device_identifier": "scale", "data": "{"})", "in the parameter \"data\""},
        {R"({"device_identifier": "scale", "data": "[]"})",
         "\"data\" must be the JSON text of an object"},
        {R"({"device_identifier": "scale", "data": {"action": {}}})", "\"action\" must be a text"},
        {R"({"device_identifier": "scale", "data": {"action": ")" + long_name + R"("}})",
         "longer than 256 bytes"},
        {R"({"device_identifier": "scale", "session_id": {}, "data": {}})",
         "\"session_id\" must be a text"},
        {R"({"device_identifier": "scale", "data": {"action_unique_id": []}})",
         "\"action_unique_id\" must be a text"},
    };
    for (const Case& one : cases) {
        const Answer answer =
            ask(rpc("/iot_drivers/action", R"({"id": 5, "params": )" + one.params + "}"));
        EXPECT_EQ(answer.status, 200u) << one.params;
        const json::object envelope = HttpAnswer{200, {}, answer.body}.json().as_object();
        EXPECT_EQ(envelope.at("id").to_number<int>(), 5);
        EXPECT_FALSE(envelope.contains("result"));
        EXPECT_EQ(text_at(envelope, {"error", "message"}), "Odoo Server Error");
        EXPECT_THAT(text_at(envelope, {"error", "data", "message"}), HasSubstr(one.text))
            << one.params;
    }
}

TEST_F(BadInput, in_a_listener_is_an_error_that_comes_late_so_that_the_page_does_not_spin) {
    std::string many = "{\"d0\": {}";
    for (int i = 1; i < 300; ++i) many += ",\"d" + std::to_string(i) + "\": {}";
    struct Case {
        std::string params, text;
    };
    const std::vector<Case> cases{
        {"{}", "\"listener\" is missing"},
        {R"({"listener": []})", "\"listener\" must be an object"},
        {R"({"listener": {"devices": {}}})", "\"session_id\" is missing"},
        {R"({"listener": {"session_id": 7, "devices": {}}})", "\"session_id\" must be a text"},
        {R"({"listener": {"session_id": "s"}})", "\"devices\" is missing"},
        {R"({"listener": {"session_id": "s", "devices": 7}})", "\"devices\" must be an object"},
        {R"({"listener": {"session_id": "s", "devices": [7]}})", "must hold identifiers"},
        {R"({"listener": {"session_id": "s", "last_event": "0", "devices": {}}})",
         "\"last_event\" must be a number"},
        {R"({"listener": {"session_id": "s", "devices": )" + many + "}}}",
         "one poll takes at most 256"},
    };
    std::vector<std::future<void>> asked;
    for (const Case& one : cases)
        asked.push_back(std::async(std::launch::async, [this, one] {
            const auto begin = std::chrono::steady_clock::now();
            const Answer answer =
                ask(rpc("/iot_drivers/event", R"({"params": )" + one.params + "}"));
            EXPECT_GE(std::chrono::steady_clock::now() - begin, 900ms);
            EXPECT_EQ(answer.status, 200u);
            EXPECT_THAT(text_at(HttpAnswer{200, {}, answer.body}.json().as_object(),
                                {"error", "data", "message"}),
                        HasSubstr(one.text))
                << one.params;
        }));
    for (auto& one : asked) one.get();
    // Cursors that are no times: the poll is served, and none of them stops the box.
    for (const std::string cursor :
         {"1e308", "-1e308", "-1", "18446744073709551615", "99999999999999999999999"}) {
        const Answer answer = ask(
            rpc("/iot_drivers/event", R"({"params":{"listener":{"session_id":"t","last_event":)" +
                                          cursor + R"(,"devices":{"scale":{}}}}})"));
        EXPECT_EQ(answer.status, 200u) << cursor;
        EXPECT_THAT(answer.body, HasSubstr("\"result\"")) << cursor;
    }
}

TEST_F(BadInput, about_devices_and_actions_that_do_not_exist_is_answered_as_the_protocol_has_it) {
    expect_no_growth(3, [&] {
        for (int i = 0; i < 200; ++i) {
            const std::string name = "/dev/no" + std::to_string(i);
            EXPECT_EQ(box().action(name, {{"action", "read_once"}}, name).at("result"),
                      json::value(false));
        }
        for (int i = 0; i < 50; ++i) {
            const json::object answer =
                box().action("scale", {{"action", "no" + std::to_string(i)},
                                       {"action_unique_id", "u" + std::to_string(i)}});
            EXPECT_EQ(text_at(answer, {"result", "status"}), "error");
        }
        for (const std::string path :
             {"/iot_drivers/nothing", "/hw_proxy/nothing", "/nothing", "/iot_drivers/action/"})
            EXPECT_EQ(box().get(path).status, 404) << path;
    });
}

TEST_F(BadInput, with_odd_names_in_it_is_kept_out_of_logs_and_answers_as_it_came) {
    const json::object answer = box().action("scale", {{"action", "<script>\n\x1b[31m\"\\"}}, "s");
    EXPECT_EQ(text_at(answer, {"result", "status"}), "error");
    EXPECT_EQ(box().action("a\nfake=1 \x1b[2J", {{"action", "x"}}).at("result"),
              json::value(false));
    EXPECT_THAT(box().log(), Not(HasSubstr("\x1b")));
    EXPECT_THAT(box().log(), Not(HasSubstr("\nfake=1")));
}

// ---- too much -----------------------------------------------------------------------------------

TEST_F(BadInput, of_50_megabytes_is_413_whether_it_says_so_or_not) {
    Neighbour neighbour{box().port()};
    const std::string block(1u << 20, 'x');
    expect_no_growth(4, [&] {
        // It says so: refused before the first byte.
        HttpClient announced = connect();
        announced.send(
            "POST /iot_drivers/action HTTP/1.1\r\nHost: box\r\nContent-Type: "
            "application/json\r\nContent-Length: " +
            std::to_string(50u << 20) + "\r\n\r\n");
        EXPECT_EQ(announced.read().status, 413u);
        // It does not: refused when the limit is reached.
        HttpClient chunked = connect();
        chunked.send(
            "POST /iot_drivers/action HTTP/1.1\r\nHost: box\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 50; ++i)
            if (!chunked.send("100000\r\n" + block + "\r\n")) break;
        EXPECT_EQ(chunked.read().status, 413u);
    });
    neighbour.expect_not_slowed();
}

TEST_F(BadInput, that_just_fits_and_is_nonsense_costs_nobody_else_time) {
    Neighbour neighbour{box().port()};
    const std::string text =
        R"({"params": {"device_identifier": "scale", "data": {"action": "dance", "x": ")" +
        std::string(9u << 20, 'x') + "\"}}}";
    const std::string numbers = [] {
        std::string out = R"({"params": {"a": [0)";
        while (out.size() < (9u << 20)) out += ",0";
        return out + "]}}";
    }();
    expect_no_growth(4, [&] {
        EXPECT_EQ(ask(rpc("/iot_drivers/action", text)).status, 200u);
        EXPECT_EQ(ask(rpc("/iot_drivers/action", numbers)).status, 400u);
    });
    neighbour.expect_not_slowed();
}

TEST_F(BadInput, in_a_header_of_a_megabyte_is_431) {
    Neighbour neighbour{box().port()};
    expect_no_growth(20, [&] {
        HttpClient one_line = connect();
        one_line.send(
            request("GET", "/hw_proxy/hello", "X: " + std::string(1u << 20, 'x') + "\r\n"));
        EXPECT_EQ(one_line.read().status, 431u);
        HttpClient many_lines = connect();
        std::string lines;
        while (lines.size() < (1u << 20)) lines += "X-Header: some value\r\n";
        many_lines.send(request("GET", "/hw_proxy/hello", lines));
        EXPECT_EQ(many_lines.read().status, 431u);
        HttpClient target = connect();
        target.send(request("GET", "/" + std::string(1u << 20, 'x')));
        EXPECT_THAT(target.read().status, AnyOf(414u, 431u));
    });
    neighbour.expect_not_slowed();
}

// ---- too slow, too many, gone -------------------------------------------------------------------

TEST_F(BadInput, that_comes_a_byte_a_second_is_cut_off_after_a_while_and_slows_nobody) {
    Neighbour neighbour{box().port()};
    const std::string text =
        request("GET", "/hw_proxy/hello", "X-Long: " + std::string(100, 'x') + "\r\n");
    std::vector<HttpClient> clients;
    for (int i = 0; i < 50; ++i) clients.push_back(connect());
    const auto begin = std::chrono::steady_clock::now();
    std::size_t sent = 0;
    // The limit for a header is 10 s.
    while (figure("backplane_http_refused_total{reason=\"timeout\"}") < clients.size()) {
        ASSERT_LT(std::chrono::steady_clock::now() - begin, 14s * k_patience);
        for (auto& client : clients) client.send(text.substr(sent, 1));
        ++sent;
        std::this_thread::sleep_for(1s);  // this is how slow they are
    }
    for (auto& client : clients) EXPECT_EQ(client.read().status, 408u);
    neighbour.expect_not_slowed();
}

TEST_F(BadInput, of_clients_that_vanish_in_the_middle_of_a_long_poll_leaves_nothing_behind) {
    Neighbour neighbour{box().port()};
    int round = 0;
    expect_no_growth(10, [&] {
        ++round;
        std::vector<HttpClient> clients;
        for (int i = 0; i < 200; ++i) {
            clients.push_back(connect());
            ASSERT_TRUE(clients.back().send(
                poll_of("p" + std::to_string(round) + "-" + std::to_string(i))));
        }
        ASSERT_TRUE(eventually([&] { return figure("backplane_http_waiting") >= 200; }));
        // Every second one without a good-bye.
        for (std::size_t i = 0; i < clients.size(); i += 2) {
            const linger at_once{1, 0};
            ::setsockopt(clients[i].fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }
        clients.clear();
        ASSERT_TRUE(eventually([&] { return figure("backplane_http_waiting") <= 2; }))
            << figure("backplane_http_waiting");
    });
    EXPECT_TRUE(eventually([&] { return figure("backplane_http_connections") <= 3; }));
    neighbour.expect_not_slowed();
}

TEST_F(BadInput, of_pages_that_are_more_than_there_can_be_does_not_keep_them_all) {
    // 3,000 sessions, each of one short poll; the box remembers 1,024 of them.
    int round = 0;
    HttpClient client = connect();
    expect_no_growth(3, [&] {
        ++round;
        for (int i = 0; i < 1000; ++i) {
            const Answer answer = client.ask(
                rpc("/iot_drivers/event", R"({"params":{"listener":{"session_id":"s)" +
                                              std::to_string(round * 1000 + i) +
                                              R"(","last_event":-1,"devices":{"scale":{}}}}})"));
            ASSERT_EQ(answer.status, 200u);
        }
    });
}

TEST_F(BadInput, of_2000_connections_from_one_address_is_limited_and_others_get_in) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 8192);
    ::setrlimit(RLIMIT_NOFILE, &files);
    ASSERT_GE(files.rlim_cur, 2200u) << "this test needs more file descriptors than it may have";

    Neighbour neighbour{box().port()};
    expect_no_growth(2, [&] {
        std::vector<HttpClient> clients;
        for (int i = 0; i < 2000; ++i) clients.push_back(connect());
        // Those who are in stay in: each gets its answer. The others are told why not.
        int served = 0, refused = 0;
        for (auto& client : clients) {
            client.send(request("GET", "/hw_proxy/hello"));
            const Answer answer = client.read();
            served += answer.status == 200;
            refused += answer.status == 429 || (answer.status == 0 && client.is_closed()) ||
                       client.was_reset();
        }
        EXPECT_EQ(served + refused, 2000);
        EXPECT_LE(served, 512);
        EXPECT_GE(served, 400) << "the limit is not there to keep out everybody";
        HttpClient other = HttpClient::tcp(box().port(), "127.0.0.1", {.from = "127.0.0.7"});
        EXPECT_EQ(other.ask(request("GET", "/hw_proxy/hello")).body, "ping");
        clients.clear();
        ASSERT_TRUE(eventually(
            [&] { return connect().ask(request("GET", "/hw_proxy/hello")).status == 200; }));
    });
    neighbour.expect_not_slowed();
}

TEST_F(BadInput, of_one_who_never_reads_his_stream_costs_no_more_than_his_backlog) {
    Neighbour neighbour{box().port()};
    std::vector<HttpClient> deaf;
    for (int i = 0; i < 20; ++i) {
        deaf.push_back(
            HttpClient::tcp(box().port(), "127.0.0.1", {.from = "", .receive_buffer_bytes = 4096}));
        deaf.back().send(request("GET", "/api/v1/events"));
    }
    EventRecorder events{box()};
    const std::size_t before = memory();
    for (int i = 0; i < 2000; ++i)
        box().action("scale", {{"action", "stop_reading"}}, std::string(200, 's'));
    events.wait_for([](const auto& e) { return text_at(e, {"kind"}) == "action_result"; });
    EXPECT_LT(memory(), before + (20u << 20) + k_growth) << "a mebibyte for each, and no more";
    neighbour.expect_not_slowed();
}

}  // namespace
}  // namespace backplane::tests
