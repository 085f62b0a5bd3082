// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "link/link_announcer.hpp"

#include <utility>

#include "browser/guarded.hpp"
#include "link/status_json.hpp"

namespace backplane::sync {

namespace json = boost::json;

struct LinkAnnouncer::State : std::enable_shared_from_this<State> {
    explicit State(std::shared_ptr<LinkControls> c) : controls(std::move(c)) {}

    void changed() {
        if (stopped) return;
        again = true;
        // While a person would notice nothing new, the longer rest goes on; otherwise it is cut short.
        if (resting && (short_rest || !is_notable())) return;
        if (resting) {
            rest(k_rest);
            return;
        }
        tell();
    }

    bool is_notable() const {
        return notable_status_of(status_of(controls->look())) != last_notable;
    }

    void tell() {
        again = false;
        json::object now = status_of(controls->look());
        json::object notable = notable_status_of(now);
        const bool news = now != last;
        rest(k_rest);
        if (!news) return;
        last = now;
        last_notable = std::move(notable);
        core::Event event;
        event.kind = core::Event::Kind::box;
        event.name = "odoo";
        event.data = std::move(now);
        controls->events->publish(std::move(event));
    }

    void rest(std::chrono::milliseconds time) {
        resting = true;
        short_rest = time == k_rest;
        timer = controls->timer(time, guarded("odoo announcer", [weak = weak_from_this()] {
                                    if (const auto self = weak.lock()) self->rested();
                                }));
    }

    void rested() {
        if (stopped) return;
        const bool was_short = short_rest;
        resting = false;
        if (!again) return;
        if (was_short && !is_notable())
            rest(k_counters - k_rest);
        else
            tell();
    }

    std::shared_ptr<LinkControls> controls;  // shared with the announcer, whose state this is
    core::Subscription changes, timer;
    bool resting = false, short_rest = false, again = false, stopped = false;
    json::object last, last_notable;
};

LinkAnnouncer::LinkAnnouncer(std::shared_ptr<LinkControls> controls)
    : controls_(std::move(controls)), state_(std::make_shared<State>(controls_)) {
    state_->changes =
        controls_->on_change(guarded("odoo announcer", [weak = std::weak_ptr(state_)] {
            if (const auto state = weak.lock()) state->changed();
        }));
}

LinkAnnouncer::~LinkAnnouncer() {
    stop();
}

void LinkAnnouncer::stop() {
    state_->stopped = true;
    state_->changes.reset();
    state_->timer.reset();
}

}  // namespace backplane::sync
