// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What becomes of a plug-in's builds: the rules of staging, trial, falling back and quarantine, on values alone.
//
// Nothing here touches the disk; the engine applies a rule to a copy of the record and commits it. Thread: any.
// Failure: none; a rule that does not apply changes nothing and says so.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/verify.hpp"
#include "update/update_state.hpp"

namespace backplane::core {

inline constexpr unsigned k_preflight_starts = 3;
inline constexpr unsigned k_trial_starts = 3;
inline constexpr std::size_t k_quarantined = 8;

class PluginRules {
public:
    using Floors = std::map<std::string, std::string, std::less<>>;

    PluginRules(const std::vector<OwnPlugin>& own, const Floors& floors, std::int64_t now)
        : own_(own), floors_(floors), now_(now) {}

    const OwnPlugin* own(std::string_view name) const;
    /// Why this build may not run; nullopt: it may. Code "update.below_floor" or "update.withdrawn".
    std::optional<Error> why_not(const PluginRow& row, const PluginBuild& build,
                                 const Snapshot& snapshot) const;

    /// A release that was accepted, on all records of its bundle. `folder`: where its documents are.
    void apply(Snapshot& snapshot, const bundle::VerifiedBundle& accepted,
               const std::string& folder, bool forced, UpdateEngine::Acceptance& acceptance) const;

    /// `active` ends; in its place comes what was good before and may run; else the box's own; else nothing.
    void fall_back(PluginRow& row, const Snapshot& snapshot) const;
    /// Staged becomes active, on trial.
    void begin_trial(PluginRow& row, const Snapshot& snapshot) const;
    void confirm(PluginRow& row) const;
    /// Remembered as bad. It is offered again only by Force or by its owner.
    void quarantine(PluginRow& row, const PluginBuild& build, const Snapshot& snapshot,
                    const std::string& reason) const;
    /// The box itself has a newer build than the delivered ones: they go. True: something has changed.
    bool yield_to_own(PluginRow& row) const;

    void note(PluginRow& row, const std::string& reason) const;

private:
    void stage(Snapshot& snapshot, const bundle::VerifiedPlugin& plugin, const std::string& folder,
               bool forced, UpdateEngine::Acceptance& acceptance) const;
    void enforce(Snapshot& snapshot, const std::string& bundle,
                 UpdateEngine::Acceptance& acceptance) const;

    const std::vector<OwnPlugin>& own_;
    const Floors& floors_;
    std::int64_t now_;
};

/// Names in a record what the verification has found.
PluginBuild build_of(const bundle::VerifiedPlugin& plugin, const std::string& release_digest,
                     const std::string& documents);

}  // namespace backplane::core
