// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "websocket/server_look.hpp"

namespace backplane::sync {

namespace {

constexpr std::chrono::milliseconds k_period{1'000}, k_calm{5'000}, k_total{2'000};
constexpr std::size_t k_answer_bytes = 64u << 10;

/// A page for people or "not found" comes from a server, too; 502 and the like from who stands in
/// front of one that is away.
bool is_answer(const core::Result<ServerAnswer>& answer) {
    return answer && answer->status < 500 && answer->status != 429;
}

}  // namespace

struct ServerLook::State : std::enable_shared_from_this<State> {
    explicit State(Setup with) : setup(std::move(with)), lane(setup.lanes("bus-look")) {}

    void wait(std::chrono::milliseconds time) {
        is_calm = false;
        timer = setup.timer(time, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->look();
        });
    }

    void look() {
        timer.reset();
        ServerRequest request;
        request.method = "GET";
        request.url = setup.account.url_of("/websocket/health");
        request.headers = setup.account.headers_for(request.url);
        request.answer_bytes = k_answer_bytes;
        request.total = k_total;
        asked = lane->send(std::move(request),
                           [weak = weak_from_this()](core::Result<ServerAnswer> answer) {
                               if (const auto self = weak.lock()) self->looked(is_answer(answer));
                           });
        // The period is from look to look; one that takes longer is followed at once.
        is_early = true;
        pace = setup.timer(k_period, [weak = weak_from_this()] {
            const auto self = weak.lock();
            if (!self) return;
            self->is_early = false;
            self->look_if_due();
        });
    }

    void looked(bool is_there) {
        asked.reset();
        if (is_there) {
            wait(k_calm);
            is_calm = true;
        } else {
            is_due = true;
            if (!is_early) look_if_due();
        }
        setup.seen(is_there);
    }

    void look_if_due() {
        if (!std::exchange(is_due, false)) return;
        // Never from inside the callback of a request: the lane is not done with it.
        wait(std::chrono::milliseconds{0});
    }

    void stop() {
        is_calm = false;
        timer.reset();
        asked.reset();
        pace.reset();
        is_due = is_early = false;
    }

    Setup setup;
    std::unique_ptr<Requests> lane;
    core::Subscription timer, asked, pace;
    bool is_early = false;  ///< less than a period since the last look
    bool is_due = false;
    bool is_calm = false;  ///< waits for long, because the server was there
};

ServerLook::ServerLook(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {}
ServerLook::~ServerLook() {
    state_->stop();
}

void ServerLook::begin(std::chrono::milliseconds after) {
    const bool is_running = state_->timer || state_->asked || state_->is_due;
    if (is_running && !state_->is_calm && after.count() > 0) return;
    if (state_->asked) return;  // the answer that comes is as good
    state_->is_due = false;
    state_->pace.reset();
    state_->wait(after);
}

void ServerLook::stop() {
    state_->stop();
}

}  // namespace backplane::sync
