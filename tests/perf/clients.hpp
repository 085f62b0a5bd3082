// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Clients that cost little beside what they measure: they run on the processors of the box.
//
// All of them speak HTTP/1.1 to 127.0.0.1 and keep their connection. A failure is an exception: a
// measurement with errors in it is none.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <queue>
#include <string>
#include <string_view>
#include <thread>

#include "figures.hpp"

namespace backplane::perf {

namespace asio = boost::asio;

struct Answer {
    int status = 0;
    std::string body;
    Clock::time_point at;  ///< when its last byte had been read
};

/// One connection; a request at a time.
class Connection {
public:
    Connection(asio::io_context& loop, std::uint16_t port) : socket_(loop), port_(port) {}

    asio::awaitable<void> connect();
    /// Writes `request` as it is and reads the whole answer.
    asio::awaitable<Answer> exchange(const std::string& request);
    /// Writes the request and reads the header of an answer that is a stream.
    asio::awaitable<void> open_stream(const std::string& request);
    /// The next piece of the stream, without the framing of the transfer.
    asio::awaitable<std::string> next_piece();

private:
    asio::awaitable<void> read_until(std::string_view mark);
    asio::awaitable<void> read_more();

    asio::ip::tcp::socket socket_;
    std::uint16_t port_;
    std::string buffer_;
};

std::string get_request(const std::string& target);
std::string post_request(const std::string& target, const std::string& body);
/// One long poll as Odoo's pages send it. `last_event` is the "time" of the last event, as it came.
std::string poll_request(const std::string& session, const std::string& device,
                         std::string_view last_event);

/// The number behind `"name":` (the last one of that name) in JSON, as it is written there. Empty when there is none.
/// Parsing 10,000 answers a second in full would measure the client.
std::string_view number_behind(std::string_view json, std::string_view name);
double to_number(std::string_view text);

/// One request after another, blocking, on one connection.
class Caller {
public:
    explicit Caller(std::uint16_t port) : connection_(loop_, port) {}
    Answer call(const std::string& request);

private:
    asio::io_context loop_;
    Connection connection_;
    bool connected_ = false;
};

/// Runs a loop on a thread of its own until it is destroyed. Who works on it reports failures to failed().
class LoopThread {
public:
    LoopThread() : work_(asio::make_work_guard(loop_)), thread_([this] { loop_.run(); }) {}
    ~LoopThread() {
        loop_.stop();
        thread_.join();
    }
    LoopThread(const LoopThread&) = delete;
    LoopThread& operator=(const LoopThread&) = delete;

    asio::io_context& loop() { return loop_; }
    /// Starts it on the loop; an exception that leaves it is kept.
    void spawn(asio::awaitable<void> work);
    /// Throws the exception of a coroutine that has ended by one.
    void check();

private:
    asio::io_context loop_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::mutex mutex_;
    std::exception_ptr failure_;  // guarded by mutex_
    std::thread thread_;
};

struct Received {
    Clock::time_point at;
    std::string text;
};

/// From the thread that receives to the one that measures.
class Inbox {
public:
    void put(Received received);
    /// The next one that fits within `limit`; others are dropped. False when there is none.
    bool take(Received& out, const std::function<bool(const Received&)>& fits,
              std::chrono::milliseconds limit);
    void clear();

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::queue<Received> queue_;  // guarded by mutex_
};

/// Polls for ever, as an Odoo page does, and hands each event on.
asio::awaitable<void> poll_for_ever(asio::io_context& loop, std::uint16_t port, std::string session,
                                    std::string device, std::function<bool(const Answer&)> each);
/// Listens to the stream of one device; `each` gets one event ("id: …\nevent: …\ndata: …") and returns false to end.
asio::awaitable<void> listen_for_ever(asio::io_context& loop, std::uint16_t port,
                                      std::string device,
                                      std::function<bool(const Received&)> each);

}  // namespace backplane::perf
