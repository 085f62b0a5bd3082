// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/registration.hpp"

#include <optional>
#include <utility>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "server/back_off.hpp"
#include "server/listeners.hpp"
#include "server/registration_body.hpp"
#include "store/sync_store.hpp"

namespace backplane::sync {

using namespace std::chrono_literals;

namespace {

constexpr const char* k_channel = "server.channel";

// A hub brings its devices one after the other: they go in one request, which is sent within 200 ms.
constexpr std::chrono::milliseconds k_coalesce = 150ms;
constexpr BackOff k_pause{500ms, 30s, 0.8, 1.2};
constexpr std::size_t k_answer_bytes = 64 * 1024;
constexpr unsigned k_redirects = 3;

/// What a try was about: it is not the same box when one of these differs.
struct Attempt {
    std::string url;
    std::string body;
    std::string address;  ///< by which the box is called
    bool operator==(const Attempt&) const = default;
};

}  // namespace

struct Registration::State : std::enable_shared_from_this<Registration::State> {
    explicit State(Setup with)
        : setup(std::move(with)),
          lane(setup.lanes("bp-register")),
          account(setup.account.current()) {
        status.state = setup.account.current().paired() ? "waiting" : "not_paired";
    }

    void begin() {
        if (std::exchange(begun, true)) return;
        follow_account = setup.account.on_change([weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->account_changed();
        });
        follow_devices =
            setup.events.subscribe([weak = weak_from_this()](const core::EventPtr& event) {
                const auto self = weak.lock();
                if (self && event->kind == core::Event::Kind::device_state) self->device_changed();
            });
        account = setup.account.current();
        status.state = account.paired() ? "waiting" : "not_paired";
        if (account.paired()) send_in(0ms);
    }

    void account_changed() {
        const ServerAccount& now = setup.account.current();
        if (now.url == account.url && now.token == account.token && now.db_name == account.db_name)
            return;
        account = now;
        start_anew();
    }

    /// With another server, or for the first time: what was known of the old one does not count.
    void start_anew() {
        timer.reset();
        request.reset();
        sending.reset();
        taken.reset();
        status.failures = 0;
        status.reason.clear();
        status.registered_at = 0;
        if (!account.paired()) return set_state("not_paired");
        set_state("waiting");
        send_in(0ms);
    }

    void device_changed() {
        // While it fails, the next try takes along whatever has changed by then.
        if (!account.paired() || sending || timer) return;
        send_in(k_coalesce);
    }

    void look_again() {
        if (!begun || !account.paired() || sending) return;
        const bool failing = status.failures > 0;
        // With another address the network is another one, too: no need to wait for the old pause.
        if (failing && tried && attempt().address == tried->address) return;
        if (failing || !timer) send_in(k_coalesce);
    }

    void send_in(std::chrono::milliseconds pause) {
        timer = setup.timer(pause, [weak = weak_from_this()] {
            const auto self = weak.lock();
            if (!self) return;
            self->timer.reset();
            self->send();
        });
    }

    Attempt attempt() const {
        const BoxInfo box = setup.box();
        const boost::json::object params =
            registration_params(box, account.token, setup.devices.list());
        return {setup.account.url_of("/iot/setup"), rpc_body(params),
                box.domain.empty() ? box.ip : box.domain};
    }

    void send() {
        if (!account.paired() || sending) return;
        Attempt now = attempt();
        if (now == taken) return;  // it has changed back
        ServerRequest out;
        out.url = now.url;
        out.headers = setup.account.headers_for(out.url);
        out.content_type = "application/json";
        out.body = now.body;
        out.answer_bytes = k_answer_bytes;
        out.redirects = k_redirects;
        tried = now;
        sending = std::move(now);
        request = lane->send(std::move(out),
                             [weak = weak_from_this()](core::Result<ServerAnswer> answer) {
                                 if (const auto self = weak.lock())
                                     self->answered(std::move(answer));
                             });
        set_state(status.failures > 0 ? "failing" : "sending");
    }

    void answered(core::Result<ServerAnswer> answer) {
        const Attempt was = *std::exchange(sending, std::nullopt);
        auto channel = answer ? registration_answer(account.url, *answer)
                              : core::Result<std::string>(core::Unexpected(answer.error()));
        if (!channel) return failed(channel.error());
        taken = was;
        const bool again = status.failures > 0;
        status.failures = 0;
        status.reason.clear();
        status.registered_at = setup.events.now();
        if (!channel->empty() && *channel != setup.store.value(k_channel))
            setup.store.set({{k_channel, *std::move(channel)}});
        if (again || status.state != "registered")
            core::log_info("odoo", "registration.taken", {{"server", account.url}});
        // What has changed while it was on its way.
        if (attempt() != was) send_in(k_coalesce);
        set_state("registered");
    }

    void failed(const core::Error& error) {
        ++status.failures;
        // Once for each reason: a server that is away for a week must not fill the log.
        if (error.text != status.reason)
            core::log_warning("odoo", "registration.failed",
                              {{"server", account.url},
                               {"code", error.code},
                               {"reason", error.text},
                               {"failures", std::to_string(status.failures)}});
        status.reason = error.text;
        // Perhaps only its answer was lost: nobody knows what the server has now.
        taken.reset();
        send_in(k_pause.after(status.failures - 1, setup.random ? setup.random() : 0.5));
        set_state("failing");
    }

    /// The last thing that is done: a listener may destroy all of this.
    void set_state(const char* state) {
        const auto self = shared_from_this();
        status.state = state;
        changed.tell("registration");
    }

    Setup setup;
    std::unique_ptr<Requests> lane;
    ServerAccount account;  ///< that the status is about
    RegistrationStatus status;
    Listeners changed;
    bool begun = false;
    std::optional<Attempt> taken;    ///< by the server, last
    std::optional<Attempt> sending;  ///< on its way
    std::optional<Attempt> tried;    ///< last, whatever came of it
    core::Subscription follow_account, follow_devices, timer, request;
};

Registration::Registration(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {}

Registration::~Registration() {
    // A listener of ours may be on the stack and hold the state for a moment longer.
    state_->timer.reset();
    state_->request.reset();
    state_->follow_account.reset();
    state_->follow_devices.reset();
    state_->lane.reset();
}

void Registration::begin() {
    state_->begin();
}

void Registration::look_again() {
    state_->look_again();
}

RegistrationStatus Registration::status() const {
    RegistrationStatus status = state_->status;
    status.channel = channel();
    return status;
}

const std::string& Registration::channel() const noexcept {
    return state_->setup.store.value(k_channel);
}

core::Subscription Registration::on_change(std::function<void()> changed) {
    return state_->changed.add(std::move(changed));
}

}  // namespace backplane::sync
