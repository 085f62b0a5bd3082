// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/tests/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include "doubles/answer.hpp"

namespace backplane::tests {

const char* const k_upgrade_headers =
    "Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://127.0.0.1\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

int RawFrame::close_code() const {
    if (opcode != 8 || payload.size() < 2) return 0;
    return static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
}

RawClient::RawClient(std::uint16_t port, bool tls)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), port_(port) {
    const timeval limit{10, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error("refused");
    if (!tls) return;
    context_.reset(SSL_CTX_new(TLS_client_method()));
    tls_.reset(SSL_new(context_.get()));
    SSL_set_fd(tls_.get(), socket_.get());
    if (SSL_connect(tls_.get()) != 1) throw std::runtime_error("no TLS");
}

bool RawClient::send(std::string_view bytes) {
    if (tls_)
        return SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size())) ==
               static_cast<int>(bytes.size());
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool RawClient::more() {
    std::array<char, 4096> bytes;
    const ssize_t got = tls_ ? SSL_read(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                             : ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    reset_ = got < 0 && errno == ECONNRESET;
    if (got <= 0) return false;
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
    return true;
}

std::string RawClient::receive(std::size_t at_most) {
    while (buffer_.size() < at_most && more()) {
    }
    return std::exchange(buffer_, {});
}

std::optional<RawAnswer> RawClient::answer() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
        if (!more()) return std::nullopt;
    RawAnswer answer;
    answer.head = lower(buffer_.substr(0, end + 2));
    buffer_.erase(0, end + 4);
    answer.status = std::stoi(answer.head.substr(9, 3));
    std::size_t length = 0;
    if (const auto at = answer.head.find("content-length: "); at != std::string::npos)
        length = std::stoul(answer.head.substr(at + 16));
    while (buffer_.size() < length)
        if (!more()) return std::nullopt;
    answer.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return answer;
}

std::optional<RawAnswer> RawClient::ask(const std::string& method, const std::string& path,
                                        const std::string& headers, const std::string& body) {
    std::string request = method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers;
    if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    if (!send(request + "\r\n" + body)) return std::nullopt;
    return answer();
}

std::optional<RawAnswer> RawClient::ask_rpc(const std::string& path, const std::string& params,
                                            const std::string& headers) {
    return ask("POST", path, "Content-Type: application/json\r\n" + headers,
               "{\"params\": " + params + "}");
}

std::optional<RawAnswer> RawClient::upgrade(const std::string& headers) {
    if (!send("GET /websocket HTTP/1.1\r\n" + headers + "\r\n")) return std::nullopt;
    return answer();
}

bool RawClient::open_websocket() {
    const auto taken = upgrade(k_upgrade_headers);
    return taken && taken->status == 101;
}

bool RawClient::send_frame(int first_byte, std::string_view payload, bool masked) {
    constexpr std::string_view k_mask("\x12\x34\x56\x78", 4);
    std::string frame(1, static_cast<char>(first_byte));
    const int mask_bit = masked ? 0x80 : 0;
    const std::uint64_t size = payload.size();
    if (size < 126) {
        frame += static_cast<char>(mask_bit | static_cast<int>(size));
    } else {
        frame += static_cast<char>(mask_bit | 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            frame += static_cast<char>(size >> shift & 0xff);
    }
    if (masked) frame += k_mask;
    for (std::size_t i = 0; i < payload.size(); ++i)
        frame += static_cast<char>(masked ? payload[i] ^ k_mask[i % 4] : payload[i]);
    return send(frame);
}

bool RawClient::subscribe(const std::string& channel, std::int64_t last) {
    return send_text(R"({"event_name": "subscribe", "data": {"channels": [")" + channel +
                     R"("], "last": )" + std::to_string(last) + R"(, "identifier": "box1"}})");
}

std::optional<RawFrame> RawClient::frame() {
    const auto need = [&](std::size_t count) {
        while (buffer_.size() < count)
            if (!more()) return false;
        return true;
    };
    if (!need(2)) return std::nullopt;
    RawFrame frame;
    frame.opcode = buffer_[0] & 0x0f;
    std::size_t size = static_cast<unsigned char>(buffer_[1]);  // a server does not mask
    std::size_t head = 2;
    if (size >= 126) {
        const std::size_t digits = size == 126 ? 2 : 8;
        if (!need(head + digits)) return std::nullopt;
        size = 0;
        for (std::size_t i = 0; i < digits; ++i)
            size = size << 8 | static_cast<unsigned char>(buffer_[head + i]);
        head += digits;
    }
    if (!need(head + size)) return std::nullopt;
    frame.payload = buffer_.substr(head, size);
    buffer_.erase(0, head + size);
    return frame;
}

bool RawClient::is_silent_for(int milliseconds) {
    if (!buffer_.empty()) return false;
    pollfd polled{socket_.get(), POLLIN, 0};
    return ::poll(&polled, 1, milliseconds) == 0;
}

}  // namespace backplane::tests
