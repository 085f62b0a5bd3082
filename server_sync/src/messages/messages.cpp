// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "messages/messages.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "browser/json_rpc.hpp"
#include "messages/server_move.hpp"
#include "pairing/connection_token.hpp"
#include "server/later.hpp"
#include "server/server_url.hpp"

namespace backplane::sync {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view k_log = "odoo";
constexpr std::chrono::milliseconds k_restart_after =
    2s;  // protocol page, 4.3: the reply goes out before
constexpr std::chrono::milliseconds k_bundles_pause = 1min;
constexpr std::chrono::milliseconds k_measurement = 10s;
constexpr std::size_t k_measurement_askers = 16;
constexpr std::size_t k_remembered_types = 64;
constexpr std::size_t k_text_bytes = 2048;

/// Who wants to know.
struct Asker {
    bool by_http = false;
    json::value session;
    json::value device;  ///< what the reply calls device_identifier
    std::function<void(json::object)> answer;
};

/// Present, and not one of the values that mean "no" in the server's language.
bool is_true(const json::object& data, std::string_view name) {
    const auto* value = data.if_contains(name);
    if (value == nullptr || value->is_null()) return false;
    if (const auto* yes = value->if_bool()) return *yes;
    if (const auto* text = value->if_string()) return !text->empty();
    if (const auto* number = value->if_int64()) return *number != 0;
    return true;
}

/// How helpers see the box: "shop-example-com-10000000abcdef01".
std::string help_name(const std::string& server, const std::string& identifier) {
    const auto url = parse_server_url(server);
    std::string name = (url ? url->host : std::string("odoo")) + '-' + identifier;
    for (char& c : name) {
        const bool fine =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!fine) c = '-';
    }
    return name.substr(0, 63);
}

}  // namespace

struct Messages::State : std::enable_shared_from_this<Messages::State> {
    explicit State(Setup with)
        : setup(std::move(with)),
          later(setup.timer),
          help(setup.remote_help, setup.run_program, setup.timer) {}

    template <typename F>
    auto while_alive(const char* what, F f) {
        return guarded(what, [weak = weak_from_this(), f = std::move(f)](auto&&... args) mutable {
            if (const auto self = weak.lock()) f(*self, std::forward<decltype(args)>(args)...);
        });
    }

    json::object reply_to(const Asker& asker, std::string_view status) const {
        json::object reply;
        reply["session_id"] = asker.session;
        reply["iot_box_identifier"] = setup.box().identifier;
        reply["device_identifier"] = asker.device;
        reply["status"] = status;
        if (asker.by_http) {
            reply["owner"] = asker.session;
            reply["time"] =
                std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
                    .count();
        }
        return reply;
    }
    void succeed(const Asker& asker, json::value result = nullptr) const {
        auto reply = reply_to(asker, "success");
        if (!result.is_null()) reply["result"] = std::move(result);
        asker.answer(std::move(reply));
    }
    void fail(const Asker& asker, std::string_view text) const {
        auto reply = reply_to(asker, "error");
        reply["result"] = text;
        reply["message"] = text;
        asker.answer(std::move(reply));
    }
    std::string who(const Asker& asker) const {
        return asker.by_http ? std::string("A browser in your network")
                             : "Your Odoo at " + setup.account.current().url;
    }

    bool carry_out(std::string_view type, const Asker& asker, const json::object& data);
    void clear_server(const Asker& asker);
    void update_server(const Asker& asker, const json::object& data);
    void move_to(const std::string& url, const Asker* asker);
    void restart(const Asker& asker);
    void test_connection(const Asker& asker);
    void measured(std::uint64_t number, const std::string& lan, const std::string& wan);
    void remote_debug(const Asker& asker, const json::object& data);
    void turn_help(const Asker& asker, const std::string& token);
    void tell_help(const Asker& asker, std::string_view status, std::string text);
    void bundle_changed();
    void ignore(std::string_view type);

    Setup setup;
    Later later;
    RemoteHelpSwitch help;
    core::Subscription restart_timer, bundles_timer, measurement_timer;
    bool bundles_again = false;
    std::vector<Asker> measurement_askers;
    std::uint64_t measurement = 0;
    std::set<std::string, std::less<>> ignored;  ///< types, each of which is logged once
};

/// False: there is no such type.
bool Messages::State::carry_out(std::string_view type, const Asker& asker,
                                const json::object& data) {
    if (type == "server_clear") {
        clear_server(asker);
    } else if (type == "server_update") {
        update_server(asker, data);
    } else if (type == "restart_odoo") {
        restart(asker);
    } else if (type == "test_connection") {
        test_connection(asker);
    } else if (type == "test_protocol") {
        succeed(asker);
    } else if (type == "remote_debug") {
        remote_debug(asker, data);
    } else if (type == "reset_password") {
        fail(asker,
             "This box has no password of its own that could be changed: it is a program on a "
             "computer. Log in to that computer with the account of its owner; the logs can be "
             "downloaded from the box's page.");
    } else if (type == "toggle_custom_handlers") {
        fail(
            asker,
            "This box has no custom handlers to switch on or off: its drivers are signed plug-ins, "
            "each of which can be installed, pinned and rolled back on the updates page of the "
            "box.");
    } else {
        return false;
    }
    return true;
}

void Messages::State::clear_server(const Asker& asker) {
    const auto unpair = [](State& self, const Asker& who_asked) {
        core::log_warning(k_log, "server.clear", {{"by", who_asked.by_http ? "http" : "server"}});
        self.setup.pairing.unpair(self.while_alive(
            "end of pairing", [who_asked](State& same, const core::Result<void>& done) {
                if (done) return same.succeed(who_asked);
                core::log_error(k_log, "server.clear_failed", {{"error", done.error().code}});
                same.fail(who_asked, "The box could not forget its database: " + done.error().text);
            }));
    };
    // Nobody is told of the end: to the server the box belongs no more, and a browser was answered when it asked.
    Asker silent = asker;
    silent.answer = [](json::object&&) {};
    if (!asker.by_http) return unpair(*this, silent);
    setup.confirmations.ask(
        "server_clear",
        who(asker) +
            " asks this box to forget its Odoo database. Printing from Odoo ends then "
            "until the box is paired again.",
        while_alive("consent to the end of pairing", [silent, unpair](State& self, bool allowed) {
            if (allowed) unpair(self, silent);
        }));
    fail(asker,
         "Somebody at the box has to allow this first: open the box's page and answer the "
         "question there within 15 minutes.");
}

void Messages::State::update_server(const Asker& asker, const json::object& data) {
    const std::string from = setup.account.current().url;
    if (from.empty()) return fail(asker, "This box is not paired with a database.");
    const auto text = text_param(data, "server_url", k_text_bytes);
    const auto to =
        text ? parse_server_address(*text) : core::failure(text.error().code, text.error().text);
    if (!to) {
        core::log_warning(k_log, "server.update_refused", {{"error", to.error().code}});
        return fail(asker, "The new address of Odoo is none that the box could use; it keeps " +
                               from + '.');
    }
    const Move judged = judge_move(from, *to);
    if (judged == Move::none) return succeed(asker);
    if (judged == Move::allowed && !asker.by_http) return move_to(*to, &asker);

    std::string question =
        who(asker) + " asks this box to belong to " + *to + " from now on, and no longer to " +
        from +
        ". Whoever runs that address then receives what the box scans and weighs, "
        "and can print and open the cash drawer.";
    if (from.starts_with("https:") && !to->starts_with("https:"))
        question += " The new address is not encrypted (http).";
    question += " Allow it only if your Odoo has really moved there.";
    setup.confirmations.ask(
        "server_update", std::move(question),
        while_alive("consent to a new server", [from, url = *to](State& self, bool allowed) {
            if (!allowed) return;
            // The box may have been paired with somebody else while the question waited.
            if (self.setup.account.current().url == from) self.move_to(url, nullptr);
        }));
    fail(asker,
         "Somebody at the box has to allow this first: open the box's page and answer the "
         "question there within 15 minutes.");
}

void Messages::State::move_to(const std::string& url, const Asker* asker) {
    std::optional<Asker> waiting;
    if (asker != nullptr) waiting = *asker;
    setup.account.move_to(
        url, while_alive("new server", [url, waiting](State& self, const core::Result<void>& done) {
            if (done)
                core::log_warning(k_log, "server.moved", {{"to", url}});
            else
                core::log_error(k_log, "server.move_failed",
                                {{"to", url}, {"error", done.error().code}});
            if (!waiting) return;
            if (done)
                self.succeed(*waiting);
            else
                self.fail(*waiting, "The new address could not be stored: " + done.error().text);
        }));
}

void Messages::State::restart(const Asker& asker) {
    core::log_warning(k_log, "box.restart_requested", {{"by", asker.by_http ? "http" : "server"}});
    succeed(asker);
    if (restart_timer) return;  // asked for already
    restart_timer = setup.timer(k_restart_after, while_alive("restart", [](State& self) {
                                    const auto keep = std::move(self.restart_timer);
                                    if (self.setup.restart) self.setup.restart();
                                }));
}

void Messages::State::test_connection(const Asker& asker) {
    if (!setup.measure_network || measurement_askers.size() >= k_measurement_askers)
        return fail(asker, "The network cannot be measured at the moment: try again in a minute.");
    measurement_askers.push_back(asker);
    if (measurement_askers.size() > 1) return;  // one measurement is good for all who wait
    const auto number = ++measurement;
    measurement_timer = setup.timer(
        k_measurement, while_alive("slow measurement", [number](State& self) {
            const auto keep = std::move(self.measurement_timer);
            if (number != self.measurement) return;
            ++self.measurement;
            for (const auto& one : std::exchange(self.measurement_askers, {}))
                self.fail(one, "The measurement of the network did not end in time: try again.");
        }));
    setup.measure_network(while_alive(
        "measurement", [number](State& self, const std::string& lan, const std::string& wan) {
            self.measured(number, lan, wan);
        }));
}

void Messages::State::measured(std::uint64_t number, const std::string& lan,
                               const std::string& wan) {
    if (number != measurement) return;
    ++measurement;  // what it tells a second time is of no interest
    measurement_timer.reset();
    for (const auto& asker : std::exchange(measurement_askers, {}))
        succeed(asker, json::object{{"lan_quality", lan}, {"wan_quality", wan}});
}

void Messages::State::remote_debug(const Asker& asker, const json::object& data) {
    if (is_true(data, "status")) return tell_help(asker, "success", {});

    std::string token;  // empty: close the tunnel
    if (is_true(data, "token")) {
        const auto* text = data.at("token").if_string();
        token = text != nullptr ? std::string(*text) : std::string(1, '\0');  // refused as no word
    }
    if (const auto fits = help.check(token); !fits) {
        core::log_warning(k_log, "remote_help.refused", {{"error", fits.error().code}});
        return tell_help(asker, "error", fits.error().text);
    }
    setup.confirmations.ask(
        "remote_debug",
        who(asker) + (token.empty()
                          ? " asks to end remote help: nobody outside could look into this box any "
                            "more."
                          : " asks for remote help: somebody outside could look into this box and "
                            "operate it until remote help is ended. Allow it only if you have just "
                            "asked somebody for help."),
        while_alive("consent to remote help", [asker, token, paired = setup.account.current().url](
                                                  State& self, bool allowed) {
            // It must be the same database that asked.
            if (allowed && self.setup.account.current().url == paired)
                return self.turn_help(asker, token);
            if (!asker.by_http)
                self.tell_help(asker, "error", "Remote help was not allowed at the box.");
        }));
    tell_help(asker, "error",
              "Somebody at the box has to allow this first: open the box's page and answer the "
              "question there within 15 minutes.");
}

void Messages::State::turn_help(const Asker& asker, const std::string& token) {
    help.turn(token, help_name(setup.account.current().url, setup.box().identifier),
              while_alive("remote help", [asker](State& self, const core::Result<void>& done) {
                  if (asker.by_http) return;  // it has had its answer long ago
                  self.tell_help(asker, done ? "success" : "error",
                                 done ? std::string() : done.error().text);
              }));
}

void Messages::State::tell_help(const Asker& asker, std::string_view status, std::string text) {
    help.look(while_alive("remote help", [asker, status = std::string(status),
                                          text = std::move(text)](State& self, bool enabled) {
        auto reply = self.reply_to(asker, status);
        reply["result"] = json::object{{"enabled", enabled}};
        if (!text.empty()) reply["message"] = text;
        asker.answer(std::move(reply));
    }));
}

void Messages::State::bundle_changed() {
    if (bundles_timer) {
        bundles_again = true;  // once more when the minute is over, so that the last change is seen
        return;
    }
    bundles_timer = setup.timer(k_bundles_pause, while_alive("bundles", [](State& self) {
                                    const auto keep = std::move(self.bundles_timer);
                                    if (std::exchange(self.bundles_again, false))
                                        self.bundle_changed();
                                }));
    core::log_info(k_log, "bundles.announced");
    if (setup.check_for_bundles) setup.check_for_bundles();
}

void Messages::State::ignore(std::string_view type) {
    const std::string name = foreign_text(type);
    if (ignored.size() >= k_remembered_types || !ignored.insert(name).second) return;
    if (name == "webrtc_offer")
        core::log_info(k_log, "message.no_webrtc",
                       {{"why", "browsers reach this box over HTTP, or by way of the server"}});
    else
        core::log_info(k_log, "message.ignored", {{"type", name}});
}

Messages::Messages(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {}

Messages::~Messages() = default;

void Messages::handle(const Notification& notification) {
    const auto state = state_;
    const auto box = state->setup.box();
    if (!is_for_box(notification, box.identifier)) return;
    const std::string_view type = notification.type;
    if (type == "iot_action") return;  // the inbox has taken it
    if (type == "bundle_changed") return state->bundle_changed();

    const auto* data = notification.payload.if_object();
    if (data == nullptr) return state->ignore(type);
    // The server repeats its past to a box that has lost its place. Orders from then were carried out, or their time is
    // over: a box that has just been paired again must not be unpaired by the order that ended its former pairing.
    if (notification.history &&
        (type == "server_clear" || type == "restart_odoo" || type == "remote_debug")) {
        core::log_info(k_log, "message.too_old", {{"type", type}});
        return;
    }
    Asker asker;
    const auto session = optional_text_param(*data, "session_id", 256);
    asker.session = session && !session->empty() ? *session : std::string("0");
    asker.device = box.identifier;
    asker.answer = [weak = std::weak_ptr(state)](json::object reply) {
        if (const auto self = weak.lock(); self && self->setup.reply)
            self->setup.reply(std::move(reply));
    };
    // Protocol page, 4.3: this reply is for the form of the box, which is no session.
    if (type == "remote_debug") {
        asker.session = 0;
        asker.device = nullptr;
    }
    // The form that sends a new address wants no answer; it sees the box at its new place.
    if (type == "server_update") asker.answer = [](json::object&&) {};
    if (!state->carry_out(type, asker, *data)) state->ignore(type);
}

void Messages::ask(std::string_view type, const json::object& data, std::string session,
                   Done done) {
    const auto state = state_;
    Asker asker;
    asker.by_http = true;
    asker.session = std::move(session);
    asker.device = state->setup.box().identifier;
    asker.answer = [weak = std::weak_ptr(state), done = std::move(done)](json::object reply) {
        const auto self = weak.lock();
        if (self && done) self->later([done, reply = std::move(reply)] { done(reply); });
    };
    if (type.empty()) type = "test_protocol";
    if (state->carry_out(type, asker, data)) return;
    state->ignore(type);
    state->fail(asker, "This box does not know the action \"" + foreign_text(type) +
                           "\" for itself: perhaps it needs an update.");
}

}  // namespace backplane::sync
