// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "clients.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/serialize.hpp>

#include <charconv>
#include <stdexcept>

namespace backplane::perf {

using asio::use_awaitable;

namespace {

constexpr std::string_view k_head_end = "\r\n\r\n";

bool same_letters(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return std::tolower(x) == std::tolower(y); });
}

/// The value of a header line, or empty.
std::string_view header(std::string_view head, std::string_view name) {
    while (!head.empty()) {
        const auto end = std::min(head.find("\r\n"), head.size());
        const std::string_view line = head.substr(0, end);
        if (line.size() > name.size() && line[name.size()] == ':' &&
            same_letters(line.substr(0, name.size()), name)) {
            std::string_view value = line.substr(name.size() + 1);
            while (value.starts_with(' ')) value.remove_prefix(1);
            return value;
        }
        head.remove_prefix(std::min(end + 2, head.size()));
    }
    return {};
}

int status_of(std::string_view head) {
    int status = 0;
    if (head.size() > 12) std::from_chars(head.data() + 9, head.data() + 12, status);
    return status;
}

}  // namespace

asio::awaitable<void> Connection::connect() {
    co_await socket_.async_connect({asio::ip::address_v4::loopback(), port_}, use_awaitable);
    socket_.set_option(asio::ip::tcp::no_delay{true});
}

asio::awaitable<void> Connection::read_more() {
    const auto before = buffer_.size();
    buffer_.resize(before + 16384);
    const auto count = co_await socket_.async_read_some(
        asio::buffer(buffer_.data() + before, 16384), use_awaitable);
    buffer_.resize(before + count);
}

asio::awaitable<void> Connection::read_until(std::string_view mark) {
    while (buffer_.find(mark) == std::string::npos) co_await read_more();
}

asio::awaitable<Answer> Connection::exchange(const std::string& request) {
    co_await asio::async_write(socket_, asio::buffer(request), use_awaitable);
    co_await read_until(k_head_end);
    const auto head_bytes = buffer_.find(k_head_end) + k_head_end.size();
    const std::string_view head{buffer_.data(), head_bytes};
    const std::string_view length = header(head, "Content-Length");
    std::size_t body_bytes = 0;
    if (std::from_chars(length.data(), length.data() + length.size(), body_bytes).ec != std::errc{})
        throw std::runtime_error("an answer without a length: " + std::string(head));
    Answer answer;
    answer.status = status_of(head);
    while (buffer_.size() < head_bytes + body_bytes) co_await read_more();
    answer.at = Clock::now();
    answer.body = buffer_.substr(head_bytes, body_bytes);
    buffer_.erase(0, head_bytes + body_bytes);
    co_return answer;
}

asio::awaitable<void> Connection::open_stream(const std::string& request) {
    co_await asio::async_write(socket_, asio::buffer(request), use_awaitable);
    co_await read_until(k_head_end);
    const auto head_bytes = buffer_.find(k_head_end) + k_head_end.size();
    const std::string_view head{buffer_.data(), head_bytes};
    if (status_of(head) != 200 || !same_letters(header(head, "Transfer-Encoding"), "chunked"))
        throw std::runtime_error("the stream was refused: " + std::string(head));
    buffer_.erase(0, head_bytes);
}

asio::awaitable<std::string> Connection::next_piece() {
    co_await read_until("\r\n");
    const auto line = buffer_.find("\r\n");
    std::size_t bytes = 0;
    std::from_chars(buffer_.data(), buffer_.data() + line, bytes, 16);
    if (bytes == 0) throw std::runtime_error("the box has ended a stream");
    const std::size_t whole = line + 2 + bytes + 2;
    while (buffer_.size() < whole) co_await read_more();
    std::string piece = buffer_.substr(line + 2, bytes);
    buffer_.erase(0, whole);
    co_return piece;
}

std::string get_request(const std::string& target) {
    return "GET " + target + " HTTP/1.1\r\nHost: box\r\n\r\n";
}

std::string post_request(const std::string& target, const std::string& body) {
    return "POST " + target +
           " HTTP/1.1\r\nHost: box\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string poll_request(const std::string& session, const std::string& device,
                         std::string_view last_event) {
    return post_request(
        "/iot_drivers/event",
        R"({"jsonrpc":"2.0","method":"call","id":1,"params":{"listener":{"session_id":")" +
            session + R"(","devices":[)" + boost::json::serialize(boost::json::string(device)) +
            R"(],"last_event":)" + std::string(last_event) + "}}}");
}

std::string_view number_behind(std::string_view json, std::string_view name) {
    const std::string mark = "\"" + std::string(name) + "\":";
    const auto found = json.rfind(mark);
    if (found == std::string_view::npos) return {};
    json.remove_prefix(found + mark.size());
    return json.substr(0, std::min(json.find_first_not_of("+-.0123456789eE"), json.size()));
}

double to_number(std::string_view text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        throw std::runtime_error("no number: \"" + std::string(text) + "\"");
    return number;
}

Answer Caller::call(const std::string& request) {
    auto done = asio::co_spawn(
        loop_,
        [&]() -> asio::awaitable<Answer> {
            if (!connected_) co_await connection_.connect();
            connected_ = true;
            co_return co_await connection_.exchange(request);
        },
        asio::use_future);
    loop_.restart();
    loop_.run();
    return done.get();
}

void LoopThread::spawn(asio::awaitable<void> work) {
    asio::co_spawn(loop_, std::move(work), [this](const std::exception_ptr& failure) {
        const std::lock_guard lock{mutex_};
        if (failure && !failure_) failure_ = failure;
    });
}

void LoopThread::check() {
    const std::lock_guard lock{mutex_};
    if (failure_) std::rethrow_exception(failure_);
}

void Inbox::put(Received received) {
    {
        const std::lock_guard lock{mutex_};
        queue_.push(std::move(received));
    }
    changed_.notify_one();
}

bool Inbox::take(Received& out, const std::function<bool(const Received&)>& fits,
                 std::chrono::milliseconds limit) {
    const auto give_up = Clock::now() + limit;
    std::unique_lock lock{mutex_};
    for (;;) {
        if (!changed_.wait_until(lock, give_up, [this] { return !queue_.empty(); })) return false;
        out = std::move(queue_.front());
        queue_.pop();
        if (fits(out)) return true;
    }
}

void Inbox::clear() {
    const std::lock_guard lock{mutex_};
    queue_ = {};
}

asio::awaitable<void> poll_for_ever(asio::io_context& loop, std::uint16_t port, std::string session,
                                    std::string device, std::function<bool(const Answer&)> each) {
    Connection connection{loop, port};
    co_await connection.connect();
    std::string last_event = "0";
    for (;;) {
        const Answer answer =
            co_await connection.exchange(poll_request(session, device, last_event));
        if (answer.status != 200) throw std::runtime_error("a poll failed: " + answer.body);
        const std::string_view time = number_behind(answer.body, "time");
        if (time.empty()) continue;  // 50 s without an event: the same question again
        last_event = time;
        if (!each(answer)) co_return;
    }
}

asio::awaitable<void> listen_for_ever(asio::io_context& loop, std::uint16_t port,
                                      std::string device,
                                      std::function<bool(const Received&)> each) {
    Connection connection{loop, port};
    co_await connection.connect();
    co_await connection.open_stream(get_request("/api/v1/events?device=" + device));
    std::string pending;
    for (;;) {
        pending += co_await connection.next_piece();
        const auto at = Clock::now();
        for (auto end = pending.find("\n\n"); end != std::string::npos;
             end = pending.find("\n\n")) {
            Received event{at, pending.substr(0, end)};
            pending.erase(0, end + 2);
            if (event.text.starts_with("id: ") && !each(event)) co_return;
        }
    }
}

}  // namespace backplane::perf
