// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The life of a connection, and what comes in. What goes out is in server_answers.cpp.
#include "http/server_connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <span>

namespace backplane::core {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t k_early_bytes =
    16 << 10;  // of further requests, read while one is being answered
constexpr std::size_t k_least_chunked_end = 5;  // "0\r\n\r\n"
constexpr unsigned k_requests_per_turn = 32;    // of one connection, before others get theirs

}  // namespace

void ServerConnection::start() {
    if (wire_.is_tls()) {
        state_ = State::handshake;
        deadline_ = Clock::now() + core_->limits.header_time;
        wire_.async_handshake(
            [self = shared_from_this()](Wire::Handshake result, const std::string& reason) {
                self->guarded([&] { self->on_handshake(result, reason); });
            });
        return;
    }
    deadline_ = Clock::now() + core_->limits.idle_time;
    arm_read();
}

void ServerConnection::on_handshake(Wire::Handshake result, const std::string& reason) {
    if (state_ == State::closed) return;
    switch (result) {
        case Wire::Handshake::done:
            state_ = State::idle;
            deadline_ = Clock::now() + core_->limits.idle_time;
            arm_read();
            break;
        case Wire::Handshake::plain_http:
            refuse({400, "this port speaks HTTPS: begin the address with https://"});
            break;
        case Wire::Handshake::failed:
            ++core_->statistics.malformed;
            if (log_enabled(LogLevel::debug, "http")) {
                log_debug("http", "handshake.failed",
                          {{"client", remote_address_}, {"reason", reason}});
            }
            linger_ = true;  // so that it can read the alert
            finish_connection();
            break;
        case Wire::Handshake::aborted:
            close();
            break;
    }
}

void ServerConnection::arm_read() {
    if (read_armed_ || peer_eof_ || state_ == State::closed) return;
    // While a request is being answered one buffer's worth of further ones is taken, so that the
    // end of the connection is noticed; then reading stops until the answer is out.
    if (!receiving() && pending_.size() >= k_early_bytes) return;
    read_armed_ = true;
    wire_.async_read(read_buffer_,
                     [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                         self->guarded([&] { self->on_read(error, bytes); });
                     });
}

void ServerConnection::on_read(const error_code& error, std::size_t bytes) {
    read_armed_ = false;
    if (state_ == State::closed) return;
    if (error) {
        if (error == asio::error::eof) {
            on_end_of_input();
        } else if (error != asio::error::operation_aborted) {
            close();
        }
        return;
    }
    if (!receiving()) {
        pending_.append(read_buffer_.data(), bytes);
        arm_read();
        return;
    }
    const std::string_view in = read_on(bytes);
    if (pending_.empty()) {
        const std::size_t used = process(in);
        if (state_ == State::closed) return;
        pending_.assign(in.substr(used));
    } else {
        pending_.append(in);
        const std::size_t used = process(pending_);
        pending_.erase(0, used);
    }
    settle();
}

/// A full buffer means that there is probably more: fetches it at once, into the large buffer of
/// the server.
std::string_view ServerConnection::read_on(std::size_t bytes) {
    if (bytes < read_buffer_.size()) return {read_buffer_.data(), bytes};
    std::string& shared = core_->shared_buffer;
    std::copy(read_buffer_.begin(), read_buffer_.end(), shared.begin());
    bytes += wire_.read_now(std::span{shared}.subspan(bytes));
    return {shared.data(), bytes};
}

void ServerConnection::on_end_of_input() {
    peer_eof_ = true;
    switch (state_) {
        case State::handshake:
        case State::idle:
        case State::header:
        case State::body:
            if (!resume_posted_) close();
            break;
        case State::waiting:
            // Perhaps it has only closed its own direction, as "nc" does: an answer is still sent
            // if one comes.
            if (exchange_ != nullptr) exchange_->client_left();
            break;
        case State::streaming:
            close();
            break;
        case State::writing:
        case State::closed:
            break;
    }
}

void ServerConnection::resume_later() {
    if (std::exchange(resume_posted_, true)) return;
    asio::post(core_->loop,
               [self = shared_from_this()] { self->guarded([&] { self->resume(); }); });
}

void ServerConnection::resume() {
    resume_posted_ = false;
    if (state_ == State::closed) return;
    if (receiving() && !pending_.empty()) {
        const std::size_t used = process(pending_);
        pending_.erase(0, used);
    }
    settle();
}

/// After a turn: what to wait for next.
void ServerConnection::settle() {
    if (state_ == State::closed || resume_posted_) return;
    if (pending_.empty() && pending_.capacity() > k_keep_capacity) pending_.shrink_to_fit();
    if (peer_eof_ && receiving()) {
        close();
        return;
    }
    arm_read();
}

/// Parses and dispatches one request after the other, as long as answers come at once. Returns how
/// much was used up.
std::size_t ServerConnection::process(std::string_view in) {
    std::size_t used = 0;
    unsigned requests = 0;
    processing_ = true;
    while (receiving() && used < in.size()) {
        if (requests == k_requests_per_turn) {
            resume_later();
            break;
        }
        if (state_ == State::idle && !begin_request(in, used)) break;
        const Parsed parsed = parse(in, used);
        if (parsed == Parsed::need_more) break;
        if (parsed == Parsed::complete) {
            ++requests;
            dispatch();
        }
    }
    processing_ = false;
    return used;
}

/// False when there is nothing yet but an empty line, which some old clients send after a body.
bool ServerConnection::begin_request(std::string_view in, std::size_t& used) {
    while (in.substr(used).starts_with("\r\n")) used += 2;
    const std::string_view rest = in.substr(used);
    if (rest.empty() || rest == "\r") return false;
    incoming_ = std::make_shared<ServerExchange>(core_->loop, core_->budget);
    incoming_->incoming().remote_address = remote_address_;
    incoming_->incoming().tls = wire_.is_tls();
    parser_.emplace(incoming_->incoming(), incoming_->lease(), core_->limits);
    header_used_ = 0;
    state_ = State::header;
    deadline_ = Clock::now() + core_->limits.header_time;
    return true;
}

ServerConnection::Parsed ServerConnection::parse(std::string_view in, std::size_t& used) {
    for (;;) {
        const std::string_view rest = in.substr(used);
        if (rest.empty()) return Parsed::need_more;
        bool progress = true;
        const Parsed parsed =
            state_ == State::header ? parse_header(rest, used) : parse_body(rest, used, progress);
        if (parsed != Parsed::need_more || !progress) return parsed;
        if (state_ == State::header) return Parsed::need_more;
    }
}

ServerConnection::Parsed ServerConnection::parse_header(std::string_view rest, std::size_t& used) {
    const HttpLimits& limits = core_->limits;
    const auto [n, needs_more, refusal] = parser_->put(rest);
    used += n;
    header_used_ += n;
    if (!parser_->is_header_done()) {
        if (refusal) return refuse(*refusal);
        // Counted here: the parser's own limit starts anew with every field when they arrive one by
        // one.
        if (header_used_ + rest.size() - n > limits.header_bytes) {
            return refuse({431, "the header of the request is too large"});
        }
        return Parsed::need_more;
    }
    if (header_used_ > limits.header_bytes)
        return refuse({431, "the header of the request is too large"});
    if (refusal) return refuse(*refusal);

    HttpRequest& request = incoming_->incoming();
    head_request_ = request.method == HttpMethod::head;
    if (const auto objection = parser_->objection()) return refuse(*objection);
    http_11_ = parser_->is_http_11();
    keep_alive_ = request.keep_alive = parser_->keep_alive();
    if (parser_->is_done()) return Parsed::complete;

    state_ = State::body;
    deadline_ = Clock::now() + limits.body_time;
    parser_->begin_body();
    if (rest.size() == n && parser_->expects_continue() && !send_continue()) {
        close();
        return Parsed::refused;
    }
    return Parsed::need_more;
}

ServerConnection::Parsed ServerConnection::parse_body(std::string_view rest, std::size_t& used,
                                                      bool& progress) {
    // No part of a chunked body that the parser can be given ends within its last five bytes; given
    // fewer of them it would fail an assertion of its own (Boost 1.81).
    if (parser_->is_chunked() && rest.size() < k_least_chunked_end) {
        progress = false;
        return Parsed::need_more;
    }
    const auto [n, needs_more, refusal] = parser_->put(rest);
    used += n;
    if (refusal) return refuse(*refusal);
    if (parser_->is_done()) return Parsed::complete;
    progress = n > 0 && !needs_more;
    if (rest.size() - n > core_->limits.header_bytes) {
        return refuse({400, "the chunked body has a line that is too long"});
    }
    return Parsed::need_more;
}

/// Answers for the server itself and gives the connection up: where the next request would begin is
/// not known.
ServerConnection::Parsed ServerConnection::refuse(RequestRefusal refusal) {
    HttpStatistics& statistics = core_->statistics;
    if (refusal.status == 408) {
        ++statistics.timeouts;
    } else if (refusal.status == 413 || refusal.status == 431 || refusal.status == 503) {
        ++statistics.too_large;
    } else {
        ++statistics.malformed;
    }
    if (log_enabled(LogLevel::debug, "http")) {
        log_debug("http", "request.refused",
                  {{"client", remote_address_},
                   {"status", std::to_string(refusal.status)},
                   {"reason", refusal.text}});
    }
    parser_.reset();
    incoming_.reset();
    keep_alive_ = false;
    linger_ = true;
    HttpResponse response;
    response.status = refusal.status;
    response.body = std::to_string(refusal.status) + ": " + refusal.text + "\n";
    if (refusal.status == 503) response.headers.emplace_back("Retry-After", "1");
    append_head(head_, response, BodyFraming::length, response.body.size(),
                ConnectionHeader::close);
    if (!head_request_) body_ = std::move(response.body);
    state_ = State::writing;
    deadline_ = k_never;
    pump_out();
    return Parsed::refused;
}

bool ServerConnection::send_continue() noexcept {
    // All earlier answers are out, so that there is room for these few bytes, or something is wrong
    // with this client.
    static constexpr std::string_view k_continue = "HTTP/1.1 100 Continue\r\n\r\n";
    std::string bytes{k_continue};
    const iovec part{bytes.data(), bytes.size()};
    return wire_.write_now({&part, 1}) == static_cast<ssize_t>(k_continue.size());
}

void ServerConnection::dispatch() {
    parser_.reset();
    auto exchange = std::move(incoming_);
    incoming_.reset();
    exchange_ = exchange.get();
    exchange->begin(shared_from_this());
    state_ = State::waiting;
    deadline_ = k_never;
    ++core_->statistics.requests;
    ++core_->statistics.waiting_exchanges;
    counted_ = true;
    in_handler_ = true;
    try {
        core_->handler(std::move(exchange));  // dropped when it throws: the client gets 500
    } catch (const std::exception& error) {
        log_error("http", "handler.failed",
                  {{"error", error.what()}, {"help", "the client got 500"}});
    } catch (...) {
        log_error("http", "handler.failed",
                  {{"error", "unknown exception"}, {"help", "the client got 500"}});
    }
    exchange.reset();
    in_handler_ = false;
    if (state_ == State::writing) pump_out();
}

void ServerConnection::check(Clock::time_point now) {
    if (deadline_ <= now) {
        switch (state_) {
            case State::handshake:
                ++core_->statistics.timeouts;
                close();
                return;
            case State::idle:
                close();
                return;
            case State::header:
                refuse({408, "the header of the request did not arrive in time"});
                return;
            case State::body:
                refuse({408, "the body of the request did not arrive in time"});
                return;
            case State::streaming:
            case State::writing:
                cut_off("it does not read");
                return;
            case State::waiting:
            case State::closed:
                return;
        }
    }
    // Reading has stopped because of requests sent too early: ask for the end of the connection in
    // another way.
    if (!read_armed_ && !peer_eof_ && !receiving() && state_ != State::closed &&
        state_ != State::handshake) {
        pollfd poll{wire_.fd(), POLLRDHUP, 0};
        if (::poll(&poll, 1, 0) != 1) return;
        if ((poll.revents & (POLLERR | POLLHUP)) != 0 || state_ == State::streaming) {
            close();
        } else if (state_ == State::waiting && exchange_ != nullptr) {
            exchange_->client_left();
        }
    }
}

void ServerConnection::cut_off(const char* why) noexcept {
    ++core_->statistics.cut_off;
    try {
        if (const auto times = core_->cut_offs.happened()) {
            log_warning(
                "http", "client.cut_off",
                {{"client", remote_address_}, {"reason", why}, {"times", std::to_string(*times)}});
        }
    } catch (...) {  // without a line in the log, then
    }
    // A reset frees what the kernel still holds for a client that does not read.
    const linger reset{1, 0};
    ::setsockopt(wire_.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close();
}

void ServerConnection::close() noexcept {
    if (state_ == State::closed) return;
    const auto self = shared_from_this();
    state_ = State::closed;
    wire_.close();
    retire();
}

void ServerConnection::abandon() noexcept {
    if (ServerExchange* const exchange = std::exchange(exchange_, nullptr)) {
        const auto self = shared_from_this();
        exchange->abandon();
    }
    close();
}

void ServerConnection::uncount_exchange() noexcept {
    if (std::exchange(counted_, false)) --core_->statistics.waiting_exchanges;
}

/// Leaves the server's lists; the caller holds a reference.
void ServerConnection::retire() noexcept {
    deadline_ = k_never;
    if (!processing_) parser_.reset();
    incoming_.reset();
    uncount_exchange();
    slot_.release();
    core_->remove(*this);
    if (ServerExchange* const exchange = std::exchange(exchange_, nullptr)) {
        try {
            exchange->lost();
        } catch (...) {  // no memory to post the news: the handler learns it from its next write()
        }
    }
}

}  // namespace backplane::core
