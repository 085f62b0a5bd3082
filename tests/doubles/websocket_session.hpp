// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One WebSocket of the server's bus, with the rules by which Odoo closes those of bad clients (protocol page, 4.1, 4.2).
//
// Owner: the thread of its connection, which calls run(). The others may be called from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "doubles/answer.hpp"
#include "doubles/connection.hpp"
#include "doubles/faults.hpp"
#include "doubles/odoo_bus.hpp"

namespace backplane::tests {

struct WebSocketRules {
    std::chrono::milliseconds idle{40'000};     ///< without a frame from the client, then a ping
    std::chrono::milliseconds pong{15'000};     ///< for its answer, then the connection is cut
    std::chrono::milliseconds life{3'600'000};  ///< then 4002
    std::chrono::milliseconds rate_window{2'000};
    std::size_t rate_frames = 10;  ///< more of them within the window: 1013
    std::size_t message_bytes = 1u << 20;
};

/// 101 for a proper handshake, else what refuses it: 400, or 426 for another version.
Answer answer_to_upgrade(const ReceivedRequest& request);
bool wants_websocket(const ReceivedRequest& request);

struct WebSocketFrame {
    bool last = false;
    int opcode = 0;
    std::string payload;
};
/// Takes one frame of a client off the front of `bytes`. Nothing: more bytes are needed, or `close_code` says why the
/// connection must end.
std::optional<WebSocketFrame> take_client_frame(std::string& bytes, std::size_t limit,
                                                int& close_code);
/// A frame as servers send them: not masked.
std::string server_frame(int opcode, std::string_view payload);

class WebSocketSession {
public:
    struct Host {
        const OdooBus& bus;
        const Faults& faults;
        WebSocketRules rules;
        /// After each subscription, from the session's thread.
        std::function<void(const WebSocketSession&, const BusSubscription&)> subscribed;
    };
    WebSocketSession(Connection& connection, ReceivedRequest request, Host host);

    /// Until it is over; the handshake has been answered.
    void run();

    void send_raw(std::string text);  ///< as a text frame, whatever it is
    void close(int code);             ///< politely
    bool is_of_box() const noexcept { return of_box_; }
    const std::string& path() const noexcept { return request_.path; }

private:
    bool thaw();
    bool send_waiting();
    bool send_text(std::string_view text);
    bool handle_input();
    bool handle(const WebSocketFrame& frame);
    bool handle_text(const std::string& text);
    bool fail(int code, std::string_view reason = {});
    bool keeps_the_rate();

    Connection& connection_;
    const ReceivedRequest request_;
    const Host host_;
    std::optional<BusSubscription> subscription_;
    std::string message_;
    int message_opcode_ = 0;
    std::deque<std::chrono::steady_clock::time_point> frames_;
    std::chrono::steady_clock::time_point seen_;
    std::optional<std::chrono::steady_clock::time_point> pinged_;

    std::atomic<bool> of_box_{false};
    std::atomic<int> close_code_{0};
    std::mutex mutex_;
    std::deque<std::string> raw_;  // guarded by mutex_
};

}  // namespace backplane::tests
