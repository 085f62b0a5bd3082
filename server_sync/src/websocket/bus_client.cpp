// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "websocket/bus_client.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "backplane/core/log.hpp"
#include "server/back_off.hpp"
#include "server/listeners.hpp"
#include "server/server_url.hpp"
#include "websocket/intake.hpp"
#include "websocket/poller.hpp"
#include "websocket/server_look.hpp"
#include "websocket/session_cookie.hpp"

namespace backplane::sync {

namespace json = boost::json;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds k_longest_pause{30'000};
constexpr BackOff k_pause{milliseconds{500}, k_longest_pause, 0.5, 1};
/// After a connection that did not last, and after many of those.
constexpr BackOff k_short_life_pause{milliseconds{250}, milliseconds{1'000}, 0.5, 1};
constexpr BackOff k_short_lives_pause{k_longest_pause, k_longest_pause, 0.5, 1};
/// So that not all boxes of a server that has come back ask it in the same moment.
constexpr milliseconds k_return_jitter{300}, k_loss_jitter{100};
constexpr milliseconds k_look{1'000};
/// What comes so soon after a subscription without a last id is out of the server's past.
constexpr milliseconds k_young{5'000};
/// After a subscription that asks for everything: what comes in one frame within this time is the past.
constexpr milliseconds k_history{1'000};
/// A connection that lives so long has answered pings: frames pass, even if none has come.
constexpr milliseconds k_proven{60'000};
constexpr milliseconds k_busy_pause{10'000};  // at least, when the server has sent 1013
constexpr milliseconds k_trial{std::chrono::minutes{10}};
constexpr unsigned k_blocked = 3;  // upgrades in a row before polling
/// Connections that end young after which the box is no longer in a hurry.
constexpr unsigned k_short_lives = 20;
/// Returns of the server without a connection after them; later ones do not count as a return.
constexpr unsigned k_returns = 10;
constexpr int k_session_expired = 4001, k_try_later = 1013;

/// What a connection is for; another one is made when it changes.
struct Target {
    std::string url, channel, identifier, database;
    bool operator==(const Target&) const = default;
};

milliseconds share_of(milliseconds whole, double share) {
    return milliseconds{static_cast<long>(static_cast<double>(whole.count()) * share)};
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 307 || status == 308;
}

}  // namespace

struct BusClient::State : std::enable_shared_from_this<State> {
    enum class Link { none, session, opening, open };

    explicit State(Setup with) : setup(std::move(with)), lane(setup.lanes("bus")) {}

    // The parts call back only what is alive; all of them are made when this object is shared.
    void make_parts() {
        const auto weak = weak_from_this();
        intake = std::make_unique<Intake>(Intake::Setup{
            [weak](std::vector<Notification> notifications, std::function<void()> durable) {
                if (const auto self = weak.lock())
                    self->setup.take(std::move(notifications), std::move(durable));
            },
            setup.timer,
            [weak](bool cut) {
                if (const auto self = weak.lock()) self->emptied(cut);
            },
            [weak] {
                if (const auto self = weak.lock()) self->stuck();
            }});
        look = std::make_unique<ServerLook>(
            ServerLook::Setup{setup.account, setup.timer, setup.lanes, [weak](bool is_there) {
                                  if (const auto self = weak.lock()) self->seen(is_there);
                              }});
        poller = std::make_unique<Poller>(
            Poller::Setup{setup.account, setup.timer, *lane, setup.random, setup.last_id,
                          [weak](std::string list, bool history) {
                              if (const auto self = weak.lock())
                                  self->polled(std::move(list), history);
                          },
                          [weak](const core::Error& why, milliseconds pause) {
                              if (const auto self = weak.lock()) self->poll_failed(why, pause);
                          }});
        account_change = setup.account.on_change([weak] {
            if (const auto self = weak.lock(); self && self->started) self->look_again();
        });
    }

    // ---- what for ----

    void look_again() {
        started = true;
        const auto& account = setup.account.current();
        Target now{account.url, account.paired() ? setup.channel() : "", setup.identifier(),
                   account.db_name};
        if (now == target && status.state != "off") return;
        reset();
        cookie.clear();
        tls_instead = false;
        target = std::move(now);
        if (!account.paired())
            return set("off", "the box is not paired with an Odoo server: pair it first");
        if (target.channel.empty() || target.identifier.empty())
            return set("off",
                       "the Odoo server has not told yet where the box is to listen: the box asks "
                       "it by registering there");
        connect();
    }

    void stop() {
        started = false;
        reset();
        set("off", "the box has stopped listening to the Odoo server");
    }

    void reset() {
        look->stop();
        poller->stop();
        leave();
        retry.reset();
        trial.reset();
        intake->drop();
        failures = short_lives = returns = blocked = 0;
        is_down = is_verifying = awaits_poll = false;
    }

    /// Ends the connection, or the attempt at one.
    void leave() {
        login.reset();
        young.reset();
        present.reset();
        auto old = std::exchange(socket, nullptr);
        link = Link::none;
        subscription_waits = false;
    }

    // ---- connecting ----

    void connect() {
        retry.reset();
        leave();
        if (!poller->is_running()) {
            set("connecting", status.state == "off" ? "" : status.reason);
            look->begin(k_look);
        }
        if (target.database.empty()) return open();
        link = Link::session;
        login = lane->send(session_request(setup.account),
                           [weak = weak_from_this()](core::Result<ServerAnswer> answer) {
                               const auto self = weak.lock();
                               if (!self) return;
                               self->login.reset();
                               if (answer && (answer->status == 200 || answer->status == 302))
                                   if (auto id = session_in(*answer)) self->cookie = std::move(*id);
                               self->open();  // without one, too: the server decides
                           });
    }

    void open() {
        link = Link::opening;
        received = false;
        SocketOptions options;
        const std::string http_url = setup.account.url_of("/websocket");
        auto server = parse_server_url(http_url);
        ServerUrl where = server ? *server : ServerUrl{};
        if (tls_instead) {
            where.tls = true;
            where.port = 443;
        }
        const std::string origin = where.origin();
        options.url = "ws" + origin.substr(4) + where.path;
        options.headers = setup.account.headers_for(http_url);
        options.headers.emplace_back("Origin", origin);
        options.headers.emplace_back("Cookie", session_cookie(cookie));
        options.ca_file = setup.ca_file;
        const auto weak = weak_from_this();
        socket = setup.sockets(std::move(options),
                               {[weak] {
                                    if (const auto self = weak.lock()) self->opened();
                                },
                                [weak](std::string text) {
                                    if (const auto self = weak.lock()) self->text(std::move(text));
                                },
                                [weak](const core::Error& why, int http_status, int close_code) {
                                    if (const auto self = weak.lock())
                                        self->closed(why, http_status, close_code);
                                }});
    }

    void opened() {
        link = Link::open;
        poller->stop();
        look->stop();
        trial.reset();
        is_down = is_verifying = awaits_poll = false;
        is_young = true;
        young = setup.timer(k_young, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->settled();
        });
        ++status.connections;
        core::log_info("odoo", "bus.connected", {{"server", target.url}});
        set("connected", "");
        // What a former connection brought must be durable before the box can say where it is.
        subscription_waits = intake->is_busy();
        if (!subscription_waits) subscribe();
    }

    void settled() {
        is_young = false;
        failures = short_lives = returns = 0;
        young = setup.timer(k_proven, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->received = true;
        });
    }

    /// It comes at once, in one frame. What comes from now on is new, also after a restart.
    void history_is_over() {
        may_be_history = false;
        present.reset();
        setup.listens();
    }

    void subscribe() {
        subscription_waits = false;
        const std::int64_t last = setup.last_id();
        // To who says 0 the server sends what it still has, also from before this box was paired.
        may_be_history = last == 0 && !setup.has_listened();
        if (may_be_history)
            present = setup.timer(k_history, [weak = weak_from_this()] {
                if (const auto self = weak.lock()) self->history_is_over();
            });
        else
            setup.listens();
        socket->send(json::serialize(json::object{
            {"event_name", "subscribe"},
            {"data", json::object{{"channels", json::array{json::string(target.channel)}},
                                  {"last", last},
                                  {"identifier", target.identifier}}}}));
    }

    // ---- what comes ----

    void text(std::string frame) {
        received = true;
        blocked = 0;
        const bool history = may_be_history;
        if (history) history_is_over();
        if (intake->add(std::move(frame), history)) return;
        core::log_warning("odoo", "bus.overflow");
        leave();
        lost({"bus.overflow",
              "the Odoo server sends more than the box can write down at a time: "
              "the box asks again for what is missing"},
             0);
    }

    void emptied(bool cut) {
        failures = 0;
        if (std::exchange(awaits_poll, false)) return poller->next(false, cut);
        if (link != Link::open) return;
        if (subscription_waits) return subscribe();
        if (cut) connect();
    }

    void stuck() {
        core::log_error("odoo", "bus.not_durable");
        const std::string reason =
            "the box could not write down what the Odoo server has sent: look whether its disk is "
            "full or broken";
        if (std::exchange(awaits_poll, false)) {
            set("waiting", reason);
            poller->next(false, false);
        }
        if (link != Link::open) return;
        leave();
        ++failures;
        schedule(reason);
    }

    // ---- the end of a connection or of an attempt ----

    void closed(const core::Error& why, int http_status, int close_code) {
        const bool was_open = link == Link::open;
        leave();
        intake->drop();
        core::log_info("odoo", was_open ? "bus.lost" : "bus.no_connection",
                       {{"code", why.code}, {"error", why.text}});
        if (poller->is_running()) return arm_trial();
        if (was_open) return lost(why, close_code);
        ++failures;
        const bool is_plain = target.url.starts_with("http://");
        if (is_plain && is_redirect(http_status)) tls_instead = !tls_instead;
        if (why.code == "ws.refused" || why.code == "ws.silent" || why.code == "net.closed")
            return verify(why.text);
        is_down = true;
        blocked = 0;
        schedule(why.text);
    }

    void lost(const core::Error& why, int close_code) {
        if (close_code == k_session_expired) cookie.clear();
        if (why.code == "ws.silent" && !received) {
            // Opened, and then nothing: some proxies let the upgrade pass and no frame after it.
            ++failures;
            return verify(why.text);
        }
        blocked = 0;
        milliseconds pause{0};
        if (close_code == k_try_later) {
            pause = share_of(k_busy_pause, 1 + setup.random());
        } else if (is_young && ++short_lives > 1) {
            const BackOff& rule =
                short_lives < k_short_lives ? k_short_life_pause : k_short_lives_pause;
            pause = rule.after(short_lives - 2, setup.random());
        } else {
            pause = share_of(k_loss_jitter, setup.random());
        }
        wait(pause, why.text);
    }

    /// Nothing came through: is it the server that is away, or only its WebSocket?
    void verify(const std::string& reason) {
        is_verifying = true;
        set("waiting", reason);
        look->begin(milliseconds{0});
    }

    void schedule(const std::string& reason) {
        wait(k_pause.after(std::max(failures, 1u) - 1, setup.random()), reason);
    }

    void wait(milliseconds pause, const std::string& reason) {
        retry = setup.timer(pause, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->connect();
        });
        look->begin(k_look);
        set("waiting", reason, pause);
    }

    void seen(bool is_there) {
        if (link == Link::open) return look->stop();
        if (std::exchange(is_verifying, false)) {
            is_down = !is_there;
            blocked = is_there ? blocked + 1 : 0;
            if (blocked >= k_blocked) return begin_polling();
            return schedule(status.reason);
        }
        if (!is_there) {
            is_down = true;
            return;
        }
        if (!std::exchange(is_down, false)) return;
        if (poller->is_running()) return poller->hurry();
        if (++returns > k_returns) return;
        failures = 0;
        leave();
        wait(share_of(k_return_jitter, setup.random()), status.reason);
    }

    // ---- without a WebSocket ----

    void begin_polling() {
        look->stop();
        retry.reset();
        blocked = failures = 0;
        core::log_warning("odoo", "bus.polling", {{"server", target.url}});
        polling_reason =
            "WebSockets do not pass to the Odoo server, so the box asks it each second: " +
            status.reason;
        poller->begin(target.channel, cookie);
        set("polling", polling_reason);
        arm_trial();
    }

    void arm_trial() {
        trial = setup.timer(k_trial, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->connect();
        });
    }

    void polled(std::string list, bool history) {
        history = history && !setup.has_listened();
        setup.listens();
        look->stop();
        is_down = false;
        set("polling", polling_reason);
        awaits_poll = true;
        intake->add(std::move(list), history);
        // Nothing in it, or nothing that makes sense: nobody will tell that it is durable.
        if (!intake->is_busy() && std::exchange(awaits_poll, false)) poller->next(true, false);
    }

    void poll_failed(const core::Error& why, milliseconds pause) {
        core::log_info("odoo", "bus.poll_failed", {{"code", why.code}});
        if (why.code == "bus.session") return;
        if (why.code.starts_with("net.")) {
            is_down = true;
            look->begin(k_look);
        }
        set("waiting", why.text, pause);
    }

    // ---- for others ----

    void set(const std::string& state, const std::string& reason, milliseconds next_try = {}) {
        const bool is_new = state != status.state;
        if (is_new) status.since = setup.now();
        const bool has_changed = is_new || reason != status.reason || next_try != status.next_try;
        status.state = state;
        status.reason = reason;
        status.next_try = next_try;
        if (!has_changed) return;
        listeners.tell("bus");
    }

    Setup setup;
    BusStatus status;
    Listeners listeners;

    std::unique_ptr<Requests> lane;
    std::unique_ptr<Intake> intake;
    std::unique_ptr<ServerLook> look;
    std::unique_ptr<Poller> poller;
    std::unique_ptr<Socket> socket;
    core::Subscription account_change, login, retry, young, trial, present;

    Target target;
    Link link = Link::none;
    std::string cookie, polling_reason;
    bool started = false;
    bool tls_instead = false;  ///< the server sends plain connections to https
    bool is_down = false;      ///< the last that was seen of the server is that it was away
    bool is_verifying = false;
    bool is_young = false;  ///< the connection
    bool received = false;  ///< anything over it, be it pongs
    bool may_be_history = false, subscription_waits = false, awaits_poll = false;
    unsigned failures = 0, short_lives = 0, returns = 0, blocked = 0;
};

BusClient::BusClient(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {
    state_->make_parts();
}

BusClient::~BusClient() {
    state_->listeners = {};
    state_->account_change.reset();
    state_->stop();
}

void BusClient::look_again() {
    state_->look_again();
}
void BusClient::stop() {
    state_->stop();
}

BusStatus BusClient::status() const {
    BusStatus out = state_->status;
    out.notifications = state_->intake->notifications();
    out.odd = state_->intake->odd();
    return out;
}

core::Subscription BusClient::on_change(std::function<void()> changed) {
    return state_->listeners.add(std::move(changed));
}

}  // namespace backplane::sync
