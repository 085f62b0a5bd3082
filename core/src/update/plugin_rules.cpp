// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/plugin_rules.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "util/utf8.hpp"

namespace backplane::core {
namespace {

constexpr std::size_t k_reason_bytes = 500;

std::string title(const PluginBuild& build) {
    return build.name + ' ' + build.version;
}

std::string origin(const PluginBuild& build) {
    return "bundle " + build.bundle + ' ' + std::to_string(build.release_version);
}

bool is_lower(std::string_view version, std::string_view than) {
    const auto order = bundle::compare_versions(version, than);
    return order && *order < 0;
}

/// All places of a record that can hold a build.
std::array<std::optional<PluginBuild>*, 5> places(PluginRow& row) {
    return {&row.record.active, &row.record.last_good, &row.record.staged, &row.previous,
            &row.put_away};
}

/// Manifest floors: the highest of all entries with this name.
std::string floor_of(const bundle::VerifiedBundle& accepted, const std::string& name) {
    std::string floor;
    const auto look = [&](const bundle::Release& manifest) {
        for (const auto& plugin : manifest.plugins) {
            if (plugin.name != name || plugin.floor.empty()) continue;
            if (floor.empty() || is_lower(floor, plugin.floor)) floor = plugin.floor;
        }
    };
    look(accepted.release);
    for (const auto& vendor : accepted.vendors) look(vendor);
    return floor;
}

bool lists(const bundle::Release& manifest, const PluginBuild& build) {
    return std::any_of(manifest.plugins.begin(), manifest.plugins.end(), [&](const auto& plugin) {
        return plugin.name == build.name &&
               std::any_of(plugin.files.begin(), plugin.files.end(),
                           [&](const auto& file) { return file.second.sha256 == build.sha256; });
    });
}

std::set<std::string> names_in(const bundle::VerifiedBundle& accepted) {
    std::set<std::string> names;
    for (const auto& plugin : accepted.release.plugins) names.insert(plugin.name);
    for (const auto& vendor : accepted.vendors) {
        for (const auto& plugin : vendor.plugins) names.insert(plugin.name);
    }
    return names;
}

/// Of the record's builds the first one there is; all are of one bundle.
const PluginBuild* any_build(const PluginRow& row) {
    for (const auto* build : {&row.record.active, &row.record.staged, &row.record.last_good,
                              &row.previous, &row.put_away}) {
        if (*build) return &**build;
    }
    return nullptr;
}

std::string bundle_of(const PluginRow& row) {
    const PluginBuild* const build = any_build(row);
    return build != nullptr ? build->bundle : std::string{};
}

std::string vendor_of(const PluginRow& row) {
    const PluginBuild* const build = any_build(row);
    return build != nullptr ? build->vendor : std::string{};
}

bool has_vendor(const bundle::VerifiedBundle& accepted, std::string_view vendor) {
    return std::any_of(accepted.vendors.begin(), accepted.vendors.end(),
                       [&](const auto& each) { return each.vendor == vendor; });
}

/// Its manifest was there, but could not be used: that says nothing about its plug-ins.
bool is_refused(const bundle::VerifiedBundle& accepted, const std::string& vendor) {
    return !vendor.empty() &&
           std::any_of(accepted.refused.begin(), accepted.refused.end(),
                       [&](const auto& each) { return each.subject == "vendor " + vendor; });
}

}  // namespace

PluginBuild build_of(const bundle::VerifiedPlugin& plugin, const std::string& release_digest,
                     const std::string& documents) {
    PluginBuild build;
    build.name = plugin.manifest.name;
    build.kind = plugin.manifest.kind;
    build.version = plugin.manifest.version;
    build.sha256 = plugin.file.sha256;
    build.bundle = plugin.bundle;
    build.vendor = plugin.vendor;
    build.plugin_id = plugin.manifest.id;
    build.release_version = plugin.release_version;
    build.release_digest = release_digest;
    build.documents = documents;
    build.signer = to_printable(plugin.signer, k_reason_bytes);
    build.health = plugin.manifest.health;
    return build;
}

void PluginRules::note(PluginRow& row, const std::string& reason) const {
    std::string shown = to_printable(reason, k_reason_bytes);
    if (row.record.reason == shown) return;  // not a new instant for what is known
    row.record.reason = std::move(shown);
    row.record.since = now_;
}

const OwnPlugin* PluginRules::own(std::string_view name) const {
    const auto found = std::find_if(own_.begin(), own_.end(),
                                    [&](const OwnPlugin& each) { return each.name == name; });
    return found == own_.end() ? nullptr : &*found;
}

std::optional<Error> PluginRules::why_not(const PluginRow& row, const PluginBuild& build,
                                          const Snapshot& snapshot) const {
    if (const auto found = snapshot.bundles.find(build.bundle); found != snapshot.bundles.end()) {
        for (const WithdrawnBuild& each : found->second.withdrawn) {
            if (each.sha256 != build.sha256) continue;
            // A vendor can withdraw its own builds only.
            if (!each.vendor.empty() && each.vendor != build.vendor) continue;
            return Error{"update.withdrawn", title(build) + " was withdrawn by its publisher (" +
                                                 to_printable(each.reason, k_reason_bytes) +
                                                 "): install a newer version"};
        }
    }
    std::string floor = row.floor;
    if (const auto compiled = floors_.find(build.name); compiled != floors_.end()) {
        if (floor.empty() || is_lower(floor, compiled->second)) floor = compiled->second;
    }
    if (!floor.empty() && is_lower(build.version, floor)) {
        return Error{"update.below_floor", title(build) + " is older than " + floor +
                                               ", the oldest version that may still run: install "
                                               "a newer version"};
    }
    return std::nullopt;
}

void PluginRules::fall_back(PluginRow& row, const Snapshot& snapshot) const {
    PluginRecord& record = row.record;
    const auto left = std::exchange(record.active, std::nullopt);
    bool refused = left && why_not(row, *left, snapshot);
    for (auto* candidate : {&record.last_good, &row.previous}) {
        auto build = std::exchange(*candidate, std::nullopt);
        if (!build || (left && *build == *left)) continue;
        if (why_not(row, *build, snapshot)) {
            refused = true;
        } else if (!record.active) {
            record.active = std::move(build);
        } else {
            record.last_good = std::move(build);
        }
    }
    record.on_trial = false;
    record.trial_starts = 0;
    record.disabled = refused && !record.active && own(record.name) == nullptr;
}

void PluginRules::begin_trial(PluginRow& row, const Snapshot& snapshot) const {
    PluginRecord& record = row.record;
    if (!record.staged) return;
    auto next = *std::exchange(record.staged, std::nullopt);
    if (record.active && !record.on_trial) {
        row.previous = std::exchange(record.last_good, std::nullopt);
        if (!why_not(row, *record.active, snapshot)) record.last_good = std::move(record.active);
    }
    // A build that never proved itself is not one to come back to.
    for (auto* kept : {&record.last_good, &row.previous}) {
        if (*kept && **kept == next) kept->reset();
    }
    record.active = std::move(next);
    record.on_trial = true;
    record.disabled = false;
    record.trial_starts = 1;
    record.preflight_starts = 0;
    note(row, record.active->version + " of " + origin(*record.active) +
                  " runs on trial, and has to prove itself");
}

void PluginRules::confirm(PluginRow& row) const {
    PluginRecord& record = row.record;
    if (!record.active) return;
    record.on_trial = false;
    record.trial_starts = 0;
    row.previous.reset();
    std::erase_if(record.quarantine,
                  [&](const auto& each) { return each.sha256 == record.active->sha256; });
    if (row.put_away == record.active) row.put_away.reset();
    note(row, record.active->version + " of " + origin(*record.active) + " has proved itself");
}

void PluginRules::quarantine(PluginRow& row, const PluginBuild& build, const Snapshot& snapshot,
                             const std::string& reason) const {
    auto& list = row.record.quarantine;
    PluginRecord::Quarantine entry{
        build.sha256, build.version, to_printable(reason, k_reason_bytes), 1, now_, 0};
    const auto known = std::find_if(list.begin(), list.end(),
                                    [&](const auto& each) { return each.sha256 == build.sha256; });
    if (known != list.end()) {
        entry.count = known->count + 1;
        list.erase(known);
    }
    list.insert(list.begin(), std::move(entry));
    if (list.size() > k_quarantined) list.resize(k_quarantined);
    const auto found = snapshot.bundles.find(build.bundle);
    if (found != snapshot.bundles.end() && found->second.documents == build.documents)
        row.put_away = build;
    note(row, title(build) + " was put away: " + reason);
}

bool PluginRules::yield_to_own(PluginRow& row) const {
    PluginRecord& record = row.record;
    const OwnPlugin* const mine = own(record.name);
    // Who has pinned a build wants that one, also after an upgrade of the box.
    if (mine == nullptr || record.pinned) return false;
    const auto newer = [&](const std::optional<PluginBuild>& build) {
        return build && is_lower(build->version, mine->version);
    };
    if (!newer(record.active) && !newer(record.staged)) return false;
    const std::string older = record.active ? record.active->version : record.staged->version;
    if (newer(record.active)) {
        record.active.reset();
        record.last_good.reset();
        row.previous.reset();
        record.on_trial = false;
        record.trial_starts = 0;
        record.disabled = false;
    }
    if (newer(record.staged)) {
        record.staged.reset();
        record.preflight_starts = 0;
    }
    note(row, "the box itself has " + mine->version + ", which is newer than " + older);
    return true;
}

void PluginRules::stage(Snapshot& snapshot, const bundle::VerifiedPlugin& plugin,
                        const std::string& folder, bool forced,
                        UpdateEngine::Acceptance& acceptance) const {
    const auto& release = snapshot.bundles.at(plugin.bundle);
    PluginBuild build = build_of(plugin, release.highest_digest, folder);
    PluginRow& row = snapshot.plugins[build.name];
    PluginRecord& record = row.record;
    record.name = build.name;
    // What is known already came with this release, too: its newest documents are those that count.
    for (auto* place : places(row)) {
        if (*place && **place == build) **place = build;
    }
    const auto leave_out = [&](std::string code, const std::string& text) {
        record.staged.reset();
        record.preflight_starts = 0;
        acceptance.left_out.push_back({title(build), Error{std::move(code), text}});
    };
    if (row.put_away && !(*row.put_away == build)) row.put_away.reset();
    if (record.active && *record.active == build) {
        if (record.staged) record.preflight_starts = 0;
        record.staged.reset();
        return;
    }
    if (const OwnPlugin* const mine = own(build.name);
        mine != nullptr && is_lower(build.version, mine->version)) {
        return leave_out("update.own_newer",
                         "the bundle brings " + title(build) + ", but the box itself has " +
                             mine->version +
                             ", which is newer: it runs on until a release brings more");
    }
    const bool must_go =
        record.disabled || (record.active && why_not(row, *record.active, snapshot).has_value());
    if (record.pinned && !must_go) {
        const std::string runs = record.active ? record.active->version : "the box's own version";
        return leave_out("update.pinned", "the bundle brings " + title(build) + ", but " +
                                              build.name + " is pinned to " + runs +
                                              ": unpin it and update again to have the new one");
    }
    for (auto& each : record.quarantine) {
        if (each.sha256 == build.sha256) each.granted = now_;
    }
    if (forced || !record.staged || !(*record.staged == build)) record.preflight_starts = 0;
    note(row, origin(build) + " brings " + build.version + ", which waits to be tried");
    record.staged = build;
    acceptance.staged.push_back(std::move(build));
}

void PluginRules::enforce(Snapshot& snapshot, const std::string& bundle,
                          UpdateEngine::Acceptance& acceptance) const {
    for (auto& [name, row] : snapshot.plugins) {
        if (bundle_of(row) != bundle) continue;
        PluginRecord& record = row.record;
        if (record.staged && why_not(row, *record.staged, snapshot)) {
            record.staged.reset();
            record.preflight_starts = 0;
        }
        if (row.put_away && why_not(row, *row.put_away, snapshot)) row.put_away.reset();
        if (!record.active || record.staged) continue;
        const auto banned = why_not(row, *record.active, snapshot);
        if (!banned) continue;
        fall_back(row, snapshot);
        note(row, banned->text);
        acceptance.disabled.push_back(name);
    }
}

void PluginRules::apply(Snapshot& snapshot, const bundle::VerifiedBundle& accepted,
                        const std::string& folder, bool forced,
                        UpdateEngine::Acceptance& acceptance) const {
    BundleRow& known = snapshot.bundles[accepted.bundle];
    known.root.assign(reinterpret_cast<const char*>(accepted.root_bytes.data()),
                      accepted.root_bytes.size());
    known.highest_version = accepted.release.version;
    known.highest_digest = accepted.digest;
    known.documents = folder;
    known.expires = accepted.release.expires.time_since_epoch().count();
    // A vendor whose manifest could not be used this time has not taken back what it has withdrawn.
    std::erase_if(known.withdrawn, [&](const WithdrawnBuild& each) {
        return each.vendor.empty() || has_vendor(accepted, each.vendor);
    });
    for (const auto& each : accepted.release.withdrawn)
        known.withdrawn.push_back({"", each.sha256, each.reason});
    for (const auto& vendor : accepted.vendors) {
        const auto digest = accepted.vendor_digests.find(vendor.vendor);
        known.vendors[vendor.vendor] = {
            vendor.version, digest == accepted.vendor_digests.end() ? "" : digest->second};
        for (const auto& each : vendor.withdrawn)
            known.withdrawn.push_back({vendor.vendor, each.sha256, each.reason});
    }
    snapshot.documents[{accepted.bundle, folder}] = known.root;

    const std::set<std::string> names = names_in(accepted);
    for (auto& [name, row] : snapshot.plugins) {
        if (bundle_of(row) != accepted.bundle) continue;
        if (names.contains(name)) {
            row.floor = floor_of(accepted, name);
            // Refused this time, but the same build: its newest documents count for it, too.
            const auto listed = [&](const PluginBuild& build) {
                return build.vendor.empty()
                           ? lists(accepted.release, build)
                           : std::any_of(accepted.vendors.begin(), accepted.vendors.end(),
                                         [&](const auto& vendor) {
                                             return vendor.vendor == build.vendor &&
                                                    lists(vendor, build);
                                         });
            };
            if (row.put_away && !listed(*row.put_away)) row.put_away.reset();
            if (row.put_away) row.put_away->documents = folder;
            if (row.record.staged && !listed(*row.record.staged)) {
                row.record.staged.reset();
                row.record.preflight_starts = 0;
            }
            continue;
        }
        if (is_refused(accepted, vendor_of(row))) continue;
        row.put_away.reset();
        row.record.staged.reset();
        row.record.preflight_starts = 0;
        if (row.record.active)
            note(row, "it runs on, though it is no longer in the release " +
                          std::to_string(accepted.release.version) + " of its bundle");
    }
    for (const auto& plugin : accepted.plugins) {
        snapshot.plugins[plugin.manifest.name].floor = floor_of(accepted, plugin.manifest.name);
        stage(snapshot, plugin, folder, forced, acceptance);
    }
    enforce(snapshot, accepted.bundle, acceptance);
}

}  // namespace backplane::core
