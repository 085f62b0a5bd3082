// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "websocket/poller.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "server/back_off.hpp"
#include "websocket/notification.hpp"
#include "websocket/session_cookie.hpp"

namespace backplane::sync {

namespace json = boost::json;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds k_total{10'000};
constexpr BackOff k_pause{milliseconds{1'000}, milliseconds{30'000}, 0.75, 1};
constexpr std::size_t k_answer_bytes = 16u << 20;
// Questions without an answer worth reading after which the pause grows: about 1 and 10 minutes.
constexpr unsigned k_quiet = 60, k_very_quiet = 330;

}  // namespace

struct Poller::State : std::enable_shared_from_this<State> {
    explicit State(Setup with) : setup(std::move(with)) {}

    void wait(milliseconds pause) {
        asked.reset();
        timer = setup.timer(pause, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->ask();
        });
    }

    void ask() {
        timer.reset();
        if (session.empty() && !setup.account.current().db_name.empty() && !has_logged_in)
            return log_in();
        has_logged_in = false;
        was_at = setup.last_id();
        ServerRequest request;
        request.url = setup.account.url_of("/websocket/peek_notifications");
        request.headers = setup.account.headers_for(request.url);
        request.headers.emplace_back("Cookie", session_cookie(session));
        request.content_type = "application/json";
        request.body = rpc_body(json::object{{"channels", json::array{json::string(channel)}},
                                             {"last", was_at},
                                             {"is_first_poll", is_first}});
        request.answer_bytes = k_answer_bytes;
        request.total = k_total;
        asked = setup.lane.send(std::move(request),
                                [weak = weak_from_this()](core::Result<ServerAnswer> answer) {
                                    if (const auto self = weak.lock())
                                        self->take(std::move(answer));
                                });
    }

    /// Without a session that names the database a server with several of them knows no channel.
    void log_in() {
        asked = setup.lane.send(session_request(setup.account),
                                [weak = weak_from_this()](core::Result<ServerAnswer> answer) {
                                    const auto self = weak.lock();
                                    if (!self) return;
                                    if (answer) self->keep_session(*answer);
                                    self->has_logged_in = true;  // or tried to
                                    self->wait(milliseconds{0});
                                });
    }

    void keep_session(const ServerAnswer& answer) {
        if (auto id = session_in(answer)) session = std::move(*id);
    }

    void take(core::Result<ServerAnswer> answer) {
        asked.reset();
        if (!answer) return fail(answer.error());
        if (answer->status != 200)
            return fail({"bus.status",
                         "the Odoo server answered the question for notifications "
                         "with HTTP " +
                             std::to_string(answer->status) +
                             ": it must be Odoo 16 or newer, and a proxy in front "
                             "of it must pass what is below /websocket"});
        keep_session(*answer);
        const auto list = notifications_in_answer(answer->body);
        if (!list) {
            // Whatever it was, the next question begins a session of its own.
            session.clear();
            is_first = true;
            return fail(list.error());
        }
        failures = 0;
        const bool history = std::exchange(is_first, false) && was_at == 0;
        std::string text(*list);
        setup.answered(std::move(text), history);
    }

    void fail(core::Error why) {
        const milliseconds pause = k_pause.after(failures++, setup.random());
        has_failed = true;
        wait(pause);
        setup.failed(why, pause);
    }

    void next(bool is_empty, bool at_once) {
        has_failed = false;
        quiet = is_empty ? quiet + 1 : 0;
        const double base = quiet < k_quiet ? 1'000 : quiet < k_very_quiet ? 2'000 : 3'000;
        wait(milliseconds{at_once ? 0 : static_cast<long>(base * (0.9 + 0.2 * setup.random()))});
    }

    void stop() {
        timer.reset();
        asked.reset();
        is_running = has_failed = false;
    }

    Setup setup;
    core::Subscription timer, asked;
    std::string channel, session;
    std::int64_t was_at = 0;
    unsigned failures = 0, quiet = 0;
    bool is_running = false, is_first = true, has_logged_in = false, has_failed = false;
};

Poller::Poller(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {}
Poller::~Poller() {
    state_->stop();
}

void Poller::begin(std::string channel, std::string session) {
    state_->stop();
    state_->channel = std::move(channel);
    state_->session = std::move(session);
    state_->failures = state_->quiet = 0;
    state_->is_running = state_->is_first = true;
    state_->has_logged_in = false;
    state_->wait(milliseconds{0});
}

void Poller::next(bool is_empty, bool at_once) {
    if (state_->is_running) state_->next(is_empty, at_once);
}

void Poller::hurry() {
    if (state_->is_running && state_->has_failed && state_->timer) state_->wait(milliseconds{0});
}

void Poller::stop() {
    state_->stop();
}
bool Poller::is_running() const noexcept {
    return state_->is_running;
}

}  // namespace backplane::sync
