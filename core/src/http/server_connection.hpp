// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One connection: reads and parses requests one after the other, sends the answers. The same over
// TCP, TLS and a Unix socket: what differs is in its Wire.
//
// Handlers are called from process() only, and that is called only by the event loop: respond(),
// write() and on_gone() never call a handler, however many answers one event sets free.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "backplane/core/log.hpp"
#include "http/connection_table.hpp"
#include "http/request_parser.hpp"
#include "http/response_head.hpp"
#include "http/server_core.hpp"
#include "http/server_exchange.hpp"
#include "http/wire.hpp"

namespace backplane::core {

/// Owners: the server's list, the exchange that waits for its answer, and operations on the socket.
class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
public:
    ServerConnection(std::shared_ptr<ServerCore> core, Wire wire, const PeerAddress& peer,
                     ConnectionTable::Slot slot)
        : core_(std::move(core)),
          wire_(std::move(wire)),
          slot_(std::move(slot)),
          remote_address_(peer.text()) {}
    ServerConnection(const ServerConnection&) = delete;
    ServerConnection& operator=(const ServerConnection&) = delete;

    void start();
    /// Called every tick: ends what has taken too long.
    void check(std::chrono::steady_clock::time_point now);
    /// Closes at once; an exchange learns that its client is gone.
    void close() noexcept;
    void abandon() noexcept;
    void stop_if_idle() noexcept {
        if (state_ == State::handshake || (state_ == State::idle && pending_.empty())) close();
    }

    // For the exchange:
    void answer(HttpResponse response);
    void begin_stream(HttpResponse head);
    bool stream(std::string_view piece);
    void end_stream();
    void dropped(bool unanswered, bool streaming) noexcept;

    std::size_t index = 0;  ///< in the server's list

private:
    using Clock = std::chrono::steady_clock;
    static constexpr auto k_never = Clock::time_point::max();
    static constexpr std::size_t k_read_buffer_bytes = 2048;  // holds every ordinary request
    static constexpr std::size_t k_keep_capacity = 8 << 10;   // of buffers between two requests

    enum class State { handshake, idle, header, body, waiting, streaming, writing, closed };
    enum class Sent { all, blocked, failed };
    enum class Parsed { need_more, complete, refused };

    bool receiving() const noexcept {
        return state_ == State::idle || state_ == State::header || state_ == State::body;
    }
    /// An event handler's body: what it throws ends this connection and nothing else.
    template <typename F>
    void guarded(F&& body) noexcept;

    void on_handshake(Wire::Handshake result, const std::string& reason);
    void arm_read();
    void on_read(const boost::system::error_code& error, std::size_t bytes);
    void on_end_of_input();
    std::string_view read_on(std::size_t bytes);
    void resume_later();
    void resume();
    void settle();

    std::size_t process(std::string_view in);
    bool begin_request(std::string_view in, std::size_t& used);
    Parsed parse(std::string_view in, std::size_t& used);
    Parsed parse_header(std::string_view rest, std::size_t& used);
    Parsed parse_body(std::string_view rest, std::size_t& used, bool& progress);
    Parsed refuse(RequestRefusal refusal);
    bool send_continue() noexcept;
    void dispatch();

    Sent send_out();
    void arm_write();
    void pump_out();
    void answer_complete();
    void finish_connection();
    void cut_off(const char* why) noexcept;
    void uncount_exchange() noexcept;
    void retire() noexcept;
    ConnectionHeader connection_header() const noexcept;

    std::shared_ptr<ServerCore> core_;
    Wire wire_;
    ConnectionTable::Slot slot_;
    std::string remote_address_;
    State state_ = State::idle;
    Clock::time_point deadline_ = k_never;

    // Reading
    std::array<char, k_read_buffer_bytes> read_buffer_;
    std::string pending_;  // read, not parsed yet
    bool read_armed_ = false;
    bool peer_eof_ = false;
    bool processing_ = false;
    bool resume_posted_ = false;
    std::optional<RequestParser> parser_;
    std::shared_ptr<ServerExchange>
        incoming_;  // while it is being received; later the handler owns it
    std::size_t header_used_ = 0;

    // Answering
    ServerExchange* exchange_ = nullptr;
    bool counted_ = false;  // in waiting_exchanges
    bool in_handler_ = false;
    bool keep_alive_ = true;
    bool http_11_ = true;
    bool head_request_ = false;
    bool chunked_ = false;
    bool linger_ = false;  // the client may still be sending
    std::string head_;     // also the queue of a stream
    std::string body_;
    std::size_t head_sent_ = 0;
    std::size_t body_sent_ = 0;
    std::size_t progress_ = 0;
    bool write_armed_ = false;
};

template <typename F>
void ServerConnection::guarded(F&& body) noexcept {
    try {
        body();
    } catch (const std::exception& error) {
        processing_ = false;
        in_handler_ = false;
        log_error("http", "connection.failed",
                  {{"client", remote_address_}, {"error", error.what()}});
        close();
    }
}

}  // namespace backplane::core
