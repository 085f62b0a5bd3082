// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// After the database is lost: what the signed documents on the disk still prove.
//
// Of each bundle the highest release counts whose roots lead from one that this box was given, or that a key of its owner
// has signed, and its builds that are here run. Where an older release left another build, the newer one is on trial
// again: it may be the one that was in quarantine, which is lost with the database, as are pins.
#include <algorithm>
#include <charconv>

#include "bundle/document_names.hpp"
#include "bundle/trust_chain.hpp"
#include "update/engine_state.hpp"

namespace backplane::core {
namespace {

using Place = MetaFolder::Place;

std::uint64_t release_number(const std::string& folder) {
    std::uint64_t number = 0;
    std::from_chars(folder.data(), folder.data() + folder.size(), number);
    return number;
}

class Rebuild {
public:
    Rebuild(const UpdateEngine::Setup& setup, const BlobStore& blobs, const bundle::Policy& policy,
            std::vector<std::string>& notes)
        : setup_(setup), blobs_(blobs), policy_(policy), notes_(notes) {}

    void take(const Place& place, const ProvenDocuments& proven) {
        const bundle::StoredBundle& stored = proven.stored;
        BundleRow& row = snapshot_.bundles[place.first];
        row.root.assign(reinterpret_cast<const char*>(proven.root.data()), proven.root.size());
        row.highest_version = stored.release.version;
        row.highest_digest = stored.digest;
        row.documents = place.second;
        row.expires = stored.release.expires.time_since_epoch().count();
        snapshot_.documents[place] = row.root;
        for (const auto& each : stored.release.withdrawn)
            row.withdrawn.push_back({"", each.sha256, each.reason});
        // Versions of vendors are lost with the database: their digests are not in the manifest. The next update
        // remembers them again.
        for (const auto& vendor : stored.vendors) {
            for (const auto& each : vendor.withdrawn)
                row.withdrawn.push_back({vendor.vendor, each.sha256, each.reason});
        }
        issued_ = std::max<std::int64_t>(issued_, stored.release.issued.time_since_epoch().count());
        set_floors(stored.release);
        for (const auto& vendor : stored.vendors) set_floors(vendor);
        take_builds(place, proven);
    }

    /// Of the newest release, then of older ones: what they have left is what was good before.
    void take_builds(const Place& place, const ProvenDocuments& proven) {
        snapshot_.documents[place].assign(reinterpret_cast<const char*>(proven.root.data()),
                                          proven.root.size());
        take_manifest(place, proven.stored, proven.stored.release);
        for (const auto& vendor : proven.stored.vendors)
            take_manifest(place, proven.stored, vendor);
    }

    Snapshot finish() && {
        snapshot_.box.clock_floor = issued_;
        return std::move(snapshot_);
    }

private:
    void set_floors(const bundle::Release& manifest) {
        for (const auto& plugin : manifest.plugins) {
            PluginRow& row = snapshot_.plugins[plugin.name];
            row.record.name = plugin.name;
            const auto order = bundle::compare_versions(row.floor, plugin.floor);
            if (row.floor.empty() || (order && *order < 0)) row.floor = plugin.floor;
        }
    }

    void take_manifest(const Place& place, const bundle::StoredBundle& stored,
                       const bundle::Release& manifest) {
        // Of several versions in one release the newest.
        std::vector<const bundle::ManifestPlugin*> plugins;
        for (const auto& plugin : manifest.plugins) plugins.push_back(&plugin);
        std::stable_sort(plugins.begin(), plugins.end(), [](const auto* a, const auto* b) {
            return bundle::compare_versions(a->version, b->version).value_or(0) > 0;
        });
        for (const auto* plugin : plugins) {
            const auto file = plugin->files.find(policy_.host.arch);
            if (file == plugin->files.end()) continue;
            take_build(place, stored, manifest, *plugin, file->second);
        }
    }

    void take_build(const Place& place, const bundle::StoredBundle& stored,
                    const bundle::Release& manifest, const bundle::ManifestPlugin& plugin,
                    const bundle::PluginFile& file) {
        PluginRow& row = snapshot_.plugins[plugin.name];
        PluginRecord& record = row.record;
        record.name = plugin.name;
        if (record.last_good || (record.active && record.active->sha256 == file.sha256)) return;
        if (record.active && record.active->bundle != place.first) return;
        auto bytes = blobs_.read(file.sha256, sdk::k_max_plugin_size);
        if (!bytes) return;  // was never staged here, or was removed
        auto checked = bundle::check_plugin(
            plugin, file, std::make_shared<const bundle::Bytes>(std::move(*bytes)), policy_);
        if (!checked) {
            notes_.push_back(checked.error().text);
            return;
        }
        checked->bundle = place.first;
        checked->vendor = manifest.vendor;
        checked->release_version = stored.release.version;
        checked->signer = stored.signer;
        PluginBuild build = build_of(*checked, stored.digest, place.second);
        const PluginRules rules{setup_.own, setup_.policy.floors,
                                setup_.clock().time_since_epoch().count()};
        if (rules.why_not(row, build, snapshot_)) return;
        if (record.active) {
            record.last_good = std::move(build);
            record.on_trial = true;
            return;
        }
        rules.note(row, build.version + " was found again in the signed documents of bundle " +
                            place.first + ' ' + std::to_string(stored.release.version));
        record.active = std::move(build);
    }

    const UpdateEngine::Setup& setup_;
    const BlobStore& blobs_;
    const bundle::Policy& policy_;
    std::vector<std::string>& notes_;
    Snapshot snapshot_;
    std::int64_t issued_ = 0;
};

}  // namespace

Snapshot rebuild_from_documents(const UpdateEngine::Setup& setup, const MetaFolder& meta,
                                const BlobStore& blobs, bundle::Policy policy,
                                std::vector<std::string>& notes) {
    // What ran yesterday runs today: expiry stops new installations only.
    policy.accept_expired = true;
    auto places = meta.list();
    if (!places) {
        notes.push_back(places.error().text);
        return {};
    }
    std::sort(places->begin(), places->end(), [](const Place& a, const Place& b) {
        return a.first != b.first ? a.first < b.first
                                  : release_number(a.second) > release_number(b.second);
    });
    Rebuild rebuild{setup, blobs, policy, notes};
    std::set<std::string> done;
    for (const Place& place : *places) {
        const auto proven = prove_documents(setup, meta, place, policy);
        if (!proven) {
            notes.push_back("the stored documents " + place.first + '/' + place.second +
                            " cannot be used: " + proven.error().text);
            continue;
        }
        if (done.insert(place.first).second)
            rebuild.take(place, *proven);
        else
            rebuild.take_builds(place, *proven);
    }
    return std::move(rebuild).finish();
}

}  // namespace backplane::core
