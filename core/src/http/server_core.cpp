// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/server_core.hpp"

#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <exception>
#include <utility>

#include "backplane/core/log.hpp"
#include "http/response_head.hpp"
#include "http/server_connection.hpp"

namespace backplane::core {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

/// A fatal alert, "internal_error": all that can be said to a TLS client without a handshake
/// (RFC 8446, 5.1 and 6.2).
constexpr std::string_view k_alert{"\x15\x03\x03\x00\x02\x02\x50", 7};

std::string refusal_answer(unsigned status, const std::string& text) {
    HttpResponse response;
    response.status = status;
    response.body = std::to_string(status) + ": " + text + "\n";
    response.headers.emplace_back("Retry-After", "5");
    std::string answer;
    append_head(answer, response, BodyFraming::length, response.body.size(),
                ConnectionHeader::close);
    return answer + response.body;
}

}  // namespace

ServerCore::ServerCore(asio::io_context& io, HttpLimits lims, HttpHandler request_handler)
    : loop(io),
      limits(lims),
      handler(std::move(request_handler)),
      budget(std::make_shared<BodyBudget>(BodyBudget{lims.buffered_body_bytes, 0})),
      table(lims.connections, lims.connections_per_address),
      tick_timer_(io),
      drain_timer_(io),
      full_answer_(
          refusal_answer(503, "this box has too many connections at the moment: try again")),
      crowded_answer_(
          refusal_answer(429, "too many connections from this address: close some of them")) {
    // A quarter of the shortest limit is exact enough; nobody notices a quarter of a second with
    // the usual ones.
    const auto shortest =
        std::min({limits.header_time, limits.body_time, limits.idle_time, limits.write_time});
    tick_period_ =
        std::clamp(shortest / 4, std::chrono::milliseconds{10}, std::chrono::milliseconds{250});
}

void ServerCore::add_listener(ListenSocket socket, Speech speech) {
    auto on_connection = [weak = weak_from_this(), speech](Fd fd, const PeerAddress& peer) {
        if (const auto self = weak.lock()) self->accepted(std::move(fd), peer, speech);
    };
    auto listener = std::make_shared<Listener>(loop, std::move(socket), std::move(on_connection));
    listeners_.push_back(listener);
    listener->start();
}

void ServerCore::accepted(Fd fd, const PeerAddress& peer, Speech speech) {
    int family = AF_UNIX;
    socklen_t length = sizeof family;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &family, &length);

    const bool is_tls = speech == Speech::tls;
    ConnectionTable::Slot slot;
    switch (table.admit(peer, slot)) {
        case ConnectionTable::Admission::full:
            ++statistics.refused_total;
            refuse(std::move(fd), family, is_tls ? k_alert : full_answer_, "too many in total",
                   peer);
            return;
        case ConnectionTable::Admission::too_many_from_address:
            ++statistics.refused_per_address;
            refuse(std::move(fd), family, is_tls ? k_alert : crowded_answer_,
                   "too many from one address", peer);
            return;
        case ConnectionTable::Admission::admitted:
            break;
    }

    if (is_tls && !tls) {
        refuse(std::move(fd), family, k_alert, "there is no certificate for HTTPS yet", peer);
        return;
    }

    if (family != AF_UNIX) {
        const auto set = [&fd](int level, int option, int value) {
            ::setsockopt(fd.get(), level, option, &value, sizeof value);
        };
        set(IPPROTO_TCP, TCP_NODELAY, 1);
        // A long poll has no deadline here. A client that lost its power must not occupy a place
        // for ever.
        set(SOL_SOCKET, SO_KEEPALIVE, 1);
        set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
        set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
        set(IPPROTO_TCP, TCP_KEEPCNT, 4);
    }
    Wire::Socket socket{loop};
    error_code error;
    socket.assign(asio::generic::stream_protocol{family, 0}, fd.get(), error);
    if (error) {
        log_error("http", "accept.failed", {{"client", peer.text()}, {"error", error.message()}});
        return;
    }
    (void)fd.release();
    auto session = is_tls ? std::make_unique<TlsSession>(tls) : nullptr;
    auto connection = std::make_shared<ServerConnection>(
        shared_from_this(), Wire{std::move(socket), std::move(session)}, peer, std::move(slot));
    connection->index = connections.size();
    connections.push_back(connection);
    ++statistics.accepted;
    arm_tick();
    connection->start();
}

/// Answers without waiting for a request: in the crowd that leads here no state is kept for
/// anybody.
void ServerCore::refuse(Fd fd, int family, std::string_view answer, const char* why,
                        const PeerAddress& peer) {
    if (const auto times = refusals.happened()) {
        log_warning("http", "connection.refused",
                    {{"client", peer.text()}, {"reason", why}, {"times", std::to_string(*times)}});
    }
    if (::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return;
    Wire::Socket socket{loop};
    error_code error;
    socket.assign(asio::generic::stream_protocol{family, 0}, fd.get(), error);
    if (error) return;
    (void)fd.release();
    lingering.add(std::move(socket));
    arm_tick();
}

void ServerCore::remove(ServerConnection& connection) noexcept {
    // The caller's reference keeps the object; here it only leaves the list.
    const std::size_t place = connection.index;
    if (place >= connections.size() || connections[place].get() != &connection) return;
    if (place + 1 != connections.size()) {
        connections[place] = std::move(connections.back());
        connections[place]->index = place;
    }
    connections.pop_back();
    if (draining && connections.empty() && !shut_down_) {
        asio::post(loop, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->finish_stop();
        });
    }
}

void ServerCore::arm_tick() {
    if (shut_down_ || std::exchange(ticking_, true)) return;
    tick_timer_.expires_after(tick_period_);
    tick_timer_.async_wait([weak = weak_from_this()](const error_code& cancelled) {
        const auto self = weak.lock();
        if (!self || cancelled) return;
        self->ticking_ = false;
        self->tick();
    });
}

void ServerCore::tick() {
    const auto now = Clock::now();
    // Backwards: one that ends is replaced by the last, which has been visited.
    for (std::size_t i = connections.size(); i-- > 0;) {
        if (i >= connections.size()) continue;
        const auto connection = connections[i];
        try {
            connection->check(now);
        } catch (const std::exception&) {  // no memory for a farewell
            connection->close();
        }
    }
    lingering.expire(now);
    if (!connections.empty() || lingering.size() > 0) arm_tick();
}

void ServerCore::close_listeners() noexcept {
    for (const auto& listener : listeners_) listener->close();
    listeners_.clear();
}

void ServerCore::stop(std::chrono::milliseconds drain, std::function<void()> stopped) {
    if (stopped) stopped_.push_back(std::move(stopped));
    close_listeners();
    if (draining) {
        if (connections.empty()) finish_stop();
        return;
    }
    draining = true;
    for (std::size_t i = connections.size(); i-- > 0;) {
        if (i < connections.size()) connections[i]->stop_if_idle();
    }
    if (connections.empty() || drain <= drain.zero()) {
        finish_stop();
        return;
    }
    drain_timer_.expires_after(drain);
    drain_timer_.async_wait([weak = weak_from_this()](const error_code& cancelled) {
        const auto self = weak.lock();
        if (self && !cancelled) self->finish_stop();
    });
}

void ServerCore::finish_stop() {
    drain_timer_.cancel();
    while (!connections.empty()) {
        const auto connection = connections.back();
        connection->close();
    }
    // The answer a client was refused with is in the kernel's hands: its socket may close.
    lingering.clear();
    tick_timer_.cancel();
    auto stopped = std::exchange(stopped_, {});
    for (auto& callback : stopped) asio::post(loop, std::move(callback));
}

void ServerCore::shut_down() noexcept {
    shut_down_ = true;
    close_listeners();
    while (!connections.empty()) {
        const auto connection = connections.back();
        connection->abandon();
    }
    lingering.clear();
    tick_timer_.cancel();
    drain_timer_.cancel();
}

}  // namespace backplane::core
