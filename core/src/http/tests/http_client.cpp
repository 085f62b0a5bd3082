// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "http/http_types.hpp"
#include "http/response_head.hpp"

namespace backplane::core::test {
namespace {

struct Where {
    sockaddr_storage address{};
    socklen_t length = 0;
};

Where where(const std::string& address, std::uint16_t port) {
    Where out;
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&out.address, &v4, sizeof v4);
        out.length = sizeof v4;
    } else if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&out.address, &v6, sizeof v6);
        out.length = sizeof v6;
    } else {
        throw std::runtime_error("not an address: " + address);
    }
    return out;
}

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

bool ready(int fd, short events) {
    pollfd poll{fd, events, 0};
    return ::poll(&poll, 1, static_cast<int>(std::chrono::milliseconds{k_patience}.count())) == 1;
}

}  // namespace

std::string Answer::header(std::string_view name) const {
    std::size_t at = head.find("\r\n");
    while (at != std::string::npos && at + 2 < head.size()) {
        const std::size_t end = head.find("\r\n", at + 2);
        const std::string_view line = std::string_view{head}.substr(at + 2, end - at - 2);
        const std::size_t colon = line.find(": ");
        if (colon != std::string_view::npos && equal_ignoring_case(line.substr(0, colon), name)) {
            return std::string{line.substr(colon + 2)};
        }
        at = end;
    }
    return {};
}

HttpClient HttpClient::tcp(std::uint16_t port, const std::string& address) {
    return tcp(port, address, Options{});
}

HttpClient HttpClient::tcp(std::uint16_t port, const std::string& address, const Options& options) {
    const Where to = where(address, port);
    Fd fd{::socket(to.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!fd) fail("socket");
    if (options.receive_buffer_bytes > 0 &&
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &options.receive_buffer_bytes, sizeof(int)) !=
            0) {
        fail("SO_RCVBUF");
    }
    if (!options.from.empty()) {
        const Where from = where(options.from, 0);
        if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from.address), from.length) != 0)
            fail("bind");
    }
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to.address), to.length) != 0)
        fail("connect");
    return HttpClient{std::move(fd)};
}

HttpClient HttpClient::local(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
    Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!fd) fail("socket");
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        fail("connect");
    return HttpClient{std::move(fd)};
}

bool HttpClient::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno != EAGAIN || !ready(fd_.get(), POLLOUT)) {
            return false;
        }
    }
    return true;
}

bool HttpClient::receive() {
    if (ended_ || !ready(fd_.get(), POLLIN)) return false;
    std::array<char, 65536> bytes;
    const auto n = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (n <= 0) {
        ended_ = true;
        reset_ = n < 0 && errno == ECONNRESET;
        return false;
    }
    buffer_.append(bytes.data(), static_cast<std::size_t>(n));
    return true;
}

std::string HttpClient::read_until(std::string_view mark) {
    std::size_t at;
    while ((at = buffer_.find(mark)) == std::string::npos) {
        if (!receive()) return std::exchange(buffer_, {});
    }
    std::string out = buffer_.substr(0, at + mark.size());
    buffer_.erase(0, out.size());
    return out;
}

Answer HttpClient::read(bool head_request) {
    Answer answer;
    answer.head = read_until("\r\n\r\n");
    if (!answer.head.ends_with("\r\n\r\n")) return answer;
    answer.status = static_cast<unsigned>(std::stoul(answer.head.substr(9, 3)));
    if (head_request || answer.status < 200 || is_bodiless(answer.status)) {
        answer.complete = true;
    } else if (answer.header("Transfer-Encoding") == "chunked") {
        for (;;) {
            const std::string line = read_until("\r\n");
            if (!line.ends_with("\r\n")) return answer;
            const std::size_t size = std::stoul(line, nullptr, 16);
            while (buffer_.size() < size + 2) {
                if (!receive()) return answer;
            }
            answer.body += buffer_.substr(0, size);
            buffer_.erase(0, size + 2);
            if (size == 0) break;
        }
        answer.complete = true;
    } else if (const std::string length = answer.header("Content-Length"); !length.empty()) {
        const std::size_t size = std::stoul(length);
        while (buffer_.size() < size) {
            if (!receive()) break;
        }
        answer.body = buffer_.substr(0, size);
        buffer_.erase(0, answer.body.size());
        answer.complete = answer.body.size() == size;
    } else {
        while (receive()) {
        }
        answer.body = std::exchange(buffer_, {});
        answer.complete = ended_ && !reset_;
    }
    return answer;
}

Answer HttpClient::ask(std::string_view request) {
    send(request);
    return read(request.starts_with("HEAD "));
}

std::optional<std::string> HttpClient::read_to_end() {
    while (receive()) {
    }
    if (!ended_) return std::nullopt;
    return std::exchange(buffer_, {});
}

bool HttpClient::is_closed() {
    return read_to_end() == std::string{};
}

void HttpClient::close_sending() {
    ::shutdown(fd_.get(), SHUT_WR);
}

}  // namespace backplane::core::test
