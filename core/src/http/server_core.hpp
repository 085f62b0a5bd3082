// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What all connections of one server share: limits, counts, one coarse timer for all deadlines, one
// big read buffer, the identity for TLS.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/fd.hpp"
#include "backplane/core/http.hpp"
#include "http/body_budget.hpp"
#include "http/connection_table.hpp"
#include "http/linger_set.hpp"
#include "http/listener.hpp"
#include "http/peer_address.hpp"
#include "http/throttle.hpp"
#include "http/tls_context.hpp"

namespace backplane::core {

class ServerConnection;

class ServerCore : public std::enable_shared_from_this<ServerCore> {
    static constexpr std::size_t k_shared_buffer_bytes = 64 << 10;  // the rest of a large request
    static constexpr std::size_t k_lingering = 128;
    static constexpr std::chrono::seconds k_linger_time{5};

public:
    ServerCore(boost::asio::io_context& io, HttpLimits lims, HttpHandler request_handler);

    enum class Speech { plain, tls };
    void add_listener(ListenSocket socket, Speech speech);
    void remove(ServerConnection& connection) noexcept;
    void stop(std::chrono::milliseconds drain, std::function<void()> stopped);
    /// Without a word to anybody.
    void shut_down() noexcept;

    boost::asio::io_context& loop;
    const HttpLimits limits;
    const HttpHandler handler;
    HttpStatistics statistics;
    std::shared_ptr<BodyBudget> budget;
    ConnectionTable table;
    LingerSet lingering{k_lingering, k_linger_time};
    std::string shared_buffer = std::string(k_shared_buffer_bytes, '\0');
    bool draining = false;
    std::shared_ptr<const TlsContext> tls;  ///< of new connections; null before the first identity
    Throttle cut_offs, refusals;
    std::vector<std::shared_ptr<ServerConnection>> connections;

private:
    void accepted(Fd fd, const PeerAddress& peer, Speech speech);
    void refuse(Fd fd, int family, std::string_view answer, const char* why,
                const PeerAddress& peer);
    void arm_tick();
    void tick();
    void close_listeners() noexcept;
    void finish_stop();

    std::vector<std::shared_ptr<Listener>> listeners_;
    boost::asio::steady_timer tick_timer_;
    boost::asio::steady_timer drain_timer_;
    std::chrono::milliseconds tick_period_;
    bool ticking_ = false;
    bool shut_down_ = false;
    std::vector<std::function<void()>> stopped_;
    std::string full_answer_, crowded_answer_;
};

}  // namespace backplane::core
