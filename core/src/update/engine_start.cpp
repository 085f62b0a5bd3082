// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// UpdateEngine::start(): from what is remembered to what runs, after any way the box may have ended.
#include <utility>

#include "update/engine_state.hpp"

namespace backplane::core {
namespace {

class Begin {
public:
    explicit Begin(UpdateEngine::State& state)
        : state_(state), rules_(state.rules()), next_(state.memory.now()) {}

    Result<UpdateEngine::Start> run() {
        for (auto& [name, row] : next_.plugins) begin(row);
        if (auto done = state_.memory.commit(next_); !done) {
            // Counters come first: what cannot be counted is not tried. All else runs as it would have.
            state_.repairs.push_back("the start could not be remembered: " + done.error().text);
            without_trials();
        }
        for (const auto& [name, row] : next_.plugins) {
            if (row.record.disabled) start_.disabled.insert(name);
            if (row.record.staged) start_.still_staged.push_back(*row.record.staged);
        }
        return std::move(start_);
    }

private:
    void begin(PluginRow& row) {
        PluginRecord& record = row.record;
        rules_.yield_to_own(row);
        if (record.active && record.on_trial && record.trial_starts >= k_trial_starts) {
            const PluginBuild build = *record.active;
            rules_.fall_back(row, next_);
            rules_.quarantine(row, build, next_,
                              "it was started " + std::to_string(k_trial_starts) +
                                  " times on trial and never proved itself");
        }
        // Ends: each turn takes one build out of the record.
        while (record.active) {
            if (const auto banned = rules_.why_not(row, *record.active, next_)) {
                rules_.fall_back(row, next_);
                rules_.note(row, banned->text);
                continue;
            }
            auto loaded = state_.load(*record.active, stored_);
            if (!loaded) {
                // What one read could not get from the disk the next one may: a build is not given up for that.
                stored_.erase({record.active->bundle, record.active->documents});
                loaded = state_.load(*record.active, stored_);
            }
            if (loaded) {
                if (record.on_trial) ++record.trial_starts;
                start_.run.push_back(std::move(*loaded));
                return;
            }
            make_way(row, loaded.error());
        }
    }

    /// Its bytes are damaged, which says nothing against the build: it is asked for once more.
    void make_way(PluginRow& row, const Error& error) {
        const std::string title = row.record.name + ' ' + row.record.active->version;
        rules_.fall_back(row, next_);
        const auto& instead = row.record.active;
        const std::string now_runs = instead ? instead->version + " runs instead"
                                     : rules_.own(row.record.name) != nullptr
                                         ? "the box's own version runs instead"
                                         : "nothing runs instead";
        const std::string text = title + " cannot be loaded (" + error.text + "); " + now_runs +
                                 " until an update brings it again";
        rules_.note(row, text);
        state_.repairs.push_back(text);
        next_.box.accepted_etag.clear();
    }

    void without_trials() {
        std::vector<LoadedBuild> run;
        for (LoadedBuild& loaded : start_.run) {
            PluginRow& row = next_.plugins.at(loaded.build.name);
            if (!row.record.on_trial) {
                run.push_back(std::move(loaded));
                continue;
            }
            rules_.fall_back(row, next_);
            if (!row.record.active) continue;
            if (auto good = state_.load(*row.record.active, stored_))
                run.push_back(std::move(*good));
        }
        start_.run = std::move(run);
    }

    UpdateEngine::State& state_;
    const PluginRules rules_;
    Snapshot next_;
    UpdateEngine::Start start_;
    UpdateEngine::State::Stored stored_;
};

}  // namespace

Result<UpdateEngine::Start> UpdateEngine::start() {
    return Begin{*state_}.run();
}

}  // namespace backplane::core
