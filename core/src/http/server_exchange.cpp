// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/server_exchange.hpp"

#include <boost/asio/post.hpp>

#include <exception>

#include "backplane/core/log.hpp"
#include "http/server_connection.hpp"

namespace backplane::core {

ServerExchange::~ServerExchange() {
    if (!connection_ || phase_ == Phase::receiving) return;
    const auto connection = std::move(connection_);
    const bool unanswered = phase_ == Phase::waiting;
    if (unanswered && !client_gone_) {
        try {
            log_warning("http", "exchange.dropped",
                        {{"path", request_.path},
                         {"help", "its handler has not answered; the client gets 500"}});
        } catch (...) {  // without a line in the log, then
        }
    }
    connection->dropped(unanswered, phase_ == Phase::streaming);
}

void ServerExchange::respond(HttpResponse response) {
    if (phase_ != Phase::waiting) {
        log_warning("http", "exchange.answered_twice",
                    {{"path", request_.path}, {"help", "the second answer was ignored"}});
        return;
    }
    phase_ = Phase::answered;
    if (const auto connection = connection_) connection->answer(std::move(response));
}

void ServerExchange::begin_stream(HttpResponse head) {
    if (phase_ != Phase::waiting) {
        log_warning("http", "exchange.answered_twice",
                    {{"path", request_.path}, {"help", "the second answer was ignored"}});
        return;
    }
    phase_ = Phase::streaming;
    if (const auto connection = connection_) connection->begin_stream(std::move(head));
}

bool ServerExchange::write(std::string piece) {
    const auto connection = connection_;
    if (phase_ != Phase::streaming || !connection) return false;
    return connection->stream(piece);
}

void ServerExchange::close() {
    if (phase_ != Phase::streaming) {
        if (phase_ == Phase::waiting) {
            log_warning(
                "http", "exchange.close_ignored",
                {{"path", request_.path}, {"help", "there is no stream to close; use respond()"}});
        }
        return;
    }
    phase_ = Phase::answered;
    if (const auto connection = connection_) connection->end_stream();
}

void ServerExchange::on_gone(std::function<void()> gone) {
    if (over_ || told_) return;
    gone_ = std::move(gone);
    if (client_gone_) post_gone();
}

void ServerExchange::finish() noexcept {
    over_ = true;
    // The callback may hold this exchange: a circle that nothing else would ever break.
    const auto gone = std::exchange(gone_, nullptr);
    const auto connection = std::move(connection_);
}

void ServerExchange::client_left() {
    if (std::exchange(client_gone_, true)) return;
    post_gone();
}

void ServerExchange::lost() {
    const auto connection = std::move(connection_);
    if (over_) return;
    client_left();
}

void ServerExchange::abandon() noexcept {
    told_ = true;
    finish();
}

void ServerExchange::post_gone() {
    if (!gone_ || over_) return;
    // Later, from the loop: the one who learns it may be in the middle of a write() to this very
    // client.
    boost::asio::post(loop_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->call_gone();
    });
}

void ServerExchange::call_gone() noexcept {
    if (over_ || told_) return;
    const auto gone = std::exchange(gone_, nullptr);
    if (!gone) return;
    told_ = true;
    try {
        gone();
    } catch (const std::exception& error) {
        log_error("http", "exchange.gone_failed",
                  {{"path", request_.path}, {"error", error.what()}});
    } catch (...) {
        log_error("http", "exchange.gone_failed",
                  {{"path", request_.path}, {"error", "unknown exception"}});
    }
}

}  // namespace backplane::core
