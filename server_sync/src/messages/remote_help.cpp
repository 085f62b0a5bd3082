// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "messages/remote_help.hpp"

#include <algorithm>
#include <utility>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "server/later.hpp"

namespace backplane::sync {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t k_token_bytes = 512;
constexpr std::size_t k_waiting_looks = 16;
// A tunnel is open a moment after its program has ended (protocol page, 4.3).
constexpr std::chrono::milliseconds k_settle = 1s;

void replace(std::string& text, std::string_view what, std::string_view with) {
    for (std::size_t at = text.find(what); at != std::string::npos;
         at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
}

}  // namespace

struct RemoteHelpSwitch::State : std::enable_shared_from_this<RemoteHelpSwitch::State> {
    State(RemoteHelp with_programs, ProgramRunner with_run, TimerFactory with_timer)
        : programs(std::move(with_programs)),
          run(std::move(with_run)),
          timer(std::move(with_timer)),
          later(timer) {}

    template <typename F>
    auto while_alive(F f) {
        return guarded("remote help",
                       [weak = weak_from_this(), f = std::move(f)](auto&&... args) mutable {
                           if (const auto self = weak.lock())
                               f(*self, std::forward<decltype(args)>(args)...);
                       });
    }

    void looked(bool enabled) {
        looking.reset();
        for (auto& done : std::exchange(waiting, {})) done(enabled);
    }

    void turned(bool on, const core::Result<int>& exit) {
        auto done = std::move(turn_done);
        turn_done = nullptr;
        turning.reset();
        settling.reset();
        const std::string verb = on ? "opened" : "closed";
        if (!exit || *exit != 0) {
            const std::string why =
                exit ? "its program ended with code " + std::to_string(*exit) : exit.error().text;
            core::log_warning("odoo", "remote_help.failed", {{"verb", verb}, {"why", why}});
            return done(core::failure("remote_help.failed",
                                      "The tunnel for remote help could not be " + verb + ": " +
                                          why + ". See odoo.remote_debug in the configuration."));
        }
        open = on;
        core::log_warning("odoo", "remote_help.turned", {{"now", on ? "open" : "closed"}});
        done({});
    }

    RemoteHelp programs;
    ProgramRunner run;
    TimerFactory timer;
    Later later;
    core::Subscription looking, turning, settling;
    std::vector<Enabled> waiting;  ///< for the end of `looking`
    std::function<void(core::Result<void>)> turn_done;
    bool open = false;  ///< as far as this object knows, for owners who gave no program that looks
};

RemoteHelpSwitch::RemoteHelpSwitch(RemoteHelp programs, ProgramRunner run, TimerFactory timer)
    : state_(std::make_shared<State>(std::move(programs), std::move(run), std::move(timer))) {}

RemoteHelpSwitch::~RemoteHelpSwitch() = default;

bool RemoteHelpSwitch::exists() const noexcept {
    return !state_->programs.start.empty() && !state_->programs.stop.empty() && state_->run;
}

core::Result<void> RemoteHelpSwitch::check(std::string_view token) const {
    if (!exists())
        return core::failure(
            "remote_help.none",
            "This box has no remote help: it is off unless the owner sets "
            "odoo.remote_debug in the box's configuration. A support bundle with the "
            "logs can be downloaded from the box's page instead.");
    const bool word = std::all_of(token.begin(), token.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte > 0x20 && byte < 0x7f;
    });
    // One that begins with '-' would be an option of the program.
    if (!word || token.size() > k_token_bytes || token.starts_with('-'))
        return core::failure(
            "remote_help.token",
            "The token for remote help is not one word of letters, digits and signs: "
            "copy it again from the service that gave it.");
    return {};
}

void RemoteHelpSwitch::look(Enabled done) {
    auto& state = *state_;
    if (!exists() || state.programs.status.empty() || state.waiting.size() >= k_waiting_looks)
        return state.later([done = std::move(done), open = exists() && state.open] { done(open); });
    state.waiting.push_back(std::move(done));
    if (state.looking) return;
    state.looking = state.run({.command = state.programs.status, .input = {}},
                              state.while_alive([](State& self, const core::Result<int>& exit) {
                                  const auto keep = std::move(self.looking);
                                  self.looked(exit && *exit == 0);
                              }));
}

void RemoteHelpSwitch::turn(std::string token, std::string name,
                            std::function<void(core::Result<void>)> done) {
    auto& state = *state_;
    const auto refuse = [&](std::string code, std::string text) {
        state.later([done, code = std::move(code), text = std::move(text)] {
            done(core::failure(code, text));
        });
    };
    if (const auto fits = check(token); !fits) return refuse(fits.error().code, fits.error().text);
    if (state.turn_done)
        return refuse("remote_help.busy",
                      "The tunnel for remote help is being opened or closed at this moment: try "
                      "again in half a minute.");
    const bool on = !token.empty();
    ProgramCall call;
    call.command = on ? state.programs.start : state.programs.stop;
    for (auto& argument : call.command) {
        replace(argument, "{name}", name);
        replace(argument, "{token}", token);
    }
    call.input = std::move(token);
    state.turn_done = std::move(done);
    state.turning = state.run(
        std::move(call), state.while_alive([on](State& self, const core::Result<int>& exit) {
            const auto keep = std::move(self.turning);
            if (!exit || *exit != 0) return self.turned(on, exit);
            self.settling = self.timer(k_settle, self.while_alive([on](State& same) {
                const auto still = std::move(same.settling);
                same.turned(on, 0);
            }));
        }));
}

}  // namespace backplane::sync
