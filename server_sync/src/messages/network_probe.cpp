// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The measuring half of network_quality.hpp: sockets and timers.
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/datagram_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <optional>
#include <utility>

#include "browser/guarded.hpp"
#include "messages/network_quality.hpp"
#include "server/resolver.hpp"
#include "websocket/lookup.hpp"

namespace backplane::sync {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t k_addresses = 2;  // one of each kind is enough
constexpr std::uint8_t k_echo_v4 = 8, k_reply_v4 = 0, k_echo_v6 = 128, k_reply_v6 = 129;
constexpr std::size_t k_echo_bytes = 40;
constexpr std::size_t k_sequence_at =
    6;  // of the header: type, code, checksum, identifier, sequence

/// One of each kind, in the order given.
std::vector<asio::ip::address> targets(const std::vector<std::string>& found) {
    std::vector<asio::ip::address> out;
    for (const auto& text : found) {
        error_code error;
        const auto address = asio::ip::make_address(text, error);
        if (error || std::any_of(out.begin(), out.end(), [&](const auto& other) {
                return other.is_v4() == address.is_v4();
            }))
            continue;
        out.push_back(address);
        if (out.size() == k_addresses) break;
    }
    return out;
}

/// Echo requests to one address: three sends and whatever comes back, in one socket. The kernel
/// gives an unprivileged one only the answers to its own questions, and fills in the checksum.
class Echoes : public std::enable_shared_from_this<Echoes> {
public:
    Echoes(asio::io_context& loop, asio::ip::address address, std::function<void()> changed)
        : socket_(loop), address_(std::move(address)), changed_(std::move(changed)) {}

    /// False: this system does not allow it.
    bool open() {
        const int family = address_.is_v4() ? AF_INET : AF_INET6;
        const int protocol = address_.is_v4() ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
        error_code error;
        socket_.open(asio::generic::datagram_protocol(family, protocol), error);
        if (error) return false;
        const asio::ip::udp::endpoint to(address_, 0);
        socket_.connect(asio::generic::datagram_protocol::endpoint(to.data(), to.size()), error);
        if (error) return false;
        socket_.non_blocking(true, error);
        if (error) return false;
        receive();
        return true;
    }

    void send(std::uint8_t sequence) {
        std::array<std::uint8_t, k_echo_bytes> packet{};
        packet[0] = address_.is_v4() ? k_echo_v4 : k_echo_v6;
        packet[k_sequence_at + 1] = sequence;
        sent_[sequence] = Clock::now();
        ++probes.sent;
        error_code error;
        // Loopback and a local network take it at once; a full buffer counts as lost.
        socket_.send(asio::buffer(packet), 0, error);
    }

    void close() {
        changed_ = nullptr;
        error_code ignored;
        socket_.close(ignored);
    }

    Probes probes;

private:
    void receive() {
        socket_.async_receive(
            asio::buffer(answer_), [self = shared_from_this()](error_code error, std::size_t size) {
                if (error == asio::error::operation_aborted || !self->socket_.is_open()) return;
                if (!error) self->take(size);
                // An error is a message about one echo ("no such host"); a few of them are enough.
                if (error && ++self->errors_ > 8) return;
                self->receive();
            });
    }

    void take(std::size_t size) {
        const std::uint8_t wanted = address_.is_v4() ? k_reply_v4 : k_reply_v6;
        if (size < k_sequence_at + 2 || answer_[0] != wanted || answer_[k_sequence_at] != 0) return;
        const auto sent = sent_.find(answer_[k_sequence_at + 1]);
        if (sent == sent_.end()) return;  // a second copy
        probes.answered.push_back(
            std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - sent->second));
        sent_.erase(sent);
        // A copy: the call may close this, and with it end what it is running in.
        if (const auto changed = changed_) changed();
    }

    asio::generic::datagram_protocol::socket socket_;
    asio::ip::address address_;
    std::function<void()> changed_;
    std::array<std::uint8_t, 256> answer_{};
    std::map<std::uint8_t, Clock::time_point> sent_;
    unsigned errors_ = 0;
};

/// All that is measured at one address.
struct Target {
    asio::ip::address address;
    Probes connections;
    unsigned connections_open = 0;   ///< that are being made
    std::shared_ptr<Echoes> echoes;  ///< empty: not allowed here

    std::string_view rating() const {
        const bool near = is_private(address.to_string());
        return better(rate(connections, near), echoes ? rate(echoes->probes, near) : "unreachable");
    }
};

/// One call of measure().
class Measurement : public std::enable_shared_from_this<Measurement> {
public:
    Measurement(asio::io_context& loop, const NetworkProbe::Options& options, std::uint16_t port,
                NetworkProbe::Done done)
        : loop_(loop),
          options_(options),
          port_(port),
          done_(std::move(done)),
          deadline_(loop),
          pause_(loop) {}

    void begin(const std::string& host) {
        deadline_.expires_after(options_.total);
        deadline_.async_wait([weak = weak_from_this()](error_code error) {
            const auto self = weak.lock();
            if (!error && self) self->finish();
        });
        error_code not_an_address;
        const auto address = asio::ip::make_address(host, not_an_address);
        if (!not_an_address || host.empty()) {
            asio::post(loop_, guarded("measurement",
                                      [weak = weak_from_this(), address, nothing = host.empty()] {
                                          const auto self = weak.lock();
                                          if (!self) return;
                                          if (nothing) return self->finish();
                                          self->measure({address});
                                      }));
            return;
        }
        auto look = options_.resolve ? options_.resolve : system_lookup;
        lookup_ = look_up(
            loop_, std::move(look), host, [weak = weak_from_this()](core::Result<Addresses> found) {
                const auto self = weak.lock();
                if (!self) return;
                const auto keep = std::move(self->lookup_);
                self->measure(found ? targets(*found) : std::vector<asio::ip::address>());
            });
    }

    bool ended() const noexcept { return !done_; }

    void give_up() {
        done_ = nullptr;
        lookup_.reset();
        deadline_.cancel();
        pause_.cancel();
        for (auto& socket : sockets_) {
            error_code ignored;
            socket.close(ignored);
        }
        for (auto& target : targets_)
            if (target.echoes) target.echoes->close();
    }

private:
    void measure(std::vector<asio::ip::address> addresses) {
        if (!done_) return;
        if (addresses.empty()) return finish();
        for (auto& address : addresses) {
            Target target;
            target.address = address;
            if (options_.icmp) {
                target.echoes = std::make_shared<Echoes>(loop_, address, [weak = weak_from_this()] {
                    if (const auto self = weak.lock()) self->look();
                });
                if (!target.echoes->open()) target.echoes.reset();
            }
            targets_.push_back(std::move(target));
        }
        probe();
    }

    void probe() {
        if (!done_) return;
        for (std::size_t i = 0; i < targets_.size(); ++i) {
            connect(i);
            if (targets_[i].echoes) targets_[i].echoes->send(static_cast<std::uint8_t>(rounds_));
        }
        if (++rounds_ >= options_.probes) return look();
        pause_.expires_after(options_.pause);
        pause_.async_wait([weak = weak_from_this()](error_code error) {
            const auto self = weak.lock();
            if (!error && self) self->probe();
        });
    }

    void connect(std::size_t index) {
        auto& target = targets_[index];
        ++target.connections.sent;
        ++target.connections_open;
        auto& socket = sockets_.emplace_back(loop_);
        socket.async_connect({target.address, port_}, [weak = weak_from_this(), index,
                                                       began = Clock::now()](error_code error) {
            const auto self = weak.lock();
            if (!self || self->ended()) return;
            auto& same = self->targets_[index];
            --same.connections_open;
            // A refusal is an answer, too: it has been there and back.
            if (!error || error == asio::error::connection_refused ||
                error == asio::error::connection_reset)
                same.connections.answered.push_back(
                    std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began));
            self->look();
        });
    }

    /// Is there anything left to wait for?
    void look() {
        if (!done_ || rounds_ < options_.probes) return;
        const bool waits = std::any_of(targets_.begin(), targets_.end(), [](const Target& target) {
            const bool echoed = target.echoes &&
                                target.echoes->probes.answered.size() == target.echoes->probes.sent;
            if (echoed) return false;  // connections tell nothing better
            if (target.connections_open > 0) return true;
            const auto& made = target.connections;
            return target.echoes && made.answered.size() < made.sent;
        });
        if (!waits) finish();
    }

    void finish() {
        const auto self = shared_from_this();
        std::string_view rating = "unreachable";
        for (const auto& target : targets_) rating = better(rating, target.rating());
        auto done = std::exchange(done_, nullptr);
        give_up();
        if (done) guarded("measurement", std::move(done))(std::string(rating));
    }

    asio::io_context& loop_;
    NetworkProbe::Options options_;
    std::uint16_t port_;
    NetworkProbe::Done done_;  ///< empty: it has ended
    asio::steady_timer deadline_, pause_;
    core::Subscription lookup_;
    std::vector<Target> targets_;
    std::list<asio::ip::tcp::socket> sockets_;
    unsigned rounds_ = 0;
};

}  // namespace

struct NetworkProbe::State {
    asio::io_context& loop;
    Options options;
    std::vector<std::shared_ptr<Measurement>> running;
};

NetworkProbe::NetworkProbe(asio::io_context& loop) : NetworkProbe(loop, Options()) {}

NetworkProbe::NetworkProbe(asio::io_context& loop, Options options)
    : state_(std::make_shared<State>(State{loop, std::move(options), {}})) {}

NetworkProbe::~NetworkProbe() {
    for (const auto& measurement : state_->running) measurement->give_up();
}

void NetworkProbe::measure(std::string host, std::uint16_t port, Done done) {
    auto& running = state_->running;
    std::erase_if(running, [](const auto& measurement) { return measurement->ended(); });
    running.push_back(
        std::make_shared<Measurement>(state_->loop, state_->options, port, std::move(done)));
    running.back()->begin(host);
}

}  // namespace backplane::sync
