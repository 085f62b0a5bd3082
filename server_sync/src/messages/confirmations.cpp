// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "messages/confirmations.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "server/later.hpp"
#include "server/listeners.hpp"

namespace backplane::sync {

namespace {

constexpr std::chrono::milliseconds k_patience = std::chrono::minutes(15);
constexpr std::size_t k_most = 8;

/// Nobody may guess it: a page that cannot read the box's answers must not be able to consent.
std::string new_id() {
    std::random_device random;
    std::string id;
    for (int i = 0; i < 4; ++i) {
        const auto bits = random();
        for (unsigned shift = 0; shift < 16; shift += 4)
            id += "0123456789abcdef"[(bits >> shift) & 0xfu];
    }
    return id;
}

}  // namespace

struct Confirmations::State : std::enable_shared_from_this<Confirmations::State> {
    struct Waiting {
        ConfirmationRequest request;
        std::function<void(bool)> answered;
        core::Subscription patience;
    };

    State(TimerFactory with_timer, std::function<double()> with_now)
        : timer(std::move(with_timer)), now(std::move(with_now)), later(timer) {}

    void tell_later(std::function<void(bool)> answered, bool allowed) {
        if (answered) later([answered = std::move(answered), allowed] { answered(allowed); });
    }

    /// Takes the request out and answers it.
    void end(const std::string& id, bool allowed, std::string_view why) {
        const auto found = std::find_if(waiting.begin(), waiting.end(),
                                        [&](const auto& one) { return one.request.id == id; });
        if (found == waiting.end()) return;
        auto one = std::move(*found);  // with the timer that this may be called from
        waiting.erase(found);
        core::log_info("odoo", "confirmation.ended", {{"kind", one.request.kind}, {"how", why}});
        tell_later(std::move(one.answered), allowed);
        listeners.tell("confirmations");
    }

    TimerFactory timer;
    std::function<double()> now;
    Later later;
    Listeners listeners;
    std::vector<Waiting> waiting;  ///< in the order in which they were asked
};

Confirmations::Confirmations(TimerFactory timer, std::function<double()> now)
    : state_(std::make_shared<State>(std::move(timer), std::move(now))) {}

Confirmations::~Confirmations() = default;

void Confirmations::ask(std::string kind, std::string text, std::function<void(bool)> answered) {
    const auto state = state_;
    const auto same = std::find_if(state->waiting.begin(), state->waiting.end(),
                                   [&](const auto& one) { return one.request.kind == kind; });
    if (same != state->waiting.end()) {
        state->tell_later(std::move(same->answered), false);
        state->waiting.erase(same);
    }
    if (state->waiting.size() >= k_most) {
        core::log_warning("odoo", "confirmation.too_many", {{"kind", kind}});
        return state->tell_later(std::move(answered), false);
    }
    State::Waiting one;
    one.request.id = new_id();
    one.request.kind = std::move(kind);
    one.request.text = std::move(text);
    one.request.asked = state->now();
    one.request.until = one.request.asked + std::chrono::duration<double>(k_patience).count();
    one.answered = std::move(answered);
    one.patience = state->timer(
        k_patience, guarded("confirmation", [weak = std::weak_ptr(state), id = one.request.id] {
            if (const auto self = weak.lock()) self->end(id, false, "nobody answered");
        }));
    core::log_warning("odoo", "confirmation.asked",
                      {{"kind", one.request.kind}, {"text", one.request.text}});
    state->waiting.push_back(std::move(one));
    state->listeners.tell("confirmations");
}

std::vector<ConfirmationRequest> Confirmations::waiting() const {
    std::vector<ConfirmationRequest> out;
    for (const auto& one : state_->waiting) out.push_back(one.request);
    return out;
}

core::Result<void> Confirmations::answer(const std::string& id, bool allowed) {
    const auto state = state_;
    if (std::none_of(state->waiting.begin(), state->waiting.end(),
                     [&](const auto& one) { return one.request.id == id; }))
        return core::failure("confirmation.unknown",
                             "Nothing waits for this answer any more: it was answered already, its "
                             "15 minutes are over, or a newer request has taken its place. Look at "
                             "the box's page again.");
    state->end(id, allowed, allowed ? "allowed" : "refused");
    return {};
}

core::Subscription Confirmations::on_change(std::function<void()> changed) {
    return state_->listeners.add(std::move(changed));
}

}  // namespace backplane::sync
