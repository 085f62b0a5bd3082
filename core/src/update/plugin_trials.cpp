// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/plugin_trials.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

#include "backplane/core/log.hpp"
#include "update/update_report.hpp"

namespace backplane::core {

using namespace std::chrono_literals;

namespace {

constexpr std::string_view k_component = "update";
// Whatever a manifest asks for: a build that hangs must make way for the last good one within 10 s.
constexpr std::chrono::milliseconds k_longest_wait = 8s;
constexpr std::chrono::milliseconds k_least_wait = 500ms;

}  // namespace

PluginSwaps::Limits PluginTrials::limits_of(const bundle::Health& health) {
    PluginSwaps::Limits limits;
    limits.load = std::clamp(health.ready, k_least_wait, k_longest_wait);
    limits.open = std::clamp(health.open, k_least_wait, k_longest_wait);
    return limits;
}

std::string PluginTrials::with_tail(std::string text, const std::string& tail) {
    return tail.empty() ? text : text + ": " + tail;
}

struct PluginTrials::Attempt {
    PluginBuild build;
    std::string from;  ///< version that served before
    std::optional<CataloguedPlugin> plugin;
    PluginSwaps::Limits limits;
    std::function<void(bool)> done;
};

PluginTrials::PluginTrials(boost::asio::io_context& loop, EngineWorker& engine,
                           std::map<std::string, CataloguedPlugin> own, Times times,
                           StepChanged changed)
    : loop_(loop),
      engine_(engine),
      own_(std::move(own)),
      times_(std::move(times)),
      changed_(std::move(changed)),
      turns_(loop) {}

PluginTrials::~PluginTrials() {
    if (swaps_) swaps_->set_watcher(nullptr);
}

CataloguedPlugin PluginTrials::catalogued(LoadedBuild loaded) {
    CataloguedPlugin plugin;
    plugin.path = "bundle " + loaded.build.bundle + " " +
                  std::to_string(loaded.build.release_version) + ": " + title_of(loaded.build);
    plugin.name = loaded.build.name;
    plugin.note = std::move(loaded.note);
    plugin.raw_note = std::move(loaded.raw_note);
    auto image = std::make_shared<PluginImage>();
    image->name = plugin.note->name;
    image->id = plugin.note->id;
    image->version = plugin.note->version;
    image->kind = sdk::to_string(plugin.note->kind);
    image->path = plugin.path;
    image->bytes = std::move(loaded.bytes);
    image->note = plugin.raw_note;
    plugin.image = std::move(image);
    return plugin;
}

PluginTrials::Place& PluginTrials::place(const std::string& name) {
    const auto [found, fresh] = places_.try_emplace(name);
    if (fresh) {
        if (const auto own = own_.find(name); own != own_.end())
            found->second.serving = {{}, own->second.note->version, own->second};
    }
    return found->second;
}

void PluginTrials::started_with(const PluginBuild& build, const CataloguedPlugin& plugin,
                                bool on_trial) {
    Place& here = place(build.name);
    here.serving = {build.sha256, build.version, plugin};
    if (on_trial) here.trial = build;
}

void PluginTrials::begin(PluginSwaps& swaps) {
    swaps_ = &swaps;
    swaps.set_watcher(this);
    for (auto& [name, here] : places_)
        if (here.trial) watch(name);
}

void PluginTrials::stop() {
    stopping_ = true;
    for (auto& [name, here] : places_) here.timer.reset();
}

/// Nothing may be concluded from it: the box ends.
bool PluginTrials::over(const Error& error) const {
    return stopping_ || error.code == "box.stopping";
}

const PluginRecord* PluginTrials::record_of(const std::string& name) const {
    const auto& all = engine_.facts().plugins;
    const auto found = std::find_if(
        all.begin(), all.end(), [&](const PluginRecord& record) { return record.name == name; });
    return found == all.end() ? nullptr : &*found;
}

void PluginTrials::tell(const PluginBuild& build, const std::string& from, UpdateStep::State state,
                        std::string code, std::string text) {
    UpdateStep step;
    step.plugin = build.name;
    step.from = from;
    step.to = build.version;
    step.state = state;
    step.code = std::move(code);
    step.text = std::move(text);
    changed_(std::move(step));
}

// ---- a new build ----------------------------------------------------------------------------------------------------

void PluginTrials::attempt(const PluginBuild& build, std::function<void(bool)> done) {
    auto attempt = std::make_shared<Attempt>();
    attempt->build = build;
    attempt->limits = limits_of(build.health);
    attempt->done = std::move(done);
    turns_.take(build.name, [this, attempt] {
        attempt->from = place(attempt->build.name).serving.version;
        load(attempt);
    });
}

void PluginTrials::end(const AttemptPtr& attempt, bool swapped) {
    turns_.leave(attempt->build.name);
    attempt->done(swapped);
}

void PluginTrials::load(const AttemptPtr& attempt) {
    const std::string title = title_of(attempt->build);
    tell(attempt->build, attempt->from, UpdateStep::State::checking, {}, title + " is checked");
    struct Loaded {
        bool may_try = false;
        std::optional<LoadedBuild> build;
    };
    engine_.run(
        [build = attempt->build](UpdateEngine& engine) -> Result<Loaded> {
            auto may_try = engine.begin_preflight(build.name);
            if (!may_try) return failure(may_try.error().code, may_try.error().text);
            if (!*may_try) return Loaded{};
            auto loaded = engine.load(build);
            if (loaded) return Loaded{true, std::move(*loaded)};
            // Bytes that do not fit any more are fetched again with the next bundle: not the build's fault.
            if (const auto noted = engine.preflight_failed(build.name, loaded.error().text, false);
                !noted)
                log_warning(k_component, "update.not_noted", {{"reason", noted.error().text}});
            return failure(loaded.error().code, loaded.error().text);
        },
        [this, attempt, title](Result<Loaded> loaded) {
            if (stopping_) return end(attempt, false);
            const std::string tail = attempt->from.empty() ? "" : attempt->from + " goes on";
            if (!loaded) {
                tell(attempt->build, attempt->from, UpdateStep::State::failed, loaded.error().code,
                     with_tail(title + " cannot be used (" + loaded.error().text + ")", tail));
                return end(attempt, false);
            }
            if (!loaded->may_try) {
                tell(attempt->build, attempt->from, UpdateStep::State::failed, "update.quarantined",
                     with_tail(title + " was put away after three tries that did not end well",
                               tail));
                return end(attempt, false);
            }
            prepare(attempt, std::move(*loaded->build));
        });
}

void PluginTrials::prepare(const AttemptPtr& attempt, LoadedBuild loaded) {
    attempt->plugin = catalogued(std::move(loaded));
    swaps_->prepare(*attempt->plugin, attempt->limits,
                    alive_.guard([this, attempt](Result<void> prepared) {
                        if (prepared) return swap(attempt);
                        const Error error = prepared.error();
                        if (over(error)) return end(attempt, false);
                        preflight_failed(attempt, error, error.code == "swap.load");
                    }));
}

void PluginTrials::preflight_failed(const AttemptPtr& attempt, const Error& error, bool final) {
    engine_.run(
        [name = attempt->build.name, reason = error.text, final](UpdateEngine& engine) {
            return engine.preflight_failed(name, reason, final);
        },
        [this, attempt, error](Result<void> noted) {
            if (!noted)
                log_warning(k_component, "update.not_noted", {{"reason", noted.error().text}});
            const std::string what = error.code == "swap.settings"
                                         ? " does not fit the configuration ("
                                         : " did not start (";
            tell(attempt->build, attempt->from, UpdateStep::State::failed, error.code,
                 with_tail(title_of(attempt->build) + what + error.text + ")",
                           attempt->from.empty() ? "" : attempt->from + " goes on"));
            end(attempt, false);
        });
}

void PluginTrials::swap(const AttemptPtr& attempt) {
    const std::string& name = attempt->build.name;
    tell(attempt->build, attempt->from, UpdateStep::State::swapping, {},
         title_of(attempt->build) + " takes over");
    engine_.run([name](UpdateEngine& engine) { return engine.begin_trial(name); },
                [this, attempt, name](Result<void> begun) {
                    if (!begun || stopping_) {
                        swaps_->abandon(name);
                        if (!stopping_)
                            tell(
                                attempt->build, attempt->from, UpdateStep::State::failed,
                                begun.error().code,
                                with_tail(title_of(attempt->build) +
                                              " was not tried, because this could not be written "
                                              "down (" +
                                              begun.error().text + ")",
                                          attempt->from.empty() ? "" : attempt->from + " goes on"));
                        return end(attempt, false);
                    }
                    place(name).swapping_to = attempt->build.sha256;
                    swaps_->swap(name, true, attempt->limits,
                                 alive_.guard([this, attempt, name](Result<void> result) {
                                     place(name).swapping_to.clear();
                                     if (result) return swapped(attempt);
                                     if (over(result.error())) return end(attempt, false);
                                     swap_failed(attempt, result.error());
                                 }));
                });
}

void PluginTrials::swap_failed(const AttemptPtr& attempt, const Error& error) {
    const std::string& name = attempt->build.name;
    log_warning(k_component, "plugin.swap_failed",
                {{"plugin", name}, {"version", attempt->build.version}, {"reason", error.text}});
    engine_.run(
        [name, reason = error.text](UpdateEngine& engine) {
            return engine.trial_failed(name, reason);
        },
        [this, attempt, name, error](Result<std::optional<PluginBuild>> wanted) {
            settle(name, std::move(wanted), error.text,
                   [this, attempt, error](const std::string& tail, const Result<void>&) {
                       tell(attempt->build, attempt->from, UpdateStep::State::failed, error.code,
                            with_tail(title_of(attempt->build) + " could not take over (" +
                                          error.text + ")",
                                      tail));
                       end(attempt, false);
                   });
        });
}

void PluginTrials::swapped(const AttemptPtr& attempt) {
    const std::string& name = attempt->build.name;
    Place& here = place(name);
    // A build that was on trial itself is nothing to return to.
    if (!here.trial) here.before = std::move(here.serving);
    here.serving = {attempt->build.sha256, attempt->build.version, std::move(attempt->plugin)};
    here.trial = attempt->build;
    here.trouble.reset();
    here.tries = 0;
    log_info(k_component, "plugin.swapped",
             {{"plugin", name}, {"from", attempt->from}, {"to", attempt->build.version}});
    const auto probation = times_.probation_cap
                               ? std::min<std::chrono::milliseconds>(
                                     *times_.probation_cap, attempt->build.health.probation)
                               : attempt->build.health.probation;
    tell(attempt->build, attempt->from, UpdateStep::State::done, {},
         title_of(attempt->build) + " runs and is watched for " + duration_text(probation));
    watch(name);
    end(attempt, true);
}

// ---- probation ------------------------------------------------------------------------------------------------------

void PluginTrials::watch(const std::string& name) {
    Place& here = place(name);
    here.since = std::chrono::steady_clock::now();
    here.survived = false;
    here.timer = std::make_unique<boost::asio::steady_timer>(loop_);
    look(name);
}

void PluginTrials::look(const std::string& name) {
    Place& here = place(name);
    if (stopping_ || !here.trial || here.trouble || !here.timer) return;
    const bundle::Health& asked = here.trial->health;
    std::chrono::milliseconds probation = asked.probation;
    if (times_.probation_cap) probation = std::min(probation, *times_.probation_cap);
    const auto served = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - here.since);
    const PluginSwaps::Health health = swaps_->health(name);
    if (health.put_aside) return trial_trouble(name, health.reason);
    // Nobody asks anything of an interface: that it lives is all it can show.
    const bool used = here.trial->kind == "interface" || health.actions_succeeded >= asked.actions;
    if ((served >= probation && used) || served >= times_.longest_trial)
        return turns_.take(name, [this, name] { confirm(name); });
    if (served >= times_.survived && !std::exchange(here.survived, true)) survived(name);
    // Not later than the moment at which it may be over, not so often that it costs anything.
    auto next = std::max(times_.least_look, probation / 4);
    for (const auto moment : {probation, times_.survived})
        if (served < moment) next = std::min(next, std::max(moment - served, 1ms));
    here.timer->expires_after(next);
    here.timer->async_wait(alive_.guard([this, name](const boost::system::error_code& error) {
        if (!error) look(name);
    }));
}

void PluginTrials::survived(const std::string& name) {
    engine_.run([name](UpdateEngine& engine) { return engine.trial_lives(name); },
                [name](const Result<void>& noted) {
                    if (noted)
                        log_debug(k_component, "plugin.start_survived", {{"plugin", name}});
                    else
                        log_warning(k_component, "update.not_noted",
                                    {{"plugin", name}, {"reason", noted.error().text}});
                });
}

void PluginTrials::confirm(const std::string& name) {
    Place& here = place(name);
    if (stopping_ || !here.trial || here.trouble) return turns_.leave(name);
    const PluginBuild build = *here.trial;
    // The registry first: a crash from now on is one that is repaired by a restart.
    swaps_->confirm(name);
    engine_.run(
        [name](UpdateEngine& engine) { return engine.confirm(name); },
        [this, name, build](const Result<void>& confirmed) {
            Place& place_now = place(name);
            if (!confirmed) {
                log_warning(k_component, "update.not_noted",
                            {{"plugin", name}, {"reason", confirmed.error().text}});
                turns_.leave(name);
                place_now.timer->expires_after(std::chrono::minutes{1});
                place_now.timer->async_wait(
                    alive_.guard([this, name](const boost::system::error_code& error) {
                        if (!error) look(name);
                    }));
                return;
            }
            const std::string from = place_now.before ? place_now.before->version : "";
            place_now.trial.reset();
            place_now.before.reset();
            place_now.timer.reset();
            log_info(k_component, "plugin.good", {{"plugin", name}, {"version", build.version}});
            tell(build, from, UpdateStep::State::done, {}, title_of(build) + " has proved itself");
            turns_.leave(name);
            engine_.run([](UpdateEngine& engine) { return engine.collect_garbage(); },
                        [](const Result<void>& collected) {
                            if (!collected)
                                log_warning(k_component, "update.garbage_stays",
                                            {{"reason", collected.error().text}});
                        });
        });
}

void PluginTrials::trial_trouble(const std::string& name, const std::string& reason) {
    const auto found = places_.find(name);
    if (stopping_ || found == places_.end()) return;
    Place& here = found->second;
    const std::string subject = here.swapping_to.empty() ? here.serving.sha256 : here.swapping_to;
    if (here.trial && here.trial->sha256 == subject) here.trouble = reason;
    turns_.take(name, [this, name, subject, reason] {
        Place& now = place(name);
        if (stopping_ || now.serving.sha256 != subject) return turns_.leave(name);
        if (!now.trial) {
            // It proved itself in the same moment: what crashes then is started again.
            swaps_->release(name);
            return turns_.leave(name);
        }
        take_back(name, reason);
    });
}

void PluginTrials::take_back(const std::string& name, const std::string& reason) {
    Place& here = place(name);
    const PluginBuild build = *here.trial;
    here.trouble = reason;
    here.timer.reset();
    log_warning(k_component, "plugin.taken_back",
                {{"plugin", name}, {"version", build.version}, {"reason", reason}});
    engine_.run(
        [name, reason](UpdateEngine& engine) { return engine.trial_failed(name, reason); },
        [this, name, build, reason](Result<std::optional<PluginBuild>> wanted) {
            const Place& now = place(name);
            const std::string from = now.before ? now.before->version : "";
            settle(name, std::move(wanted), reason,
                   [this, name, build, reason, from](const std::string& tail, const Result<void>&) {
                       tell(build, from, UpdateStep::State::failed, "update.taken_back",
                            with_tail(title_of(build) + " was taken back (" + reason + ")", tail));
                       turns_.leave(name);
                   });
        });
}

}  // namespace backplane::core
