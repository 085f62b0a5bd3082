// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How one build comes to run, is watched, proves itself or is taken back.
//
// Purpose: the engine knows what should run and keeps it durable, the registry can put one build in the place of
// another; here is the order in which the two are asked, so that whatever fails, a build that worked goes on. Owner: the
// updater. Thread: the main loop's. Failure: told as a step of the report; what cannot be put back at once is tried
// again, ever more rarely but at least every 30 s.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backplane/core/update.hpp"
#include "registry/plugin_swaps.hpp"
#include "update/alive.hpp"
#include "update/engine_worker.hpp"
#include "update/turns.hpp"

namespace backplane::core {

class PluginTrials final : public PluginSwaps::Watcher {
public:
    struct Times {
        /// No probation is longer, whatever a manifest says.
        std::optional<std::chrono::milliseconds> probation_cap;
        std::chrono::milliseconds least_look{1'000};  ///< between two looks at a build on trial
        /// After so long without trouble a start of the box is no longer held against a build on trial.
        std::chrono::milliseconds survived{60'000};
        std::chrono::milliseconds longest_trial{std::chrono::hours{24}};
        std::vector<std::chrono::milliseconds> retries{
            std::chrono::seconds{1}, std::chrono::seconds{3}, std::chrono::seconds{10},
            std::chrono::seconds{30}};
    };
    using Done = std::function<void(Result<void>)>;
    using StepChanged = std::function<void(UpdateStep)>;

    /// `own`: usable plug-ins of the box itself, kept for rollbacks.
    PluginTrials(boost::asio::io_context& loop, EngineWorker& engine,
                 std::map<std::string, CataloguedPlugin> own, Times times, StepChanged changed);
    ~PluginTrials() override;
    PluginTrials(const PluginTrials&) = delete;
    PluginTrials& operator=(const PluginTrials&) = delete;

    /// What the registry is told about a build that a bundle has delivered.
    static CataloguedPlugin catalogued(LoadedBuild loaded);
    /// This build runs since the start of the box. Before begin().
    void started_with(const PluginBuild& build, const CataloguedPlugin& plugin, bool on_trial);
    /// No build of it runs, not even the box's own.
    void started_without(const std::string& name) { place(name).serving = {}; }
    void begin(PluginSwaps& swaps);
    /// From now on nothing that ends is a failure.
    void stop();

    /// Preflight, T2, swap; then it is watched. `done` has no value to say: the step tells what happened.
    void attempt(const PluginBuild& build, std::function<void(bool swapped)> done);
    /// What runs may not run any more: the build that the record names, the box's own, or none.
    void retire(const std::string& name, std::function<void()> done);

    // Wishes of the owner; see Updates.
    void roll_back(const std::string& name, Done done);
    void release(const std::string& name,
                 std::function<void(Result<std::optional<PluginBuild>>)> done);

    void trial_trouble(const std::string& name, const std::string& reason) override;

private:
    /// What serves now; sha256 empty: the box's own build, version empty: none.
    struct Serving {
        std::string sha256, version;
        std::optional<CataloguedPlugin> plugin;
    };
    struct Place {
        Serving serving;
        std::optional<Serving> before;       ///< while `serving` is on trial, if it is known
        std::optional<PluginBuild> trial;    ///< `serving`, while it has not proved itself
        std::optional<std::string> trouble;  ///< of the trial; it is about to be taken back
        std::string swapping_to;             ///< sha256, from swap() to its answer
        std::chrono::steady_clock::time_point since{};
        std::unique_ptr<boost::asio::steady_timer> timer;  ///< the next look, or the next try
        bool survived = false;  ///< this start of the trial; told to the engine
        std::size_t tries = 0;  ///< of putting back, one after the other
    };
    struct Attempt;
    using AttemptPtr = std::shared_ptr<Attempt>;
    /// What runs after something has failed: "1.1.0 goes on", "1.1.0 runs again"; empty: nothing does.
    using Settled = std::function<void(std::string tail, Result<void>)>;

    static PluginSwaps::Limits limits_of(const bundle::Health& health);
    /// "(…): 1.1.0 goes on".
    static std::string with_tail(std::string text, const std::string& tail);
    Place& place(const std::string& name);
    bool over(const Error& error) const;
    void tell(const PluginBuild& build, const std::string& from, UpdateStep::State state,
              std::string code, std::string text);
    void end(const AttemptPtr& attempt, bool swapped);

    void load(const AttemptPtr& attempt);
    void prepare(const AttemptPtr& attempt, LoadedBuild loaded);
    void preflight_failed(const AttemptPtr& attempt, const Error& error, bool final);
    void swap(const AttemptPtr& attempt);
    void swap_failed(const AttemptPtr& attempt, const Error& error);
    void swapped(const AttemptPtr& attempt);

    void watch(const std::string& name);
    void look(const std::string& name);
    void survived(const std::string& name);
    void confirm(const std::string& name);
    void take_back(const std::string& name, const std::string& reason);

    /// Make run what the engine's answer names; `still_serving`: the build before goes on by itself.
    void settle(const std::string& name, Result<std::optional<PluginBuild>> wanted,
                const std::string& reason, Settled then);
    void settle_with_own(const std::string& name, const std::string& reason, Settled then);
    void remove(const std::string& name, const std::string& reason, Settled then);
    void replace(const std::string& name, Serving with, const PluginSwaps::Limits& limits,
                 Settled then);
    void replace_later(const std::string& name, Serving with, PluginSwaps::Limits limits);
    const PluginRecord* record_of(const std::string& name) const;

    boost::asio::io_context& loop_;
    EngineWorker& engine_;
    std::map<std::string, CataloguedPlugin> own_;
    Times times_;
    StepChanged changed_;
    PluginSwaps* swaps_ = nullptr;
    bool stopping_ = false;
    std::map<std::string, Place, std::less<>> places_;
    Turns turns_;
    Alive alive_;
};

}  // namespace backplane::core
