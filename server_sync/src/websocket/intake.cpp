// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "websocket/intake.hpp"

#include <deque>

#include "backplane/core/log.hpp"

namespace backplane::sync {

struct Intake::State : std::enable_shared_from_this<State> {
    struct Frame {
        std::string text;
        bool history;
    };

    explicit State(Setup with) : setup(std::move(with)) {}

    void pump() {
        while (taken == 0 && !frames.empty()) {
            const Frame frame = std::move(frames.front());
            frames.pop_front();
            bytes -= frame.text.size();
            auto parsed = parse_notifications(frame.text);
            if (!parsed) {
                ++odd;
                core::log_warning("odoo", "bus.odd_frame", {{"error", parsed.error().code}});
                continue;
            }
            if (parsed->odd > 0)
                core::log_warning("odoo", "bus.odd_entries",
                                  {{"count", std::to_string(parsed->odd)}});
            odd += parsed->odd;
            if (parsed->notifications.empty()) continue;
            hand_over(std::move(*parsed), frame.history);
        }
    }

    void hand_over(ParsedFrame parsed, bool history) {
        notifications += parsed.notifications.size();
        for (auto& one : parsed.notifications) one.history = history;
        const auto mine = taken = ++handed_over;
        const auto weak = weak_from_this();
        patience = setup.timer(k_patience, [weak] {
            if (const auto self = weak.lock()) self->give_up();
        });
        setup.take(std::move(parsed.notifications), [weak, mine, cut = parsed.cut] {
            if (const auto self = weak.lock()) self->is_durable(mine, cut);
        });
    }

    void is_durable(std::uint64_t which, bool cut) {
        if (taken != which) return;  // given up meanwhile; the server has sent it again
        taken = 0;
        patience.reset();
        if (cut) drop();
        pump();
        if (taken == 0) setup.emptied(cut);
    }

    void give_up() {
        taken = 0;
        drop();
        setup.stuck();
    }

    void drop() {
        frames.clear();
        bytes = 0;
    }

    Setup setup;
    std::deque<Frame> frames;
    std::size_t bytes = 0;
    std::uint64_t handed_over = 0;
    std::uint64_t taken = 0;  ///< number of what is under way; 0: nothing
    std::uint64_t notifications = 0, odd = 0;
    core::Subscription patience;
};

Intake::Intake(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {}
Intake::~Intake() = default;

bool Intake::add(std::string frame, bool history) {
    const auto state = state_;
    if (state->frames.size() >= k_frames || state->bytes + frame.size() > k_bytes) {
        state->drop();
        return false;
    }
    state->bytes += frame.size();
    state->frames.push_back({std::move(frame), history});
    state->pump();
    return true;
}

void Intake::drop() {
    state_->drop();
}
bool Intake::is_busy() const noexcept {
    return state_->taken != 0;
}
std::uint64_t Intake::notifications() const noexcept {
    return state_->notifications;
}
std::uint64_t Intake::odd() const noexcept {
    return state_->odd;
}

}  // namespace backplane::sync
