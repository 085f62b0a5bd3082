// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "uplink/uplink.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "backplane/core/log.hpp"
#include "browser/dialect.hpp"
#include "browser/guarded.hpp"
#include "browser/json_rpc.hpp"
#include "server/back_off.hpp"
#include "server/listeners.hpp"
#include "uplink/outgoing.hpp"
#include "uplink/passing.hpp"

namespace backplane::sync {

namespace json = boost::json;
using core::Event;
using std::chrono::milliseconds;

namespace {

constexpr std::string_view k_path = "/iot/box/send_websocket";
constexpr milliseconds k_patience{5'000};  // protocol page, 4.4
constexpr std::size_t k_answer_bytes = 64u << 10;
constexpr milliseconds k_look_for_old{1'000};
constexpr BackOff k_again{milliseconds{500}, milliseconds{15'000}, 0.5, 1};

std::string excerpt(const std::string& url) {
    return url.substr(0, 200);
}

/// Nothing when the server has taken it. An error of its own inside of a good answer: taken, and refused.
struct Verdict {
    enum class Is { taken, refused, failed } is = Is::taken;
    std::string reason;
};

Verdict verdict_of(const core::Result<ServerAnswer>& answer, const std::string& server) {
    using Is = Verdict::Is;
    const std::string attempted = "sending an event to " + excerpt(server) + ": ";
    if (!answer) return {Is::failed, attempted + answer.error().text};
    const int status = answer->status;
    const std::string said = "the server answered " + std::to_string(status);
    if (status >= 400 && status < 500 && status != 408 && status != 429)
        return {Is::refused, attempted + said};
    if (status < 200 || status >= 300)
        return {Is::failed, attempted + said + "; it is tried again"};
    const std::size_t begin = answer->body.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return {};
    if (answer->body[begin] == '<')
        return {Is::failed, attempted +
                                "a web page came instead of an answer of Odoo: look whether the "
                                "network asks for a login, or a proxy stands before the server"};
    const auto parsed = parse_json(answer->body);
    const auto* object = parsed ? parsed->if_object() : nullptr;
    if (object == nullptr || !object->contains("error")) return {};
    const auto* error = object->at("error").if_object();
    const auto* message = error != nullptr ? error->if_contains("message") : nullptr;
    const auto* text = message != nullptr ? message->if_string() : nullptr;
    return {Is::refused,
            attempted + "the server answered with an error" +
                (text != nullptr
                     ? ": " + std::string{text->data(), std::min<std::size_t>(text->size(), 200)}
                     : "")};
}

}  // namespace

struct Uplink::State : std::enable_shared_from_this<State> {
    explicit State(Setup setup)
        : with(std::move(setup)),
          lane(with.lanes("uplink")),
          passing(with.limits.passing, with.limits.passing_bytes, with.limits.passing_age),
          durable(std::make_shared<Outgoing>(with.store, with.timer, with.limits.durable,
                                             with.limits.durable_bytes)) {}

    void begin() {
        durable->load();
        with.store.on_forget_server(
            [](core::Database& database) { return database.execute("DELETE FROM outgoing"); },
            [weak = weak_from_this()] {
                if (const auto self = weak.lock()) self->forget();
            });
        account = with.account.on_change([weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->account_changed();
        });
        ring = with.events.subscribe(
            guarded("event to the server", [this](const core::EventPtr& event) { note(event); }));
        url = with.account.current().url;
        set_state(url.empty() ? "off" : "idle");
        pump_soon();
    }

    // ---- what comes ----

    void note(const core::EventPtr& event) {
        if (url.empty() || !is_for_listeners(*event)) return;
        if (matters_later(*event)) return push(body_of(*event));
        passing.push(event);
        if (!aging) age_after(with.limits.passing_age);
        pump_soon();
    }

    /// Also while nothing new comes and the server takes its time.
    void age_after(milliseconds time) {
        aging = with.timer(time, guarded("old events", [weak = weak_from_this()] {
                               const auto self = weak.lock();
                               if (!self) return;
                               const auto keep = std::exchange(self->aging, {});
                               self->drop_old();
                               if (!self->passing.empty()) self->age_after(k_look_for_old);
                           }));
    }

    void drop_old() { passing.drop_until(with.events.seq_older_than(with.limits.passing_age)); }

    bool matters_later(const Event& event) const {
        switch (event.kind) {
            case Event::Kind::action_result:
                return !event.action_session.empty() || !event.action_unique_id.empty();
            case Event::Kind::device_event:
                return !event.transient && reports_by_events(event.device_type) &&
                       !with.owners.owner_of(event).empty();
            case Event::Kind::device_state:
            case Event::Kind::box:
                return false;
        }
        return false;
    }

    std::string body_of(const Event& event) const {
        const std::string box = with.identifier();
        const std::string owner = with.owners.owner_of(event);
        // "0": of no page in particular (protocol page, 4.3).
        json::object params = event_for_listener(
            event, event.device_identifier.empty() ? box : event.device_identifier,
            owner.empty() ? "0" : owner, owner);
        params["iot_box_identifier"] = box;
        return rpc_body(params);
    }

    void push(std::string body) {
        if (const std::size_t gone = durable->push(std::move(body)); gone > 0) {
            dropped_durable += gone;
            core::log_warning("odoo", "uplink.dropped_results",
                              {{"count", std::to_string(dropped_durable)},
                               {"waiting", std::to_string(durable->size())}});
        }
        pump_soon();
    }

    // ---- sending ----

    /// Not inside of whoever publishes an event.
    void pump_soon() {
        if (soon || again || in_flight || reading || url.empty()) return;
        soon = with.timer(milliseconds{0}, guarded("uplink", [weak = weak_from_this()] {
                              const auto self = weak.lock();
                              if (!self) return;
                              const auto keep = std::exchange(self->soon, {});
                              self->pump();
                          }));
    }

    void pump() {
        if (in_flight || again || reading || url.empty()) return;
        drop_old();
        while (!durable->empty()) {
            reading = true;
            const auto body = durable->body([weak = weak_from_this()] {
                const auto self = weak.lock();
                if (!self) return;
                self->reading = false;
                self->pump();
            });
            if (!body) return;
            reading = false;
            number = durable->first();
            if (!(*body)->empty()) return send(**body);
            ++dropped_durable;  // the disk has lost it
            durable->remove(number);
        }
        number = 0;
        if (passing.empty()) return set_state(failures == 0 ? "idle" : "failing");
        current = passing.pop();
        send(body_of(*current));
    }

    void send(std::string body) {
        if (failures == 0) set_state("sending");
        ServerRequest post;
        post.url = with.account.url_of(k_path);
        post.headers = with.account.headers_for(post.url);
        post.content_type = "application/json";
        post.body = std::move(body);
        post.total = k_patience;
        post.answer_bytes = k_answer_bytes;
        in_flight = true;
        request = lane->send(std::move(post),
                             guarded("answer to an event", [weak = weak_from_this(), at = epoch](
                                                               core::Result<ServerAnswer> answer) {
                                 if (const auto self = weak.lock(); self && self->epoch == at)
                                     self->answered(answer);
                             }));
    }

    void answered(const core::Result<ServerAnswer>& answer) {
        in_flight = false;
        const auto keep = std::exchange(request, {});
        const Verdict verdict = verdict_of(answer, url);
        if (verdict.is == Verdict::Is::failed) return failed(verdict.reason);
        if (verdict.is == Verdict::Is::refused) {
            ++refused;
            core::log_warning("odoo", "uplink.refused", {{"reason", verdict.reason}});
        } else {
            ++sent;
        }
        if (number != 0) durable->remove(number);
        current.reset();
        failures = 0;
        reason.clear();
        pump();
    }

    void failed(const std::string& why) {
        // It may have lost its sense by the next try; what comes then is newer anyway.
        if (current) passing.count_dropped(*std::exchange(current, nullptr));
        const auto wait = k_again.after(failures, with.random());
        if (++failures == 1) core::log_info("odoo", "uplink.failing", {{"reason", why}});
        again = with.timer(wait, guarded("uplink again", [weak = weak_from_this()] {
                               const auto self = weak.lock();
                               if (!self) return;
                               const auto keep = std::exchange(self->again, {});
                               self->pump();
                           }));
        set_state("failing", why);
    }

    void try_now() {
        if (!again) return;
        again.reset();
        pump_soon();
    }

    // ---- the server goes, comes, changes ----

    void stop_sending() {
        ++epoch;
        request.reset();
        again.reset();
        soon.reset();
        aging.reset();
        current.reset();
        in_flight = reading = false;
        failures = 0;
        number = 0;
    }

    void forget() {
        stop_sending();
        durable->forget();
        passing.clear();
    }

    void account_changed() {
        const std::string& now = with.account.current().url;
        if (now == url) return;
        stop_sending();
        url = now;
        if (url.empty()) {
            passing.clear();
            return set_state("off");
        }
        set_state("idle");
        pump_soon();
    }

    void set_state(std::string_view now, std::string_view why = {}) {
        if (why.empty() && now == "failing") why = reason;
        if (state == now && reason == why) return;
        const auto is_fine = [](std::string_view one) { return one == "sending" || one == "idle"; };
        const bool told = !is_fine(state) || !is_fine(now);
        reason = why;
        state = now;
        if (told) changed.tell("uplink");
    }

    UplinkStatus status() const {
        UplinkStatus out;
        out.state = state;
        out.reason = reason;
        out.waiting = durable->size();
        out.waiting_bytes = durable->bytes();
        out.passing = passing.size();
        out.passing_bytes = passing.bytes();
        out.sent = sent;
        out.refused = refused;
        out.dropped_durable = dropped_durable;
        out.dropped = passing.dropped();
        return out;
    }

    Setup with;
    std::unique_ptr<Requests> lane;
    Passing passing;
    std::shared_ptr<Outgoing> durable;
    std::string url;
    std::string state, reason;
    std::uint64_t sent = 0, refused = 0, dropped_durable = 0;
    unsigned failures = 0;
    bool in_flight = false;
    bool reading = false;     // the first durable one, from the disk
    std::int64_t number = 0;  // of the durable one in flight, 0: it is `current`
    core::EventPtr current;
    std::uint64_t epoch = 0;
    Listeners changed;
    core::Subscription account, ring, request, again, soon, aging;
};

Uplink::Uplink(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {
    state_->begin();
}

Uplink::~Uplink() {
    state_->ring.reset();
    state_->account.reset();
    state_->stop_sending();
}

void Uplink::send(json::object reply) {
    if (state_->url.empty()) return;
    reply["iot_box_identifier"] = state_->with.identifier();
    state_->push(rpc_body(reply));
}

void Uplink::try_now() {
    state_->try_now();
}

UplinkStatus Uplink::status() const {
    return state_->status();
}

core::Subscription Uplink::on_change(std::function<void()> changed) {
    return state_->changed.add(std::move(changed));
}

}  // namespace backplane::sync
