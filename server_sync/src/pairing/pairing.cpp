// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "pairing/pairing.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "pairing/connection_token.hpp"
#include "pairing/pairing_answer.hpp"
#include "server/back_off.hpp"
#include "server/later.hpp"
#include "server/listeners.hpp"
#include "server/server_url.hpp"

namespace backplane::sync {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view k_log = "odoo";
constexpr std::string_view k_path = "/odoo-enterprise/iot/connect-box";
constexpr std::string_view k_hotspot_ip = "10.11.12.1";  // of a box that nobody has told the Wi-Fi

constexpr milliseconds k_look_for_network = 5s;
constexpr milliseconds k_code_life = 2h;
constexpr milliseconds k_request = 5s;  // protocol page, 3.1
constexpr std::size_t k_answer_bytes = 64u << 10;
constexpr BackOff k_pause{5s, 5min, 0.75, 1.25};
/// A code that lived for less was no code: the service would otherwise be asked for the next one at once, for ever.
constexpr milliseconds k_short_life = 10min;

constexpr std::string_view k_by_token =
    " You can also pair by token, which needs no internet: in Odoo, open the IoT app, choose "
    "Connect, copy the token and paste it on this box's page.";

/// The pause after poll n (protocol page, 3.1). Two hours have some 330 of them.
milliseconds pause_after_poll(unsigned n) {
    return milliseconds(
        std::llround((14.0 + std::pow(1.01, static_cast<double>(std::min(n, 400u)))) * 1000.0));
}

}  // namespace

struct Pairing::State : std::enable_shared_from_this<Pairing::State> {
    explicit State(Setup with)
        : setup(std::move(with)), later(setup.timer), random(std::random_device{}()) {
        while (setup.proxy.ends_with('/')) setup.proxy.pop_back();
        if (const auto url = parse_server_url(setup.proxy)) proxy_host = url->host;
        status.since = setup.now();
    }

    /// f, unless this object has ended by then.
    template <typename F>
    auto while_alive(const char* what, F f) {
        return guarded(what, [weak = weak_from_this(), f = std::move(f)](auto&&... args) mutable {
            if (const auto self = weak.lock()) f(*self, std::forward<decltype(args)>(args)...);
        });
    }

    void answer(Done done, core::Result<void> with) {
        if (done) later([done = std::move(done), with = std::move(with)] { done(with); });
    }

    /// `shown`: the code that people are to see.
    void enter(std::string_view state, std::string reason, const std::string& shown = {}) {
        if (status.state == state && status.reason == reason && status.code == shown) return;
        if (status.state != state) status.since = setup.now();
        status.state = state;
        status.reason = std::move(reason);
        status.code = shown;
        status.code_until = shown.empty() ? 0 : code_until;
        listeners.tell("pairing");
    }

    void in(milliseconds pause) {
        next = setup.timer(pause, while_alive("pairing", [](State& self) {
                               const auto keep = std::move(self.next);
                               self.look();
                           }));
    }

    milliseconds back_off(unsigned times) {
        return k_pause.after(
            times, setup.random ? setup.random() : std::uniform_real_distribution<>{}(random));
    }

    void forget_code() {
        request.reset();
        next.reset();
        expiry.reset();
        settled.reset();
        code = {};
        has_code = overdue = lived_long = false;
        polls = 0;
    }

    void look();
    void ask();
    void answered(core::Result<ServerAnswer> result);
    void take_code(PairingCode found);
    void expired();
    void failed(std::string_view code, const std::string& what);
    void found_server(ServerAccount account);
    void account_changed();
    void show_code();

    Setup setup;
    std::string proxy_host;
    Later later;
    std::mt19937 random;
    Listeners listeners;
    PairingStatus status;
    std::unique_ptr<Requests> lane;  ///< made when it is needed first
    core::Subscription request, next, expiry, settled, account_listener;
    PairingCode code;
    bool has_code = false;
    bool overdue = false;  ///< the code's time is over, but an answer about it is under way
    bool was_paired = false;
    /// Pairings that are being made durable: whatever a code brings then comes too late.
    unsigned storing = 0;
    unsigned polls = 0;     ///< with the present code
    unsigned failures = 0;  ///< of the service, in a row
    unsigned short_lives = 0;
    bool lived_long = false;  ///< of the present code, see k_short_life
    double code_until = 0;
    std::string last_failure;
};

void Pairing::State::look() {
    next.reset();
    if (setup.account.current().paired()) {
        forget_code();
        was_paired = true;
        return enter("paired", "");
    }
    if (setup.proxy.empty())
        return enter(
            "off",
            "This box has no pairing service (odoo.pairing_proxy is empty in its "
            "configuration), so there are no codes. Pair by token: in Odoo, open the IoT app, "
            "choose Connect, copy the token and paste it on this box's page.");
    const auto box = setup.box();
    if (box.ip.empty() || box.ip == k_hotspot_ip) {
        // The code, if there is one, is still good when the network comes back before its time is over.
        in(k_look_for_network);
        return enter(
            "no_network",
            "This box has no network yet, so nobody can pair it. Plug in a network cable or "
            "connect it to the Wi-Fi; it goes on by itself then.");
    }
    ask();
}

void Pairing::State::ask() {
    if (has_code) {
        show_code();
    } else if (failures == 0) {
        enter("asking", "The box is asking " + proxy_host +
                            " for a pairing code, which takes a few seconds." +
                            std::string(k_by_token));
    }
    boost::json::object params;
    params["pairing_code"] = has_code ? code.sent_code : boost::json::value(false);
    params["pairing_uuid"] = has_code ? code.sent_uuid : boost::json::value(false);
    params["serial_number"] = setup.box().identifier;

    ServerRequest out;
    out.url = setup.proxy + std::string(k_path);
    out.headers = setup.account.headers_for(out.url);
    out.content_type = "application/json";
    out.body = rpc_body(params);
    out.answer_bytes = k_answer_bytes;
    out.total = k_request;
    if (!lane) lane = setup.lanes("pairing");
    request = lane->send(std::move(out), while_alive("pairing", [](State& self, auto result) {
                             const auto keep = std::move(self.request);
                             self.answered(std::move(result));
                         }));
}

void Pairing::State::answered(core::Result<ServerAnswer> result) {
    // By token meanwhile: what the service knows of the code is of no use any more.
    if (storing > 0 || setup.account.current().paired()) return;
    if (!result) return failed(result.error().code, "does not answer: " + result.error().text);

    auto answer = read_pairing_answer(*result);
    if (auto* odd = std::get_if<OddAnswer>(&answer)) return failed("odd", odd->what);
    if (std::holds_alternative<CodeHasExpired>(answer)) {
        if (has_code) return expired();
        // It speaks of a code that this box does not have. As a failure, so that it is not asked at once again.
        return failed("odd", "says that a code has expired, but gave none");
    }
    if (auto* account = std::get_if<ServerAccount>(&answer))
        return found_server(std::move(*account));
    if (auto* found = std::get_if<PairingCode>(&answer)) {
        failures = 0;
        last_failure.clear();
        if (!has_code || found->sent_uuid != code.sent_uuid || found->code != code.code)
            return take_code(std::move(*found));
    } else if (!has_code) {
        return failed("odd", "answered without a code");
    } else {
        failures = 0;
        last_failure.clear();
    }
    if (overdue) return expired();
    show_code();
    in(pause_after_poll(polls++));
}

void Pairing::State::take_code(PairingCode found) {
    const bool changed_its_mind = has_code;
    forget_code();
    code = std::move(found);
    has_code = true;
    code_until = setup.now() + std::chrono::duration<double>(k_code_life).count();
    // Not logged: whoever reads it could pair the box with a database of his own.
    core::log_info(k_log, changed_its_mind ? "pairing.code_replaced" : "pairing.code_received",
                   {{"service", proxy_host}});
    expiry = setup.timer(k_code_life, while_alive("end of a pairing code", [](State& self) {
                             const auto keep = std::move(self.expiry);
                             self.overdue = true;
                             // An answer that is under way may still say that somebody was quick enough.
                             if (!self.request) self.expired();
                         }));
    settled = setup.timer(k_short_life, while_alive("age of a pairing code", [](State& self) {
                              const auto keep = std::move(self.settled);
                              self.lived_long = true;
                              self.short_lives = 0;
                          }));
    if (changed_its_mind) {  // as a code of its own, but not at once: it may do so each time
        show_code();
        return in(pause_after_poll(polls++));
    }
    ask();
}

void Pairing::State::show_code() {
    std::string reason =
        "Nobody has typed the code into Odoo so far: in Odoo, open the IoT app, choose Connect and "
        "type it there.";
    if (failures > 0)
        reason += " At the moment the pairing service " + proxy_host +
                  " cannot be asked whether somebody did; the box tries again by itself, and the "
                  "code stays good.";
    enter("code", std::move(reason), code.code);
}

void Pairing::State::expired() {
    const bool was_short = !lived_long;
    forget_code();
    core::log_info(k_log, "pairing.code_expired", {{"service", proxy_host}});
    in(back_off(short_lives));
    if (was_short) ++short_lives;
    enter(
        "expired",
        "The code was not typed into Odoo in time: it is good for two hours at most. The box asks "
        "for a new one in a moment." +
            std::string(k_by_token));
}

void Pairing::State::failed(std::string_view code_of_failure, const std::string& what) {
    if (last_failure != code_of_failure)  // once each, and not each time
        core::log_warning(k_log, "pairing.service_failed",
                          {{"service", proxy_host}, {"error", code_of_failure}, {"what", what}});
    last_failure = code_of_failure;
    ++failures;
    if (overdue) return expired();
    if (has_code) {
        in(pause_after_poll(polls++));
        return show_code();
    }
    in(back_off(failures - 1));
    enter("no_service", "The pairing service " + proxy_host + ' ' + what +
                            (what.ends_with('.') ? "" : ".") +
                            " The box tries again by itself; check its way to the internet." +
                            std::string(k_by_token));
}

void Pairing::State::found_server(ServerAccount account) {
    const auto url = account.url;
    ++storing;
    setup.account.pair(
        std::move(account),
        while_alive("pairing by code", [url](State& self, const core::Result<void>& result) {
            --self.storing;
            if (result) {
                core::log_info(k_log, "pairing.paired", {{"server", url}, {"by", "code"}});
                return self.look();
            }
            core::log_error(k_log, "pairing.not_stored", {{"server", url}, {"by", "code"}});
            if (!self.setup.account.current().paired())
                self.failed("store", "knows the database, but the box cannot remember it: " +
                                         result.error().text);
        }));
}

void Pairing::State::account_changed() {
    const bool paired = setup.account.current().paired();
    if (paired == was_paired) return;
    was_paired = paired;
    forget_code();
    failures = short_lives = 0;
    last_failure.clear();
    if (!paired) core::log_info(k_log, "pairing.ended");
    look();
}

Pairing::Pairing(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {
    auto& state = *state_;
    state.was_paired = state.setup.account.current().paired();
    state.account_listener = state.setup.account.on_change(
        state.while_alive("pairing", [](State& self) { self.account_changed(); }));
    if (state.was_paired) {
        state.status.state = "paired";
    } else {
        state.status.state = "asking";
        state.status.reason = "The box has just started and asks for a pairing code in a moment.";
    }
    state.in(0ms);
}

Pairing::~Pairing() = default;

void Pairing::pair_with_token(std::string_view token, Done done) {
    auto& state = *state_;
    auto account = parse_connection_token(token);
    if (!account) {
        core::log_warning(k_log, "pairing.token_refused", {{"error", account.error().code}});
        state.status.last_error = account.error().text;
        state.listeners.tell("pairing");
        return state.answer(std::move(done),
                            core::failure(account.error().code, account.error().text));
    }
    const auto url = account->url;
    if (!std::exchange(state.status.last_error, {}).empty()) state.listeners.tell("pairing");
    ++state.storing;
    state.setup.account.pair(
        *std::move(account),
        state.while_alive("pairing by token", [url, done = std::move(done)](
                                                  auto& self, const core::Result<void>& result) {
            --self.storing;
            if (result) {
                core::log_info(k_log, "pairing.paired", {{"server", url}, {"by", "token"}});
                self.look();
            } else {
                core::log_error(k_log, "pairing.not_stored", {{"server", url}, {"by", "token"}});
                self.status.last_error =
                    "The token is right, but the box cannot remember it: " + result.error().text;
                self.listeners.tell("pairing");
                // The answer about a code that came meanwhile was not looked at.
                if (!self.request && !self.next && !self.setup.account.current().paired())
                    self.in(k_pause.first);
            }
            if (done) done(result);
        }));
}

void Pairing::new_code(Done done) {
    auto& state = *state_;
    const auto refuse = [&](std::string code, std::string text) {
        state.answer(std::move(done), core::failure(std::move(code), std::move(text)));
    };
    if (state.setup.account.current().paired())
        return refuse("pairing.paired",
                      "No code is needed: this box is paired with " +
                          state.setup.account.current().url +
                          ". To pair it with another database, disconnect it first.");
    if (state.setup.proxy.empty()) return refuse("pairing.off", state.status.reason);
    if (const auto ip = state.setup.box().ip; ip.empty() || ip == k_hotspot_ip)
        return refuse("pairing.no_network",
                      "The box cannot ask for a pairing code because it has no network: plug in a "
                      "network cable or connect it to the Wi-Fi.");
    // While it is being asked for already, another question would only come later.
    if (state.has_code || !state.request) {
        state.forget_code();
        state.failures = 0;
        state.look();
    }
    state.answer(std::move(done), {});
}

void Pairing::unpair(Done done) {
    auto& state = *state_;
    state.setup.account.unpair(state.while_alive(
        "end of pairing", [done = std::move(done)](auto&, const core::Result<void>& result) {
            if (done) done(result);
        }));
}

PairingStatus Pairing::status() const {
    return state_->status;
}

core::Subscription Pairing::on_change(std::function<void()> changed) {
    return state_->listeners.add(std::move(changed));
}

}  // namespace backplane::sync
