// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The HTTP server on Boost.Asio, with the parser of Boost.Beast. The only file that includes Beast:
// it is expensive to build.
//
// Purpose: hundreds of waiting long polls beside short requests, on one thread, with a bound on
// everything a client can do. How it hangs together:
//   ServerCore   what all connections share: limits, counts, one coarse timer for all deadlines,
//   one big read buffer Connection   one socket: reads and parses requests one after the other,
//   sends the answers Exchange     one request and its answer, held by the handler
// An exchange holds its connection; the connection knows its exchange only by a plain pointer,
// which both clear together. So dropping the last reference to an exchange is noticed, and a
// handler may keep one longer than the server lives.
//
// Handlers are called from Connection::process() only, and that is called only by the event loop:
// respond(), write() and on_gone() never call a handler, however many answers one event sets free.
#include "backplane/core/http.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/verb.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <optional>
#include <utility>

#include "backplane/core/fd.hpp"
#include "backplane/core/log.hpp"
#include "http/connection_table.hpp"
#include "http/http_types.hpp"
#include "http/linger_set.hpp"
#include "http/listen_socket.hpp"
#include "http/listener.hpp"
#include "http/peer_address.hpp"
#include "http/response_head.hpp"

namespace backplane::core {
namespace {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Socket = asio::generic::stream_protocol::socket;

constexpr std::size_t k_read_buffer_bytes = 2048;  // per connection: holds every ordinary request
constexpr std::size_t k_shared_buffer_bytes = 64
                                              << 10;  // of the server: for the rest of a large one
constexpr std::size_t k_early_bytes =
    16 << 10;  // of further requests, read while one is being answered
constexpr std::size_t k_most_headers = 128;           // a header of 4 bytes costs us 64
constexpr std::size_t k_least_chunked_end = 5;        // "0\r\n\r\n"
constexpr std::size_t k_write_progress_bytes = 4096;  // fewer do not count as reading
constexpr std::size_t k_keep_capacity = 8 << 10;      // of buffers between two requests
constexpr unsigned k_requests_per_turn = 32;          // of one connection, before others get theirs
constexpr std::size_t k_lingering = 128;
constexpr std::chrono::seconds k_linger_time{5};
constexpr auto k_never = Clock::time_point::max();

/// Bytes of request bodies in memory, of all connections together.
struct BodyBudget {
    std::size_t limit = 0;
    std::size_t used = 0;
};

/// One body's part of the budget.
class BodyLease {
public:
    explicit BodyLease(std::shared_ptr<BodyBudget> budget) noexcept : budget_(std::move(budget)) {}
    BodyLease(const BodyLease&) = delete;
    BodyLease& operator=(const BodyLease&) = delete;
    ~BodyLease() { budget_->used -= held_; }

    bool grow_to(std::size_t bytes) noexcept {
        if (bytes <= held_) return true;
        if (bytes - held_ > available()) return false;
        budget_->used += bytes - held_;
        held_ = bytes;
        return true;
    }
    std::size_t available() const noexcept {
        return budget_->limit > budget_->used ? budget_->limit - budget_->used : 0;
    }

private:
    std::shared_ptr<BodyBudget> budget_;  // shared with the server, which an exchange may outlive
    std::size_t held_ = 0;
};

/// Says something once, then at most every ten seconds how often it has happened since.
class Throttle {
public:
    /// The number of times to report now, or nothing.
    std::optional<std::uint64_t> happened() {
        ++count_;
        const auto now = Clock::now();
        if (now < next_) return std::nullopt;
        next_ = now + std::chrono::seconds{10};
        return std::exchange(count_, 0);
    }

private:
    Clock::time_point next_{};
    std::uint64_t count_ = 0;
};

/// Why a request is not passed on.
struct Refusal {
    unsigned status = 400;
    const char* text = "";
};

HttpMethod method_of(beast_http::verb verb) noexcept {
    switch (verb) {
        case beast_http::verb::get:
            return HttpMethod::get;
        case beast_http::verb::head:
            return HttpMethod::head;
        case beast_http::verb::post:
            return HttpMethod::post;
        case beast_http::verb::put:
            return HttpMethod::put;
        case beast_http::verb::delete_:
            return HttpMethod::delete_;
        case beast_http::verb::options:
            return HttpMethod::options;
        default:
            return HttpMethod::other;
    }
}

/// Beast's parser, filling an HttpRequest, and stricter than it where two readers of one message
/// could disagree about its end (RFC 9112, 6.3 and 11.2).
class RequestParser final : public beast_http::basic_parser<true> {
public:
    RequestParser(HttpRequest& request, BodyLease& lease, const HttpLimits& limits)
        : request_(request), lease_(lease), limits_(limits), most_body_(limits.body_bytes) {
        header_limit(
            static_cast<std::uint32_t>(std::min<std::size_t>(limits.header_bytes, 1u << 30)));
        body_limit(limits.body_bytes);
    }

    /// After the header: what is wrong with it beyond its grammar.
    std::optional<Refusal> objection() {
        if (hosts_ > 1) return Refusal{400, "more than one Host header"};
        if (hosts_ == 0 && version_ == 11)
            return Refusal{400, "an HTTP/1.1 request needs a Host header"};
        if (lengths_ > 1) return Refusal{400, "more than one Content-Length header"};
        if (list_length_) return Refusal{400, "Content-Length is not one number"};
        if (codings_ > 0) {
            if (lengths_ > 0) return Refusal{400, "both Content-Length and Transfer-Encoding"};
            if (version_ != 11) return Refusal{400, "Transfer-Encoding in an HTTP/1.0 request"};
            if (other_coding_ || codings_ > 1)
                return Refusal{501, "only the transfer coding \"chunked\" is supported"};
        }
        if (!split_target(request_.target, request_.method, request_.path, request_.query)) {
            return Refusal{400, "the request target is not a valid path"};
        }
        if (other_expectation_)
            return Refusal{417, "only the expectation \"100-continue\" is supported"};
        if (content_length() && *content_length() > lease_.available()) return k_no_room;
        return std::nullopt;
    }
    bool expects_continue() const noexcept { return expects_continue_ && version_ == 11; }
    bool is_http_11() const noexcept { return version_ == 11; }

    /// What to answer when put() has failed.
    Refusal refusal_for(const error_code& error) const noexcept {
        if (own_refusal_) return *own_refusal_;
        if (error == beast_http::error::header_limit)
            return {431, "the header of the request is too large"};
        if (error == beast_http::error::body_limit)
            return {413, "the body of the request is too large"};
        if (error == beast_http::error::bad_version) return {400, "not an HTTP/1.1 request"};
        if (error == beast_http::error::bad_transfer_encoding) {
            return {400, "Transfer-Encoding contradicts another header"};
        }
        if (error == beast_http::error::bad_content_length ||
            error == beast_http::error::multiple_content_length) {
            return {400, "Content-Length is not one valid number"};
        }
        if (error == beast_http::error::bad_chunk ||
            error == beast_http::error::bad_chunk_extension) {
            return {400, "the chunked body is malformed"};
        }
        return {400, "the request is malformed"};
    }

    static constexpr Refusal k_no_room{503, "too many large requests at the moment: try again"};

private:
    using Text = boost::beast::string_view;

    void on_request_impl(beast_http::verb verb, Text, Text target, int version,
                         error_code&) override {
        request_.method = method_of(verb);
        request_.target.assign(target.data(), target.size());
        version_ = version;
        // Now: with the end of the header the parser compares the announced length with its limit.
        const std::string_view path = std::string_view{request_.target}.substr(
            0, request_.target.find('?'));
        for (const auto& [larger, bytes] : limits_.larger_bodies) {
            if (path != larger) continue;
            most_body_ = bytes;
            body_limit(bytes);
        }
    }
    void on_response_impl(int, Text, int, error_code&) override {}

    void on_field_impl(beast_http::field field, Text name, Text value, error_code& error) override {
        // Trailers of a chunked body arrive here too. They must not pass for headers: what decides
        // about a request has been read by then.
        if (header_complete_) return;
        if (request_.headers.size() >= k_most_headers) {
            own_refusal_ = Refusal{431, "the request has too many headers"};
            error = beast_http::error::header_limit;
            return;
        }
        const std::string_view text{value.data(), value.size()};
        switch (field) {
            case beast_http::field::host:
                ++hosts_;
                break;
            case beast_http::field::content_length:
                ++lengths_;
                list_length_ = list_length_ || text.find(',') != std::string_view::npos;
                break;
            case beast_http::field::transfer_encoding:
                ++codings_;
                other_coding_ = other_coding_ || !equal_ignoring_case(text, "chunked");
                break;
            case beast_http::field::expect:
                (equal_ignoring_case(text, "100-continue") ? expects_continue_
                                                           : other_expectation_) = true;
                break;
            default:
                break;
        }
        request_.headers.emplace_back(std::string_view{name.data(), name.size()}, text);
    }

    void on_header_impl(error_code&) override { header_complete_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
        if (length)
            most_body_ = std::min<std::size_t>(most_body_, static_cast<std::size_t>(*length));
    }
    std::size_t on_body_impl(Text piece, error_code& error) override {
        return append(piece, error);
    }
    void on_chunk_header_impl(std::uint64_t, Text, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, Text piece, error_code& error) override {
        return append(piece, error);
    }
    void on_finish_impl(error_code&) override {}

    std::size_t append(Text piece, error_code& error) {
        std::string& body = request_.body;
        const std::size_t needed = body.size() + piece.size();
        if (needed > body.capacity()) {
            // Grows with what has come, not with what was promised: a promise costs the client
            // nothing.
            std::size_t wanted = std::max(needed, std::min(2 * body.capacity(), most_body_));
            if (!lease_.grow_to(wanted)) wanted = needed;
            if (!lease_.grow_to(wanted)) {
                own_refusal_ = k_no_room;
                error = beast_http::error::body_limit;
                return 0;
            }
            body.reserve(wanted);
        }
        body.append(piece.data(), piece.size());
        return piece.size();
    }

    HttpRequest& request_;
    BodyLease& lease_;
    const HttpLimits& limits_;  // of the server's core, which outlives its connections
    std::size_t most_body_;
    int version_ = 11;
    unsigned hosts_ = 0, lengths_ = 0, codings_ = 0;
    bool list_length_ = false, other_coding_ = false;
    bool expects_continue_ = false, other_expectation_ = false;
    bool header_complete_ = false;
    std::optional<Refusal> own_refusal_;
};

class Connection;

class Exchange final : public HttpExchange, public std::enable_shared_from_this<Exchange> {
public:
    Exchange(asio::io_context& loop, std::shared_ptr<BodyBudget> budget)
        : loop_(loop), lease_(std::move(budget)) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    ~Exchange() override;

    const HttpRequest& request() const noexcept override { return request_; }
    void respond(HttpResponse response) override;
    void begin_stream(HttpResponse head) override;
    bool write(std::string piece) override;
    void close() override;
    void on_gone(std::function<void()> gone) override;

    // For the connection:
    HttpRequest& incoming() noexcept { return request_; }
    BodyLease& lease() noexcept { return lease_; }
    void begin(std::shared_ptr<Connection> connection) noexcept {
        connection_ = std::move(connection);
        phase_ = Phase::waiting;
    }
    /// The answer has gone out.
    void finish() noexcept;
    /// The client has closed its side. It may still read an answer, but who waits for something can
    /// stop.
    void client_left();
    /// The connection is closed.
    void lost();
    /// The server ends: nobody is to be called any more.
    void abandon() noexcept;

private:
    enum class Phase { receiving, waiting, streaming, answered };
    void post_gone();
    void call_gone() noexcept;

    asio::io_context& loop_;
    HttpRequest request_;
    BodyLease lease_;
    std::shared_ptr<Connection>
        connection_;  // also owned by the server's list; here until the answer has gone out
    std::function<void()> gone_;
    Phase phase_ = Phase::receiving;
    bool client_gone_ = false;
    bool told_ = false;  // of the client's going
    bool over_ = false;
};

class ServerCore : public std::enable_shared_from_this<ServerCore> {
public:
    ServerCore(asio::io_context& io, HttpLimits lims, HttpHandler request_handler);

    void add_listener(ListenSocket socket);
    void remove(Connection& connection) noexcept;
    void stop(std::chrono::milliseconds drain, std::function<void()> stopped);
    /// Without a word to anybody.
    void shut_down() noexcept;

    asio::io_context& loop;
    const HttpLimits limits;
    const HttpHandler handler;
    HttpStatistics statistics;
    std::shared_ptr<BodyBudget> budget;
    ConnectionTable table;
    LingerSet lingering{k_lingering, k_linger_time};
    std::string shared_buffer = std::string(k_shared_buffer_bytes, '\0');
    bool draining = false;
    Throttle cut_offs, refusals;
    std::vector<std::shared_ptr<Connection>> connections;

private:
    void accepted(Fd fd, const PeerAddress& peer);
    void refuse(Fd fd, int family, const std::string& answer, const char* why,
                const PeerAddress& peer);
    void arm_tick();
    void tick();
    void close_listeners() noexcept;
    void finish_stop();

    std::vector<std::shared_ptr<Listener>> listeners_;
    asio::steady_timer tick_timer_;
    asio::steady_timer drain_timer_;
    std::chrono::milliseconds tick_period_;
    bool ticking_ = false;
    bool shut_down_ = false;
    std::vector<std::function<void()>> stopped_;
    std::string full_answer_, crowded_answer_;
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(std::shared_ptr<ServerCore> core, Socket socket, const PeerAddress& peer,
               ConnectionTable::Slot slot)
        : core_(std::move(core)),
          socket_(std::move(socket)),
          slot_(std::move(slot)),
          remote_address_(peer.text()) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void start();
    /// Called every tick: ends what has taken too long.
    void check(Clock::time_point now);
    /// Closes at once; an exchange learns that its client is gone.
    void close() noexcept;
    void abandon() noexcept;
    void stop_if_idle() noexcept {
        if (state_ == State::idle && pending_.empty()) close();
    }

    // For the exchange:
    void answer(HttpResponse response);
    void begin_stream(HttpResponse head);
    bool stream(std::string_view piece);
    void end_stream();
    void dropped(bool unanswered, bool streaming) noexcept;

    std::size_t index = 0;  ///< in the server's list

private:
    enum class State { idle, header, body, waiting, streaming, writing, closed };
    enum class Sent { all, blocked, failed };
    enum class Parsed { need_more, complete, refused };

    bool receiving() const noexcept {
        return state_ == State::idle || state_ == State::header || state_ == State::body;
    }
    /// An event handler's body: what it throws ends this connection and nothing else.
    template <typename F>
    void guarded(F&& body) noexcept;

    void arm_read();
    void on_read(const error_code& error, std::size_t bytes);
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
    Parsed refuse(Refusal refusal);
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
    Socket socket_;
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
    std::shared_ptr<Exchange> incoming_;  // while it is being received; later the handler owns it
    std::size_t header_used_ = 0;

    // Answering
    Exchange* exchange_ = nullptr;
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

// ---- Exchange ----

Exchange::~Exchange() {
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

void Exchange::respond(HttpResponse response) {
    if (phase_ != Phase::waiting) {
        log_warning("http", "exchange.answered_twice",
                    {{"path", request_.path}, {"help", "the second answer was ignored"}});
        return;
    }
    phase_ = Phase::answered;
    if (const auto connection = connection_) connection->answer(std::move(response));
}

void Exchange::begin_stream(HttpResponse head) {
    if (phase_ != Phase::waiting) {
        log_warning("http", "exchange.answered_twice",
                    {{"path", request_.path}, {"help", "the second answer was ignored"}});
        return;
    }
    phase_ = Phase::streaming;
    if (const auto connection = connection_) connection->begin_stream(std::move(head));
}

bool Exchange::write(std::string piece) {
    const auto connection = connection_;
    if (phase_ != Phase::streaming || !connection) return false;
    return connection->stream(piece);
}

void Exchange::close() {
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

void Exchange::on_gone(std::function<void()> gone) {
    if (over_ || told_) return;
    gone_ = std::move(gone);
    if (client_gone_) post_gone();
}

void Exchange::finish() noexcept {
    over_ = true;
    // The callback may hold this exchange: a circle that nothing else would ever break.
    const auto gone = std::exchange(gone_, nullptr);
    const auto connection = std::move(connection_);
}

void Exchange::client_left() {
    if (std::exchange(client_gone_, true)) return;
    post_gone();
}

void Exchange::lost() {
    const auto connection = std::move(connection_);
    if (over_) return;
    client_left();
}

void Exchange::abandon() noexcept {
    told_ = true;
    finish();
}

void Exchange::post_gone() {
    if (!gone_ || over_) return;
    // Later, from the loop: the one who learns it may be in the middle of a write() to this very
    // client.
    asio::post(loop_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->call_gone();
    });
}

void Exchange::call_gone() noexcept {
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

// ---- Connection ----

template <typename F>
void Connection::guarded(F&& body) noexcept {
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

void Connection::start() {
    deadline_ = Clock::now() + core_->limits.idle_time;
    arm_read();
}

void Connection::arm_read() {
    if (read_armed_ || peer_eof_ || state_ == State::closed) return;
    // While a request is being answered one buffer's worth of further ones is taken, so that the
    // end of the connection is noticed; then reading stops until the answer is out.
    if (!receiving() && pending_.size() >= k_early_bytes) return;
    read_armed_ = true;
    socket_.async_read_some(
        asio::buffer(read_buffer_),
        [self = shared_from_this()](const error_code& error, std::size_t bytes) {
            self->guarded([&] { self->on_read(error, bytes); });
        });
}

void Connection::on_read(const error_code& error, std::size_t bytes) {
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
std::string_view Connection::read_on(std::size_t bytes) {
    if (bytes < read_buffer_.size()) return {read_buffer_.data(), bytes};
    std::string& shared = core_->shared_buffer;
    std::copy(read_buffer_.begin(), read_buffer_.end(), shared.begin());
    const auto more =
        ::recv(socket_.native_handle(), shared.data() + bytes, shared.size() - bytes, MSG_DONTWAIT);
    // The end of the input or an error is reported again to the next ordinary read.
    if (more > 0) bytes += static_cast<std::size_t>(more);
    return {shared.data(), bytes};
}

void Connection::on_end_of_input() {
    peer_eof_ = true;
    switch (state_) {
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

void Connection::resume_later() {
    if (std::exchange(resume_posted_, true)) return;
    asio::post(core_->loop,
               [self = shared_from_this()] { self->guarded([&] { self->resume(); }); });
}

void Connection::resume() {
    resume_posted_ = false;
    if (state_ == State::closed) return;
    if (receiving() && !pending_.empty()) {
        const std::size_t used = process(pending_);
        pending_.erase(0, used);
    }
    settle();
}

/// After a turn: what to wait for next.
void Connection::settle() {
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
std::size_t Connection::process(std::string_view in) {
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
bool Connection::begin_request(std::string_view in, std::size_t& used) {
    while (in.substr(used).starts_with("\r\n")) used += 2;
    const std::string_view rest = in.substr(used);
    if (rest.empty() || rest == "\r") return false;
    incoming_ = std::make_shared<Exchange>(core_->loop, core_->budget);
    incoming_->incoming().remote_address = remote_address_;
    parser_.emplace(incoming_->incoming(), incoming_->lease(), core_->limits);
    header_used_ = 0;
    state_ = State::header;
    deadline_ = Clock::now() + core_->limits.header_time;
    return true;
}

Connection::Parsed Connection::parse(std::string_view in, std::size_t& used) {
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

Connection::Parsed Connection::parse_header(std::string_view rest, std::size_t& used) {
    const HttpLimits& limits = core_->limits;
    error_code error;
    const std::size_t n = parser_->put(asio::const_buffer(rest.data(), rest.size()), error);
    used += n;
    header_used_ += n;
    if (!parser_->is_header_done()) {
        if (error && error != beast_http::error::need_more)
            return refuse(parser_->refusal_for(error));
        // Counted here: the parser's own limit starts anew with every field when they arrive one by
        // one.
        if (header_used_ + rest.size() - n > limits.header_bytes) {
            return refuse({431, "the header of the request is too large"});
        }
        return Parsed::need_more;
    }
    if (header_used_ > limits.header_bytes)
        return refuse({431, "the header of the request is too large"});
    if (error) return refuse(parser_->refusal_for(error));

    HttpRequest& request = incoming_->incoming();
    head_request_ = request.method == HttpMethod::head;
    if (const auto objection = parser_->objection()) return refuse(*objection);
    http_11_ = parser_->is_http_11();
    keep_alive_ = request.keep_alive = parser_->keep_alive();
    if (parser_->is_done()) return Parsed::complete;

    state_ = State::body;
    deadline_ = Clock::now() + limits.body_time;
    parser_->eager(true);
    if (rest.size() == n && parser_->expects_continue() && !send_continue()) {
        close();
        return Parsed::refused;
    }
    return Parsed::need_more;
}

Connection::Parsed Connection::parse_body(std::string_view rest, std::size_t& used,
                                          bool& progress) {
    // No part of a chunked body that the parser can be given ends within its last five bytes; given
    // fewer of them it would fail an assertion of its own (Boost 1.81).
    if (parser_->chunked() && rest.size() < k_least_chunked_end) {
        progress = false;
        return Parsed::need_more;
    }
    error_code error;
    const std::size_t n = parser_->put(asio::const_buffer(rest.data(), rest.size()), error);
    used += n;
    if (error && error != beast_http::error::need_more) return refuse(parser_->refusal_for(error));
    if (parser_->is_done()) return Parsed::complete;
    progress = n > 0 && !error;
    if (rest.size() - n > core_->limits.header_bytes) {
        return refuse({400, "the chunked body has a line that is too long"});
    }
    return Parsed::need_more;
}

/// Answers for the server itself and gives the connection up: where the next request would begin is
/// not known.
Connection::Parsed Connection::refuse(Refusal refusal) {
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

bool Connection::send_continue() noexcept {
    // All earlier answers are out, so that there is room for these few bytes, or something is wrong
    // with this client.
    static constexpr std::string_view k_continue = "HTTP/1.1 100 Continue\r\n\r\n";
    return ::send(socket_.native_handle(), k_continue.data(), k_continue.size(),
                  MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(k_continue.size());
}

void Connection::dispatch() {
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

ConnectionHeader Connection::connection_header() const noexcept {
    if (!keep_alive_) return ConnectionHeader::close;
    return http_11_ ? ConnectionHeader::omitted : ConnectionHeader::keep_alive;
}

void Connection::answer(HttpResponse response) {
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

void Connection::begin_stream(HttpResponse head) {
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

bool Connection::stream(std::string_view piece) {
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

void Connection::end_stream() {
    if (state_ != State::streaming) return;
    uncount_exchange();
    if (chunked_) head_.append(k_last_chunk);
    state_ = State::writing;
    if (!in_handler_) pump_out();
}

/// The handler has let go of the exchange.
void Connection::dropped(bool unanswered, bool streaming) noexcept {
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

Connection::Sent Connection::send_out() {
    for (;;) {
        std::array<iovec, 2> parts{};
        std::size_t count = 0;
        if (head_sent_ < head_.size())
            parts[count++] = {head_.data() + head_sent_, head_.size() - head_sent_};
        if (body_sent_ < body_.size())
            parts[count++] = {body_.data() + body_sent_, body_.size() - body_sent_};
        if (count == 0) break;
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = count;
        const auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
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

void Connection::arm_write() {
    if (write_armed_) return;
    // The deadline is set when the client stops reading, and moves only when it has read a fair
    // amount: one byte a minute must not hold a connection for ever.
    if (deadline_ == k_never || progress_ >= k_write_progress_bytes) {
        deadline_ = Clock::now() + core_->limits.write_time;
        progress_ = 0;
    }
    write_armed_ = true;
    socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const error_code& error) {
        self->guarded([&] {
            self->write_armed_ = false;
            if (self->state_ == State::closed || error == asio::error::operation_aborted) return;
            self->pump_out();
        });
    });
}

void Connection::pump_out() {
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

void Connection::answer_complete() {
    uncount_exchange();
    if (Exchange* const exchange = std::exchange(exchange_, nullptr)) {
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

void Connection::finish_connection() {
    if ((!linger_ && pending_.empty()) || peer_eof_) {
        close();
        return;
    }
    const auto self = shared_from_this();
    error_code ignored;
    socket_.cancel(ignored);
    state_ = State::closed;
    core_->lingering.add(std::move(socket_));
    retire();
}

void Connection::check(Clock::time_point now) {
    if (deadline_ <= now) {
        switch (state_) {
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
    if (!read_armed_ && !peer_eof_ && !receiving() && state_ != State::closed) {
        pollfd poll{socket_.native_handle(), POLLRDHUP, 0};
        if (::poll(&poll, 1, 0) != 1) return;
        if ((poll.revents & (POLLERR | POLLHUP)) != 0 || state_ == State::streaming) {
            close();
        } else if (state_ == State::waiting && exchange_ != nullptr) {
            exchange_->client_left();
        }
    }
}

void Connection::cut_off(const char* why) noexcept {
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
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close();
}

void Connection::close() noexcept {
    if (state_ == State::closed) return;
    const auto self = shared_from_this();
    state_ = State::closed;
    error_code ignored;
    socket_.close(ignored);
    retire();
}

void Connection::abandon() noexcept {
    if (Exchange* const exchange = std::exchange(exchange_, nullptr)) {
        const auto self = shared_from_this();
        exchange->abandon();
    }
    close();
}

void Connection::uncount_exchange() noexcept {
    if (std::exchange(counted_, false)) --core_->statistics.waiting_exchanges;
}

/// Leaves the server's lists; the caller holds a reference.
void Connection::retire() noexcept {
    deadline_ = k_never;
    if (!processing_) parser_.reset();
    incoming_.reset();
    uncount_exchange();
    slot_.release();
    core_->remove(*this);
    if (Exchange* const exchange = std::exchange(exchange_, nullptr)) {
        try {
            exchange->lost();
        } catch (...) {  // no memory to post the news: the handler learns it from its next write()
        }
    }
}

// ---- ServerCore ----

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

void ServerCore::add_listener(ListenSocket socket) {
    auto on_connection = [weak = weak_from_this()](Fd fd, const PeerAddress& peer) {
        if (const auto self = weak.lock()) self->accepted(std::move(fd), peer);
    };
    auto listener = std::make_shared<Listener>(loop, std::move(socket), std::move(on_connection));
    listeners_.push_back(listener);
    listener->start();
}

void ServerCore::accepted(Fd fd, const PeerAddress& peer) {
    int family = AF_UNIX;
    socklen_t length = sizeof family;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &family, &length);

    ConnectionTable::Slot slot;
    switch (table.admit(peer, slot)) {
        case ConnectionTable::Admission::full:
            ++statistics.refused_total;
            refuse(std::move(fd), family, full_answer_, "too many in total", peer);
            return;
        case ConnectionTable::Admission::too_many_from_address:
            ++statistics.refused_per_address;
            refuse(std::move(fd), family, crowded_answer_, "too many from one address", peer);
            return;
        case ConnectionTable::Admission::admitted:
            break;
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
    Socket socket{loop};
    error_code error;
    socket.assign(asio::generic::stream_protocol{family, 0}, fd.get(), error);
    if (error) {
        log_error("http", "accept.failed", {{"client", peer.text()}, {"error", error.message()}});
        return;
    }
    (void)fd.release();
    auto connection =
        std::make_shared<Connection>(shared_from_this(), std::move(socket), peer, std::move(slot));
    connection->index = connections.size();
    connections.push_back(connection);
    ++statistics.accepted;
    arm_tick();
    connection->start();
}

/// Answers without waiting for a request: in the crowd that leads here no state is kept for
/// anybody.
void ServerCore::refuse(Fd fd, int family, const std::string& answer, const char* why,
                        const PeerAddress& peer) {
    if (const auto times = refusals.happened()) {
        log_warning("http", "connection.refused",
                    {{"client", peer.text()}, {"reason", why}, {"times", std::to_string(*times)}});
    }
    if (::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return;
    Socket socket{loop};
    error_code error;
    socket.assign(asio::generic::stream_protocol{family, 0}, fd.get(), error);
    if (error) return;
    (void)fd.release();
    lingering.add(std::move(socket));
    arm_tick();
}

void ServerCore::remove(Connection& connection) noexcept {
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

class BeastHttpServer final : public HttpServer {
public:
    BeastHttpServer(asio::io_context& loop, HttpLimits limits, HttpHandler handler)
        : core_(std::make_shared<ServerCore>(loop, limits, std::move(handler))) {}
    BeastHttpServer(const BeastHttpServer&) = delete;
    BeastHttpServer& operator=(const BeastHttpServer&) = delete;
    ~BeastHttpServer() override { core_->shut_down(); }

    Result<std::uint16_t> listen_tcp(const std::string& address, std::uint16_t port) override {
        auto socket = listen_on_tcp(address, port);
        if (!socket) return Unexpected<Error>{socket.error()};
        const std::uint16_t bound = socket->port;
        if (auto added = add(std::move(*socket)); !added) return Unexpected<Error>{added.error()};
        return bound;
    }
    Result<void> listen_fd(int fd) override {
        auto socket = adopt_listening(fd);
        if (!socket) return Unexpected<Error>{socket.error()};
        return add(std::move(*socket));
    }
    Result<void> listen_unix(const std::string& path) override {
        auto socket = listen_on_unix(path);
        if (!socket) return Unexpected<Error>{socket.error()};
        return add(std::move(*socket));
    }
    void stop(std::chrono::milliseconds drain, std::function<void()> stopped) override {
        core_->stop(drain, std::move(stopped));
    }
    HttpStatistics statistics() const override {
        HttpStatistics now = core_->statistics;
        now.open = core_->connections.size();
        now.buffered_body_bytes = core_->budget->used;
        return now;
    }

private:
    Result<void> add(ListenSocket socket) {
        if (core_->draining) {
            return failure("http.stopped", "cannot listen on " + socket.name +
                                               ": the HTTP server has been stopped");
        }
        const std::string name = socket.name;
        try {
            core_->add_listener(std::move(socket));
        } catch (const std::exception& error) {
            return failure("http.listen_failed",
                           "cannot listen for HTTP on " + name + ": " + error.what());
        }
        return {};
    }

    std::shared_ptr<ServerCore> core_;  // shared with the connections, whose operations end later
};

}  // namespace

std::unique_ptr<HttpServer> HttpServer::create(boost::asio::io_context& loop, HttpLimits limits,
                                               HttpHandler handler) {
    return std::make_unique<BeastHttpServer>(loop, limits, std::move(handler));
}

}  // namespace backplane::core
