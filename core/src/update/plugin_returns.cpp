// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Back to what works: after a failure, at the owner's wish, or because a build may not run any more.
#include "update/plugin_trials.hpp"

#include <algorithm>
#include <utility>

#include "backplane/core/log.hpp"
#include "update/update_report.hpp"

namespace backplane::core {

namespace {

constexpr std::string_view k_component = "update";

Result<void> copy(const Error& error) {
    return failure(error.code, error.text);
}

}  // namespace

// ---- the owner ------------------------------------------------------------------------------------------------------

void PluginTrials::roll_back(const std::string& name, Done done) {
    turns_.take(name, [this, name, done = std::move(done)] {
        engine_.run([name](UpdateEngine& engine) { return engine.roll_back(name); },
                    [this, name, done](Result<std::optional<PluginBuild>> wanted) {
                        if (!wanted || stopping_) {
                            turns_.leave(name);
                            return done(wanted ? failure("update.stopping", "the box is stopping")
                                               : copy(wanted.error()));
                        }
                        Place& here = place(name);
                        here.timer.reset();
                        log_info(k_component, "plugin.rolled_back",
                                 {{"plugin", name}, {"from", here.serving.version}});
                        settle(name, std::move(wanted), "its owner has taken it back",
                               [this, name, done](const std::string&, Result<void> settled) {
                                   turns_.leave(name);
                                   done(std::move(settled));
                               });
                    });
    });
}

void PluginTrials::release(const std::string& name,
                           std::function<void(Result<std::optional<PluginBuild>>)> done) {
    turns_.take(name, [this, name, done = std::move(done)] {
        swaps_->release(name);
        engine_.run([name](UpdateEngine& engine) { return engine.release(name); },
                    [this, name, done](Result<std::optional<PluginBuild>> staged) {
                        turns_.leave(name);
                        // One that no bundle has touched runs again, and that is all there was to do.
                        if (!staged && staged.error().code == "update.unknown_plugin" &&
                            swaps_->health(name).present)
                            return done(std::optional<PluginBuild>{});
                        done(std::move(staged));
                    });
    });
}

void PluginTrials::retire(const std::string& name, std::function<void()> done) {
    turns_.take(name, [this, name, done = std::move(done)] {
        const PluginRecord* record = record_of(name);
        const std::string reason =
            record && !record->reason.empty() ? record->reason : "it may not run any more";
        std::optional<PluginBuild> wanted;
        if (record && record->active && !record->disabled) wanted = record->active;
        const Serving retired = place(name).serving;
        settle(name, std::move(wanted), reason,
               [this, name, reason, retired, done](const std::string& tail, const Result<void>&) {
                   const Serving& now = place(name).serving;
                   if (now.sha256 != retired.sha256 || now.version != retired.version) {
                       PluginBuild build;
                       build.name = name;
                       build.version = now.version;
                       const bool runs = !now.version.empty();
                       tell(build, retired.version,
                            runs ? UpdateStep::State::done : UpdateStep::State::failed,
                            runs ? "" : "update.disabled",
                            with_tail(name + " " + retired.version + " may not run any more (" +
                                          reason + ")",
                                      tail));
                   }
                   turns_.leave(name);
                   done();
               });
    });
}

// ---- back to what works ---------------------------------------------------------------------------------------------

void PluginTrials::settle(const std::string& name, Result<std::optional<PluginBuild>> wanted,
                          const std::string& reason, Settled then) {
    Place& here = place(name);
    if (stopping_) return then({}, failure("update.stopping", "the box is stopping"));
    if (!wanted) {
        // What is known without the disk is enough to go on; the engine decides again at the next start.
        log_error(k_component, "update.not_noted",
                  {{"plugin", name}, {"reason", wanted.error().text}});
        if (!here.trouble)
            return then(here.serving.version.empty() ? "" : here.serving.version + " goes on", {});
        if (here.before && here.before->plugin)
            return replace(name, *here.before, PluginSwaps::Limits{}, std::move(then));
        return settle_with_own(name, reason, std::move(then));
    }
    if (!*wanted) {
        const PluginRecord* record = record_of(name);
        if (record && record->disabled) return remove(name, reason, std::move(then));
        return settle_with_own(name, reason, std::move(then));
    }
    const PluginBuild build = **wanted;
    if (here.serving.sha256 == build.sha256 && !here.trouble)
        return then(build.version + " goes on", {});
    if (here.before && here.before->sha256 == build.sha256 && here.before->plugin)
        return replace(name, *here.before, limits_of(build.health), std::move(then));
    engine_.run(
        [build](UpdateEngine& engine) { return engine.load(build); },
        [this, name, build, reason, then = std::move(then)](Result<LoadedBuild> loaded) {
            if (loaded)
                return replace(name, {build.sha256, build.version, catalogued(std::move(*loaded))},
                               limits_of(build.health), then);
            log_error(
                k_component, "plugin.lost",
                {{"plugin", name}, {"version", build.version}, {"reason", loaded.error().text}});
            settle_with_own(name, loaded.error().text, then);
        });
}

void PluginTrials::settle_with_own(const std::string& name, const std::string& reason,
                                   Settled then) {
    const Place& here = place(name);
    const auto own = own_.find(name);
    if (own == own_.end()) {
        if (here.serving.version.empty()) return then({}, {});
        return remove(name, reason, std::move(then));
    }
    const std::string& version = own->second.note->version;
    if (here.serving.sha256.empty() && !here.serving.version.empty())
        return then(version + " goes on", {});
    replace(name, {{}, version, own->second}, PluginSwaps::Limits{}, std::move(then));
}

void PluginTrials::remove(const std::string& name, const std::string& reason, Settled then) {
    Place& here = place(name);
    here.timer.reset();
    here.trial.reset();
    here.before.reset();
    here.trouble.reset();
    here.serving = {};
    swaps_->remove(name, reason, alive_.guard([then = std::move(then)](Result<void> removed) {
        then("there is no other build to run", std::move(removed));
    }));
}

void PluginTrials::replace(const std::string& name, Serving with, const PluginSwaps::Limits& limits,
                           Settled then) {
    const auto failed = [this, name, with, limits, then](const Error& error) {
        if (over(error)) return then({}, copy(error));
        log_error(k_component, "plugin.not_back",
                  {{"plugin", name}, {"version", with.version}, {"reason", error.text}});
        replace_later(name, with, limits);
        then(with.version + " did not come back yet (" + error.text + ") and is tried again",
             copy(error));
    };
    swaps_->prepare(
        *with.plugin, limits,
        alive_.guard([this, name, with, limits, then, failed](const Result<void>& prepared) {
            if (!prepared) return failed(prepared.error());
            swaps_->swap(
                name, false, limits,
                alive_.guard([this, name, with, then, failed](const Result<void>& swapped) {
                    if (!swapped) return failed(swapped.error());
                    Place& here = place(name);
                    here.serving = with;
                    here.trial.reset();
                    here.before.reset();
                    here.trouble.reset();
                    here.timer.reset();
                    here.tries = 0;
                    log_info(k_component, "plugin.back",
                             {{"plugin", name}, {"version", with.version}});
                    then(with.version + " runs again", {});
                }));
        }));
}

void PluginTrials::replace_later(const std::string& name, Serving with,
                                 PluginSwaps::Limits limits) {
    if (times_.retries.empty()) return;
    Place& here = place(name);
    const auto wait = times_.retries[std::min(here.tries, times_.retries.size() - 1)];
    ++here.tries;
    here.timer = std::make_unique<boost::asio::steady_timer>(loop_, wait);
    here.timer->async_wait(
        alive_.guard([this, name, with = std::move(with), limits,
                      replaced = here.serving.sha256](const boost::system::error_code& error) {
            if (error || stopping_) return;
            turns_.take(name, [this, name, with, limits, replaced] {
                // Somebody else has found something that runs.
                if (place(name).serving.sha256 != replaced) return turns_.leave(name);
                replace(name, with, limits,
                        [this, name, with](const std::string&, const Result<void>& back) {
                            if (back) {
                                UpdateStep step;
                                step.plugin = name;
                                step.to = with.version;
                                step.state = UpdateStep::State::done;
                                step.text = name + " " + with.version + " runs again";
                                changed_(std::move(step));
                            }
                            turns_.leave(name);
                        });
            });
        }));
}

}  // namespace backplane::core
