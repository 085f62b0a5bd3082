// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What goes out on a connection: answers, streams, and the end of both.
#include "http/server_connection.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace backplane::core {
namespace {

using boost::system::error_code;

constexpr std::size_t k_write_progress_bytes = 4096;  // fewer do not count as reading

}  // namespace

ConnectionHeader ServerConnection::connection_header() const noexcept {
    if (!keep_alive_) return ConnectionHeader::close;
    return http_11_ ? ConnectionHeader::omitted : ConnectionHeader::keep_alive;
}

void ServerConnection::answer(HttpResponse response) {
    if (state_ != State::waiting) return;
    uncount_exchange();
    if (core_->draining || asks_to_close(response)) keep_alive_ = false;
    const bool bodiless = is_bodiless(response.status);
    append_head(head_, response, bodiless ? BodyFraming::none : BodyFraming::length,
                response.body.size(), connection_header());
    if (!bodiless && !head_request_) body_ = std::move(response.body);
    state_ = State::writing;
    if (!in_handler_) pump_out();
}

void ServerConnection::begin_stream(HttpResponse head) {
    if (state_ != State::waiting) return;
    if (core_->draining || asks_to_close(head) || !http_11_) keep_alive_ = false;
    const bool bodiless = head_request_ || is_bodiless(head.status);
    chunked_ = http_11_ && !bodiless;
    const BodyFraming framing = is_bodiless(head.status) ? BodyFraming::none
                                : http_11_               ? BodyFraming::chunked
                                                         : BodyFraming::until_close;
    append_head(head_, head, framing, 0, connection_header());
    state_ = State::streaming;
    if (!head.body.empty() && !bodiless) {
        stream(head.body);
        return;
    }
    if (bodiless) {  // nothing may follow; write() says so
        uncount_exchange();
        state_ = State::writing;
        if (!in_handler_) pump_out();
        return;
    }
    if (send_out() == Sent::failed) close();
}

bool ServerConnection::stream(std::string_view piece) {
    if (state_ != State::streaming) return false;
    if (piece.empty()) return true;  // in chunked coding it would be the end
    // Sent pieces are dropped from the front now and then: neither at every write nor never.
    if (head_sent_ > 0 && head_sent_ >= head_.size() / 2) {
        head_.erase(0, head_sent_);
        head_sent_ = 0;
    }
    if (chunked_) {
        append_chunk(head_, piece);
    } else {
        head_.append(piece);
    }
    if (!write_armed_ && send_out() == Sent::failed) {
        close();
        return false;
    }
    if (head_.size() - head_sent_ > core_->limits.stream_backlog_bytes) {
        cut_off("it does not read its stream");
        return false;
    }
    return true;
}

void ServerConnection::end_stream() {
    if (state_ != State::streaming) return;
    uncount_exchange();
    if (chunked_) head_.append(k_last_chunk);
    state_ = State::writing;
    if (!in_handler_) pump_out();
}

/// The handler has let go of the exchange.
void ServerConnection::dropped(bool unanswered, bool streaming) noexcept {
    guarded([&] {
        const bool client_left = peer_eof_;
        exchange_ = nullptr;
        if (streaming) {
            // Without the last chunk, so that the client knows that this was not the regular end.
            uncount_exchange();
            keep_alive_ = false;
            if (state_ != State::streaming) return;
            state_ = State::writing;
            if (!in_handler_) pump_out();
        } else if (unanswered && client_left && pending_.empty()) {
            close();  // nobody is there to read a 500
        } else if (unanswered) {
            HttpResponse response;
            response.status = 500;
            response.body = "500: this request was not answered because of an error in the box\n";
            answer(std::move(response));
        }
    });
}

ServerConnection::Sent ServerConnection::send_out() {
    for (;;) {
        std::array<iovec, 2> parts{};
        std::size_t count = 0;
        if (head_sent_ < head_.size())
            parts[count++] = {head_.data() + head_sent_, head_.size() - head_sent_};
        if (body_sent_ < body_.size())
            parts[count++] = {body_.data() + body_sent_, body_.size() - body_sent_};
        if (count == 0) break;
        const auto sent = wire_.write_now({parts.data(), count});
        if (sent < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN) return Sent::failed;
            arm_write();
            return Sent::blocked;
        }
        const auto n = static_cast<std::size_t>(sent);
        const std::size_t of_head = std::min(n, head_.size() - head_sent_);
        head_sent_ += of_head;
        body_sent_ += n - of_head;
        progress_ += n;
    }
    head_.clear();
    if (head_.capacity() > k_keep_capacity) head_.shrink_to_fit();
    body_.clear();
    if (body_.capacity() > k_keep_capacity) body_.shrink_to_fit();
    head_sent_ = body_sent_ = progress_ = 0;
    deadline_ = k_never;
    return Sent::all;
}

void ServerConnection::arm_write() {
    if (write_armed_) return;
    // The deadline is set when the client stops reading, and moves only when it has read a fair
    // amount: one byte a minute must not hold a connection for ever.
    if (deadline_ == k_never || progress_ >= k_write_progress_bytes) {
        deadline_ = Clock::now() + core_->limits.write_time;
        progress_ = 0;
    }
    write_armed_ = true;
    wire_.async_wait_write([self = shared_from_this()](const error_code& error) {
        self->guarded([&] {
            self->write_armed_ = false;
            if (self->state_ == State::closed || error == boost::asio::error::operation_aborted)
                return;
            self->pump_out();
        });
    });
}

void ServerConnection::pump_out() {
    switch (send_out()) {
        case Sent::blocked:
            break;
        case Sent::failed:
            close();
            break;
        case Sent::all:
            if (state_ == State::writing) answer_complete();
            break;
    }
}

void ServerConnection::answer_complete() {
    uncount_exchange();
    if (ServerExchange* const exchange = std::exchange(exchange_, nullptr)) {
        const auto self = shared_from_this();  // the exchange may have been the last to hold it
        exchange->finish();
    }
    if (!keep_alive_) {
        finish_connection();
        return;
    }
    state_ = State::idle;
    deadline_ = Clock::now() + core_->limits.idle_time;
    // The next request is never handled from here: the caller may be the handler of another one.
    if (processing_) return;
    if (!pending_.empty() || peer_eof_) {
        resume_later();
    } else {
        arm_read();
    }
}

void ServerConnection::finish_connection() {
    if ((!linger_ && pending_.empty()) || peer_eof_) {
        close();
        return;
    }
    const auto self = shared_from_this();
    state_ = State::closed;
    core_->lingering.add(wire_.release());
    retire();
}

}  // namespace backplane::core
