// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The only file that knows the library of WebSockets.
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <algorithm>
#include <cctype>
#include <deque>
#include <optional>

#include "browser/guarded.hpp"
#include "handlers/refusals.hpp"
#include "server/resolver.hpp"
#include "server/server_url.hpp"
#include "websocket/lookup.hpp"
#include "websocket/socket.hpp"

namespace backplane::sync {

namespace {

namespace net = boost::asio;
namespace ssl = boost::asio::ssl;
namespace websocket = boost::beast::websocket;
using net::ip::tcp;
using std::chrono::steady_clock;
using ErrorCode = boost::system::error_code;

constexpr std::chrono::milliseconds k_close{1'000};
constexpr std::size_t k_piece_bytes = 64u << 10;  // of a message that is read at once
constexpr std::size_t k_kept_bytes = 1u << 20;    // of the buffer, between two messages
constexpr std::size_t k_unsent = 64, k_unsent_bytes = 1u << 20;

std::string seconds(std::chrono::milliseconds time) {
    if (time.count() % 1000 == 0) return std::to_string(time.count() / 1000) + " s";
    return std::to_string(time.count()) + " ms";
}

bool is_clean(const std::string& text) {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

core::Result<ServerUrl> parse_socket_url(const std::string& url) {
    const bool is_tls = url.starts_with("wss://");
    if (!is_tls && !url.starts_with("ws://"))
        return core::failure("net.bad_url",
                             "\"" + foreign_text(url) +
                                 "\" is not the address of a WebSocket: pair the box "
                                 "with the Odoo server again");
    auto parsed = parse_server_url((is_tls ? "https" : "http") + url.substr(is_tls ? 3 : 2));
    if (!parsed) return core::failure("net.bad_url", parsed.error().text);
    return parsed;
}

// At the end of a WebSocket its library would wait for the other side to close the connection, however
// long that takes. The box does not: it closes right after the last frame. So these layers have a
// teardown of their own, which the library finds by their types.

struct PlainLayer : tcp::socket {
    explicit PlainLayer(tcp::socket socket) : tcp::socket(std::move(socket)) {}
};
struct SecureLayer : ssl::stream<tcp::socket> {
    SecureLayer(tcp::socket socket, ssl::context& context)
        : ssl::stream<tcp::socket>(std::move(socket), context) {}
};

template <typename Handler>
void async_teardown(boost::beast::role_type, PlainLayer& layer, Handler&& handler) {
    net::post(layer.get_executor(),
              boost::beast::bind_front_handler(std::forward<Handler>(handler), ErrorCode{}));
}
template <typename Handler>
void async_teardown(boost::beast::role_type, SecureLayer& layer, Handler&& handler) {
    net::post(layer.get_executor(),
              boost::beast::bind_front_handler(std::forward<Handler>(handler), ErrorCode{}));
}

/// One connection, from the name of the server to the last byte; what depends on TLS is below.
///
/// Owners: the socket that its user holds, and each operation that is under way.
class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(net::io_context& loop, SocketOptions options, Socket::Handlers handlers,
               LookUp lookup, ServerUrl url)
        : loop_(loop),
          options_(std::move(options)),
          url_(std::move(url)),
          tcp_(loop),
          handlers_(std::move(handlers)),
          lookup_(std::move(lookup)),
          deadline_(loop),
          attempt_(loop) {}
    virtual ~Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    template <typename F>
    auto on_loop(F f) {
        // The lock on `self` is what keeps `this` in f alive.
        return [self = shared_from_this(), f = guarded("websocket", std::move(f))](
                   auto&&... args) mutable { f(std::forward<decltype(args)>(args)...); };
    }

    void begin() {
        give_up_at_ = steady_clock::now() + options_.open;
        deadline_.expires_at(give_up_at_);
        deadline_.async_wait(on_loop([this](const ErrorCode& error) {
            if (!error) too_late();
        }));
        ErrorCode no_address;
        net::ip::make_address(url_.host, no_address);
        if (!no_address) {
            addresses_ = {url_.host};
            net::post(loop_, on_loop([this] { connect_next(); }));
            return;
        }
        try {
            looking_ = look_up(loop_, lookup_, url_.host,
                               [weak = weak_from_this()](core::Result<Addresses> found) {
                                   if (const auto self = weak.lock()) self->take(std::move(found));
                               });
        } catch (const std::exception& error) {  // no thread or no descriptor is left
            refuse({"net.lookup", "the name of the Odoo server " + foreign_text(url_.host) +
                                      " cannot be looked up (" + error.what() +
                                      "): restart the box when this happens often"});
        }
    }

    void send(std::string text) {
        if (!open_ || ended_ || closing_) return;
        if (unsent_.size() >= k_unsent || unsent_bytes_ + text.size() > k_unsent_bytes) {
            net::post(loop_, on_loop([this] {
                          finish({"net.queue_full",
                                  who() + " takes nothing of what the box wants to send it: the "
                                          "connection was closed and is made anew"});
                      }));
            return;
        }
        unsent_bytes_ += text.size();
        unsent_.push_back(std::move(text));
        if (unsent_.size() == 1) write(unsent_.front());
    }

    void close() {
        handlers_ = {};
        if (ended_ || closing_) return;
        if (!open_) return finish({});
        closing_ = true;
        deadline_.expires_after(k_close);
        deadline_.async_wait(on_loop([this](const ErrorCode& error) {
            if (!error) finish({});
        }));
        say_goodbye();
    }

    /// Tells why it was not even begun.
    void refuse(core::Error why) {
        net::post(loop_, on_loop([this, why = std::move(why)] { finish(why); }));
    }

protected:
    // ---- by layer ----
    /// tcp_ is connected: goes on with it.
    virtual void take_over() = 0;
    virtual void write(const std::string& text) = 0;
    virtual void ping() = 0;
    virtual void read() = 0;
    virtual void say_goodbye() = 0;
    /// Closes what take_over() has taken; whatever is under way ends with an error.
    virtual void cut() = 0;

    enum class Stage { lookup, connect, tls, upgrade, open };

    std::string who() const { return url_.origin(); }
    std::string host_header() const {
        const std::string origin = url_.origin();
        return origin.substr(origin.find("://") + 3);
    }
    void stage(Stage now) noexcept { stage_ = now; }
    bool over() const noexcept { return ended_; }
    bool closing() const noexcept { return closing_; }

    void opened() {
        stage_ = Stage::open;
        open_ = true;
        deadline_.cancel();
        alive();
        watch(last_life_ + options_.ping);
        read();
        if (const auto tell = handlers_.opened) guarded("websocket.opened", tell)();
    }
    void alive() noexcept { last_life_ = steady_clock::now(); }
    void received(std::string message) {
        if (const auto tell = handlers_.text) guarded("websocket.text", tell)(std::move(message));
    }
    void written(const ErrorCode& error) {
        if (ended_) return;
        if (error) return;  // reading ends, too, and knows more about the reason
        unsent_bytes_ -= unsent_.front().size();
        unsent_.pop_front();
        if (!unsent_.empty() && !closing_) write(unsent_.front());
    }
    void pinged() noexcept { pinging_ = false; }

    void refused(const ErrorCode& error, int status) {
        if (status != 0)
            return finish({"ws.refused", who() + " answered the WebSocket with HTTP " +
                                             std::to_string(status) +
                                             " instead of opening it: let the proxy in front of "
                                             "the Odoo server pass WebSockets below /websocket"},
                          status);
        finish({"net.closed", who() + " was asked for a WebSocket and has ended the connection (" +
                                  error.message() +
                                  "): look whether a proxy or firewall on the way refuses "
                                  "WebSockets"});
    }

    void lost(const ErrorCode& error, int close_code) {
        if (error == websocket::error::closed) {
            const int code = close_code == 0 ? 1005 : close_code;
            return finish(
                {"ws.closed", who() + " has closed the WebSocket (code " + std::to_string(code) +
                                  "): the box connects again by itself"},
                0, code);
        }
        if (error == websocket::error::message_too_big ||
            error == websocket::error::buffer_overflow)
            return finish(
                {"net.too_large", who() + " has sent a message of more than " +
                                      std::to_string(options_.message_bytes) +
                                      " bytes, which the box does not take: send less at once"});
        if (error.category() == make_error_code(websocket::error::closed).category())
            return finish({"net.closed", who() + " has sent something that is no WebSocket (" +
                                             error.message() +
                                             "): look whether a proxy in front of it changes "
                                             "what it says"});
        finish({"net.closed", "the connection to " + who() + " was lost (" + error.message() +
                                  "): the box connects again by itself"});
    }

    void finish(core::Error why, int status = 0, int close_code = 0) {
        if (std::exchange(ended_, true)) return;
        looking_.reset();
        deadline_.cancel();
        attempt_.cancel();
        ErrorCode ignored;
        tcp_.close(ignored);
        cut();
        const auto handlers = std::exchange(handlers_, {});
        if (handlers.closed)
            guarded("websocket.closed", handlers.closed)(std::move(why), status, close_code);
    }

    net::io_context& loop_;
    const SocketOptions options_;
    const ServerUrl url_;
    tcp::socket tcp_;  ///< until take_over()

private:
    void take(core::Result<Addresses> found) {
        looking_.reset();
        if (ended_) return;
        if (!found || found->empty())
            return finish({"net.lookup",
                           "the Odoo server " + foreign_text(url_.host) + " was not found (" +
                               (found ? "it has no address" : foreign_text(found.error().text)) +
                               "): check the network and the name server of the box"});
        addresses_.assign(found->begin(), found->end());
        if (addresses_.size() > 4) addresses_.resize(4);
        connect_next();
    }

    void connect_next() {
        if (ended_) return;
        stage_ = Stage::connect;
        if (addresses_.empty()) return no_connection();
        // So that an address which swallows everything leaves time for the others.
        const auto now = steady_clock::now();
        const auto share = std::max(give_up_at_ - now, steady_clock::duration{}) /
                           static_cast<int>(addresses_.size());
        const std::string text = std::exchange(addresses_.front(), {});
        addresses_.pop_front();
        ErrorCode error;
        const auto address = net::ip::make_address(text, error);
        if (error) {
            last_error_ = error.message();
            return connect_next();
        }
        tcp_ = tcp::socket(loop_);
        if (!addresses_.empty()) {
            attempt_.expires_at(now + share);
            attempt_.async_wait(on_loop([this](const ErrorCode& waited) {
                ErrorCode ignored;
                if (!waited && stage_ == Stage::connect) tcp_.close(ignored);
            }));
        }
        tcp_.async_connect({address, url_.port}, on_loop([this](const ErrorCode& failed) {
                               attempt_.cancel();
                               if (ended_) return;
                               if (failed) {
                                   last_error_ = failed == net::error::operation_aborted
                                                     ? "it did not answer in time"
                                                     : failed.message();
                                   return connect_next();
                               }
                               ErrorCode ignored;
                               tcp_.set_option(tcp::no_delay(true), ignored);
                               take_over();
                           }));
    }

    void no_connection() {
        finish({"net.connect", who() + " cannot be reached (" + last_error_ +
                                   "): check that the Odoo server runs, and the network of the "
                                   "box"});
    }

    void too_late() {
        const std::string limit = seconds(options_.open);
        switch (stage_) {
            case Stage::lookup:
                return finish({"net.lookup",
                               "the Odoo server " + foreign_text(url_.host) +
                                   " was not found (the name server did not answer in " + limit +
                                   "): check the network and the name server of the box"});
            case Stage::connect:
            case Stage::tls:
                return finish(
                    {"net.timeout", who() + " did not take the connection in " + limit +
                                        ": check that the Odoo server runs, and the network of the "
                                        "box"});
            case Stage::upgrade:
                return finish({"ws.silent", who() + " did not answer the WebSocket in " + limit +
                                                ": let the proxy in front of the Odoo server "
                                                "pass WebSockets below /websocket"});
            case Stage::open:
                return;
        }
    }

    /// Looks again at `when`: silence so far is answered by a ping, and silence after it is death.
    void watch(steady_clock::time_point when) {
        deadline_.expires_at(when);
        deadline_.async_wait(on_loop([this](const ErrorCode& error) {
            if (error || ended_ || closing_) return;
            if (asked_at_ && last_life_ < *asked_at_)
                return finish(
                    {"ws.silent", who() + " gave no sign of life for " +
                                      seconds(options_.ping + options_.pong) +
                                      ": the box connects again by itself, check its network when "
                                      "this happens often"});
            asked_at_.reset();
            const auto now = steady_clock::now();
            if (now < last_life_ + options_.ping) return watch(last_life_ + options_.ping);
            asked_at_ = now;
            if (!std::exchange(pinging_, true)) ping();
            watch(now + options_.pong);
        }));
    }

    Socket::Handlers handlers_;
    LookUp lookup_;
    core::Subscription looking_;
    std::deque<std::string> addresses_;
    std::string last_error_ = "it has no address";
    net::steady_timer deadline_, attempt_;
    steady_clock::time_point give_up_at_, last_life_;
    std::optional<steady_clock::time_point> asked_at_;  ///< by a ping
    std::deque<std::string> unsent_;                    ///< the first one is being written
    std::size_t unsent_bytes_ = 0;
    Stage stage_ = Stage::lookup;
    bool open_ = false, closing_ = false, ended_ = false, pinging_ = false;
};

template <typename Layer>
class LayeredConnection : public Connection {
public:
    using Connection::Connection;

protected:
    void upgrade() {
        stage(Stage::upgrade);
        ws_->set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
            for (const auto& [name, value] : options_.headers) request.set(name, value);
        }));
        ws_->read_message_max(options_.message_bytes);
        ws_->text(true);
        ws_->auto_fragment(false);
        ws_->control_callback([this](auto, auto) { alive(); });
        ws_->async_handshake(answer_, host_header(), url_.path,
                             on_loop([this](const ErrorCode& error) {
                                 if (over()) return;
                                 const int status = static_cast<int>(answer_.result_int());
                                 if (error) return refused(error, has_answer(error) ? status : 0);
                                 answer_ = {};
                                 opened();
                             }));
    }
    void write(const std::string& text) override {
        ws_->async_write(net::buffer(text),
                         on_loop([this](const ErrorCode& error, std::size_t) { written(error); }));
    }
    void ping() override {
        ws_->async_ping({}, on_loop([this](const ErrorCode&) { pinged(); }));
    }
    /// Piece by piece: a long message over a slow line is a sign of life, too.
    void read() override {
        ws_->async_read_some(buffer_, k_piece_bytes,
                             on_loop([this](const ErrorCode& error, std::size_t) { took(error); }));
    }
    void say_goodbye() override {
        ws_->async_close(websocket::close_code::normal,
                         on_loop([this](const ErrorCode&) { finish({}); }));
    }
    void cut() override {
        ErrorCode ignored;
        if (ws_) boost::beast::get_lowest_layer(*ws_).close(ignored);
    }

    std::optional<websocket::stream<Layer>> ws_;

private:
    static bool has_answer(const ErrorCode& error) {
        return error.category() == make_error_code(websocket::error::closed).category();
    }
    void took(const ErrorCode& error) {
        if (over() || closing()) return;
        if (error) return lost(error, ws_->reason().code);
        alive();
        if (ws_->is_message_done()) {
            std::string message = boost::beast::buffers_to_string(buffer_.data());
            buffer_.clear();
            if (buffer_.capacity() > k_kept_bytes) buffer_.shrink_to_fit();
            received(std::move(message));
        }
        if (!over() && !closing()) read();
    }

    websocket::response_type answer_;
    boost::beast::flat_buffer buffer_;
};

class PlainConnection final : public LayeredConnection<PlainLayer> {
public:
    using LayeredConnection::LayeredConnection;

private:
    void take_over() override {
        ws_.emplace(std::move(tcp_));
        upgrade();
    }
};

class SecureConnection final : public LayeredConnection<SecureLayer> {
public:
    using LayeredConnection::LayeredConnection;

private:
    void take_over() override {
        stage(Stage::tls);
        ErrorCode error;
        SSL_CTX_set_min_proto_version(context_.native_handle(), TLS1_2_VERSION);
        context_.set_verify_mode(ssl::verify_peer);
        context_.set_default_verify_paths(error);
        if (!options_.ca_file.empty()) {
            context_.load_verify_file(options_.ca_file, error);
            if (error)
                return finish({"net.tls", "the file " + foreign_text(options_.ca_file) +
                                              " with authorities cannot be read (" +
                                              error.message() +
                                              "): put the certificates there in PEM format"});
        }
        ws_.emplace(std::move(tcp_), context_);
        SSL* const session = ws_->next_layer().native_handle();
        if (!expect_host(session)) return tls_failed(error);
        ws_->next_layer().async_handshake(ssl::stream_base::client,
                                          on_loop([this](const ErrorCode& failed) {
                                              if (over()) return;
                                              failed ? tls_failed(failed) : upgrade();
                                          }));
    }

    /// The server is asked for this name, and must prove that it has it.
    bool expect_host(SSL* session) const {
        X509_VERIFY_PARAM* const wanted = SSL_get0_param(session);
        X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ErrorCode is_name;
        net::ip::make_address(url_.host, is_name);
        if (!is_name) return X509_VERIFY_PARAM_set1_ip_asc(wanted, url_.host.c_str()) == 1;
        return set_server_name(session) == 1 &&
               X509_VERIFY_PARAM_set1_host(wanted, url_.host.c_str(), url_.host.size()) == 1;
    }

    /// What SSL_set_tlsext_host_name does, which is a macro with a cast of C.
    long set_server_name(SSL* session) const {
        std::string name = url_.host;
        return SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                        name.data());
    }

    void tls_failed(const ErrorCode& error) {
        const long verified = SSL_get_verify_result(ws_->next_layer().native_handle());
        if (verified != X509_V_OK) {
            core::Error why = core::Result<void>(refuse_certificate(url_, verified)).error();
            why.code = "net.tls";
            return finish(std::move(why));
        }
        finish({"net.tls", "no secure connection to " + who() + " could be made (" +
                               error.message() +
                               "): check that this port of the Odoo server speaks TLS 1.2 or "
                               "newer"});
    }

    ssl::context context_{ssl::context::tls_client};
};

class BeastSocket final : public Socket {
public:
    explicit BeastSocket(std::shared_ptr<Connection> connection)
        : connection_(std::move(connection)) {}
    ~BeastSocket() override { connection_->close(); }
    BeastSocket(const BeastSocket&) = delete;
    BeastSocket& operator=(const BeastSocket&) = delete;
    void send(std::string text) override { connection_->send(std::move(text)); }
    void close() override { connection_->close(); }

private:
    std::shared_ptr<Connection> connection_;
};

}  // namespace

SocketMaker beast_sockets(net::io_context& loop, LookUp lookup) {
    if (!lookup) lookup = system_lookup;
    return [&loop, lookup = std::move(lookup)](
               SocketOptions options, Socket::Handlers handlers) -> std::unique_ptr<Socket> {
        const auto url = parse_socket_url(options.url);
        const bool is_clean_head = std::all_of(
            options.headers.begin(), options.headers.end(),
            [](const auto& header) { return is_clean(header.first) && is_clean(header.second); });
        const bool is_tls = url && url->tls;
        const ServerUrl where = url ? *url : ServerUrl{};
        std::shared_ptr<Connection> connection;
        if (is_tls)
            connection = std::make_shared<SecureConnection>(loop, std::move(options),
                                                            std::move(handlers), lookup, where);
        else
            connection = std::make_shared<PlainConnection>(loop, std::move(options),
                                                           std::move(handlers), lookup, where);
        if (!url)
            connection->refuse(url.error());
        else if (!is_clean_head)
            connection->refuse({"net.bad_url", "a header for " + where.origin() +
                                                   " has control characters: pair the box again"});
        else
            connection->begin();
        return std::make_unique<BeastSocket>(std::move(connection));
    };
}

}  // namespace backplane::sync
