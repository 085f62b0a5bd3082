// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One WebSocket connection of the box as a client, without its library: ws and wss.
//
// Thread: the main loop's; callbacks come there, never from inside a call, and not after close() or
// destruction.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backplane/core/result.hpp"
#include "server/resolver.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::sync {

struct SocketOptions {
    std::string url;  ///< "wss://shop.example.com/websocket"
    std::vector<std::pair<std::string, std::string>> headers;
    std::string ca_file;  ///< PEM, trusted besides the system's authorities; may be empty
    std::size_t message_bytes = 16u << 20;   ///< a longer message closes the connection
    std::chrono::milliseconds open{10'000};  ///< for name, connection, TLS and handshake together
    std::chrono::milliseconds ping{20'000};  ///< silence after which a ping is sent
    std::chrono::milliseconds pong{
        10'000};  ///< and after which, without any sign of life, the connection is dead
};

class Socket {
public:
    struct Handlers {
        std::function<void()> opened;
        /// A message, of text or of bytes.
        std::function<void(std::string text)> text;
        /// The end, also of an attempt to open. Codes: those of Requests ("net.closed" also for
        /// bytes that are no WebSocket), "ws.refused" (the server answered, but not with an
        /// upgrade: `status`), "ws.closed" (`close_code`; 1005: it named none), "ws.silent" (no
        /// answer to the upgrade in time, or later no sign of life).
        std::function<void(core::Error why, int status, int close_code)> closed;
    };
    virtual ~Socket() = default;
    /// One text frame. Before it is open, and after the end, it is dropped.
    virtual void send(std::string text) = 0;
    /// Polite, within a second.
    virtual void close() = 0;
};
using SocketMaker = std::function<std::unique_ptr<Socket>(SocketOptions, Socket::Handlers)>;

/// `lookup` empty: the system's. The loop outlives the sockets.
SocketMaker beast_sockets(boost::asio::io_context& loop, LookUp lookup = {});

}  // namespace backplane::sync
