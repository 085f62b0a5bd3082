// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A server on the loopback device that keeps its connections, or closes them at the worst moment: the
// test decides request by request, and sees over which connection each has come.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backplane/core/fd.hpp"

namespace backplane::sync::test {

class WireServer {
public:
    struct Seen {
        int connection = 0;  ///< of this server, from 1
        int request = 0;     ///< of this server, from 1
        std::string text;    ///< head and body as they came
    };
    /// Bytes to send; "" says nothing and waits for more; nothing closes the connection.
    using Reply = std::function<std::optional<std::string>(const Seen&)>;

    /// `greeting` is sent as soon as somebody connects.
    explicit WireServer(Reply reply, std::string greeting = "")
        : reply_(std::move(reply)), greeting_(std::move(greeting)) {
        socket_ = core::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        if (::bind(socket_.get(), generic, size) != 0 || ::listen(socket_.get(), 16) != 0 ||
            ::getsockname(socket_.get(), generic, &size) != 0)
            throw std::runtime_error("no port for a test");
        port_ = ntohs(address.sin_port);
        thread_ = std::jthread([this](const std::stop_token& stop) { accept_all(stop); });
    }
    WireServer(const WireServer&) = delete;
    WireServer& operator=(const WireServer&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    std::string url(const std::string& path = "") const {
        return "http://127.0.0.1:" + std::to_string(port_) + path;
    }
    std::vector<Seen> seen() const {
        const std::lock_guard lock(mutex_);
        return seen_;
    }
    /// Closes the connections, which nobody uses at the moment, and returns when they are closed.
    void close_idle() {
        std::unique_lock lock(mutex_);
        ++idle_generation_;
        closed_.wait(lock, [this] { return open_ == 0; });
    }

    static std::string ok(const std::string& body, const std::string& headers = "") {
        return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
               headers + "\r\n" + body;
    }

private:
    static bool readable(int fd) {
        pollfd wanted{fd, POLLIN, 0};
        return ::poll(&wanted, 1, 5) > 0;
    }
    void accept_all(const std::stop_token& stop) {
        std::vector<std::jthread> connections;
        while (!stop.stop_requested()) {
            if (!readable(socket_.get())) continue;
            core::Fd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            const int number = static_cast<int>(connections.size()) + 1;
            {
                const std::lock_guard lock(mutex_);
                ++open_;
            }
            connections.emplace_back(
                [this, number, fd = std::move(connection)](const std::stop_token& end) mutable {
                    serve(number, fd.get(), end);
                    const std::lock_guard lock(mutex_);
                    fd.reset();
                    --open_;
                    closed_.notify_all();
                });
        }
    }
    void serve(int number, int fd, const std::stop_token& stop) {
        std::string unread;
        const int first = generation();
        if (!greeting_.empty()) ::send(fd, greeting_.data(), greeting_.size(), MSG_NOSIGNAL);
        while (!stop.stop_requested()) {
            if (const std::size_t end = end_of_request(unread); end > 0) {
                Seen seen{number, 0, unread.substr(0, end)};
                unread.erase(0, end);
                {
                    const std::lock_guard lock(mutex_);
                    seen.request = static_cast<int>(seen_.size()) + 1;
                    seen_.push_back(seen);
                }
                const auto answer = reply_(seen);
                if (!answer) return;
                if (!answer->empty() &&
                    ::send(fd, answer->data(), answer->size(), MSG_NOSIGNAL) < 0)
                    return;
                if (answer->find("Connection: close") != std::string::npos) return;
                continue;
            }
            if (unread.empty() && generation() != first) return;
            if (!readable(fd)) continue;
            std::array<char, 4096> block{};
            const auto got = ::recv(fd, block.data(), block.size(), 0);
            if (got <= 0) return;
            unread.append(block.data(), static_cast<std::size_t>(got));
        }
    }
    /// 0: it is not complete.
    static std::size_t end_of_request(const std::string& text) {
        const std::size_t head = text.find("\r\n\r\n");
        if (head == std::string::npos) return 0;
        if (text.find("Transfer-Encoding: chunked") < head) {
            const std::size_t last = text.find("0\r\n\r\n", head + 4);
            return last == std::string::npos ? 0 : last + 5;
        }
        const std::size_t length = text.find("Content-Length: ");
        const std::size_t body =
            length < head ? static_cast<std::size_t>(std::stoul(text.substr(length + 16))) : 0;
        return text.size() >= head + 4 + body ? head + 4 + body : 0;
    }
    int generation() const {
        const std::lock_guard lock(mutex_);
        return idle_generation_;
    }

    Reply reply_;
    std::string greeting_;
    core::Fd socket_;
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    // guarded by mutex_
    std::vector<Seen> seen_;
    int idle_generation_ = 0;
    int open_ = 0;
    std::condition_variable closed_;

    std::jthread thread_;
};

}  // namespace backplane::sync::test
