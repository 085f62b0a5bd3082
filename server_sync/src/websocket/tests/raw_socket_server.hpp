// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A WebSocket server made by hand, on the loopback device: it does what the test says, also what no
// library would do.
//
//     RawSocketServer server([](RawPeer& peer) {
//         peer.upgrade();
//         peer.frame(k_text, "hello");
//         EXPECT_EQ(peer.read_frame().payload, "…");
//     });
//
// The script runs once for each connection, one after the other, on a thread of its own. Reading
// throws PeerGone at the end of the connection, which ends the script.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "backplane/core/fd.hpp"
#include "doubles/certificates.hpp"

namespace backplane::sync::test {

struct PeerGone {};

inline constexpr unsigned k_more = 0, k_text = 1, k_bytes = 2, k_close = 8, k_ping = 9, k_pong = 10;

struct RawFrame {
    unsigned opcode = 0;
    bool is_last = false, is_masked = false, has_reserved_bits = false;
    std::string payload;
};

class RawPeer {
public:
    RawPeer(core::Fd fd, SSL_CTX* context) : fd_(std::move(fd)) {
        const timeval limit{20, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (context == nullptr) return;
        tls_.reset(SSL_new(context));
        SSL_set_fd(tls_.get(), fd_.get());
        if (SSL_accept(tls_.get()) != 1) throw PeerGone{};
        if (const char* name = SSL_get_servername(tls_.get(), TLSEXT_NAMETYPE_host_name))
            server_name = name;
    }

    std::string server_name;  ///< that the client has asked for

    std::string read_head() {
        std::string head;
        while (!head.ends_with("\r\n\r\n")) head += read(1);
        return head;
    }
    /// The head of the request; it is answered with the upgrade.
    std::string upgrade() {
        std::string head = read_head();
        write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: " +
            accept_of(head) + "\r\n\r\n");
        return head;
    }
    static std::string accept_of(const std::string& head) {
        constexpr std::string_view k_header = "Sec-WebSocket-Key: ";
        const auto at = head.find(k_header) + k_header.size();
        const std::string text =
            head.substr(at, head.find("\r\n", at) - at) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
        SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
        std::array<unsigned char, 64> encoded{};
        const int size = EVP_EncodeBlock(encoded.data(), digest.data(), digest.size());
        return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(size)};
    }

    void frame(unsigned opcode, std::string_view payload, bool is_last = true) {
        std::string out(1, static_cast<char>((is_last ? 0x80u : 0u) | opcode));
        const int bytes = payload.size() < 126 ? 0 : payload.size() < 65'536 ? 2 : 8;
        out += bytes == 0 ? static_cast<char>(payload.size())
                          : static_cast<char>(bytes == 2 ? 126 : 127);
        for (int i = bytes - 1; i >= 0; --i)
            out += static_cast<char>((payload.size() >> (8 * i)) & 0xff);
        write(out + std::string(payload));
    }
    void close_frame(unsigned code) {
        frame(k_close, std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)});
    }
    RawFrame read_frame() {
        const std::string head = read(2);
        RawFrame out;
        const auto first = static_cast<unsigned char>(head[0]);
        const auto second = static_cast<unsigned char>(head[1]);
        out.opcode = first & 0x0f;
        out.is_last = (first & 0x80) != 0;
        out.has_reserved_bits = (first & 0x70) != 0;
        out.is_masked = (second & 0x80) != 0;
        std::size_t size = second & 0x7f;
        if (size > 125) {
            const std::string length = read(size == 126 ? 2 : 8);
            size = 0;
            for (const char c : length) size = size << 8 | static_cast<unsigned char>(c);
        }
        const std::string mask = out.is_masked ? read(4) : std::string(4, '\0');
        out.payload = read(size);
        for (std::size_t i = 0; i < out.payload.size(); ++i)
            out.payload[i] = static_cast<char>(out.payload[i] ^ mask[i % 4]);
        return out;
    }

    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto count =
                tls_ ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                     : ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0) throw PeerGone{};
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
    }
    std::string read(std::size_t size) {
        std::string out(size, '\0');
        for (std::size_t done = 0; done < size;) {
            const auto count =
                tls_ ? SSL_read(tls_.get(), out.data() + done, static_cast<int>(size - done))
                     : ::recv(fd_.get(), out.data() + done, size - done, 0);
            if (count <= 0) throw PeerGone{};
            done += static_cast<std::size_t>(count);
        }
        return out;
    }
    /// Says nothing until the client has gone.
    void wait_for_end() {
        while (true) read(1);
    }
    /// The connection ends without a goodbye.
    void reset() {
        const linger hard{1, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        throw PeerGone{};
    }

private:
    struct FreeSsl {
        void operator()(SSL* tls) const noexcept { SSL_free(tls); }
    };
    core::Fd fd_;
    std::unique_ptr<SSL, FreeSsl> tls_;
};

class RawSocketServer {
public:
    using Script = std::function<void(RawPeer&)>;

    explicit RawSocketServer(Script script, const tests::Certificate* identity = nullptr)
        : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const plain = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener_.get(), plain, size) != 0 || ::listen(listener_.get(), 16) != 0 ||
            ::getsockname(listener_.get(), plain, &size) != 0)
            std::abort();
        port_ = ::ntohs(address.sin_port);
        if (identity != nullptr) {
            std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without asking for no signal
            context_.reset(SSL_CTX_new(TLS_server_method()));
            SSL_CTX_use_certificate(context_.get(), identity->x509.get());
            SSL_CTX_use_PrivateKey(context_.get(), identity->key.get());
        }
        thread_ = std::thread([this] { serve(); });
    }
    /// Ends the connection that is served, too: the client's loop may have stopped.
    ~RawSocketServer() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            ::shutdown(listener_.get(), SHUT_RDWR);
            if (served_now_) ::shutdown(served_now_.get(), SHUT_RDWR);
        }
        thread_.join();
    }
    RawSocketServer(const RawSocketServer&) = delete;
    RawSocketServer& operator=(const RawSocketServer&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    std::string url(const std::string& host = "127.0.0.1") const {
        return (context_ ? "wss://" : "ws://") + host + ':' + std::to_string(port_) + "/websocket";
    }
    /// Connections whose script has ended.
    int served() const noexcept { return served_; }

private:
    void serve() {
        while (true) {
            core::Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            {
                const std::lock_guard lock(mutex_);
                if (stopping_) return;
                if (!client) continue;
                served_now_ = client.duplicate();
            }
            try {
                RawPeer peer(std::move(client), context_.get());
                script_(peer);
            } catch (const PeerGone&) {  // NOLINT(bugprone-empty-catch): the end of a script
            }
            {
                const std::lock_guard lock(mutex_);
                served_now_.reset();
            }
            ++served_;
        }
    }

    struct FreeContext {
        void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
    };
    Script script_;
    core::Fd listener_;
    std::uint16_t port_ = 0;
    std::unique_ptr<SSL_CTX, FreeContext> context_;
    std::mutex mutex_;
    // guarded by mutex_
    bool stopping_ = false;
    core::Fd served_now_;

    std::atomic<int> served_ = 0;
    std::thread thread_;
};

}  // namespace backplane::sync::test
