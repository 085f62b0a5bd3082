// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/engine_state.hpp"

#include <algorithm>

#include "bundle/document_names.hpp"
#include "bundle/trust_chain.hpp"
#include "util/memory_file.hpp"
#include "util/sha256.hpp"

namespace backplane::core {
namespace {

std::shared_ptr<const bundle::Bytes> shared_bytes(const std::string& text) {
    const auto bytes = std::as_bytes(std::span{text});
    return std::make_shared<const bundle::Bytes>(bytes.begin(), bytes.end());
}

/// 0 for one that cannot be read.
std::uint64_t root_version(std::span<const std::byte> bytes) {
    const auto root = bundle::parse_root(bytes);
    return root ? root->version : 0;
}

/// The entry of a verified manifest for this very build.
std::pair<const bundle::ManifestPlugin*, const bundle::PluginFile*> find_build(
    const bundle::StoredBundle& stored, const PluginBuild& build, const std::string& arch) {
    std::vector<const bundle::Release*> manifests;
    if (build.vendor.empty()) manifests.push_back(&stored.release);
    for (const auto& vendor : stored.vendors) {
        if (vendor.vendor == build.vendor && !build.vendor.empty()) manifests.push_back(&vendor);
    }
    for (const auto* manifest : manifests) {
        for (const auto& plugin : manifest->plugins) {
            const auto file = plugin.files.find(arch);
            if (plugin.name == build.name && file != plugin.files.end() &&
                file->second.sha256 == build.sha256)
                return {&plugin, &file->second};
        }
    }
    return {nullptr, nullptr};
}

}  // namespace

Result<ProvenDocuments> prove_documents(const UpdateEngine::Setup& setup, const MetaFolder& meta,
                                        const MetaFolder::Place& place,
                                        const bundle::Policy& policy) {
    const auto documents = meta.read(place);
    if (!documents) return Unexpected<Error>{documents.error()};
    const auto by_bundle = bundle::documents_by_bundle(*documents);
    const auto names = by_bundle.find(place.first);
    if (names == by_bundle.end())
        return failure("E_SIG", "the stored documents of the bundle \"" + place.first +
                                    "\" are not complete: update again");
    const auto pinned = setup.pinned_roots.find(place.first);
    const auto chain = bundle::walk_trust_chain(
        *documents, place.first, names->second,
        pinned == setup.pinned_roots.end() ? nullptr : &pinned->second, policy);
    if (chain.error) return Unexpected<Error>{*chain.error};
    auto stored = bundle::verify_stored(*documents, place.first, chain.bytes);
    if (!stored) return Unexpected<Error>{stored.error()};
    return ProvenDocuments{std::move(*stored), chain.bytes};
}

UpdateEngine::State::State(Setup given, UpdateState known)
    : setup(std::move(given)),
      memory(std::move(known)),
      blobs(*setup.files, setup.folder + "/blobs"),
      meta(*setup.files, setup.folder + "/meta") {}

std::int64_t UpdateEngine::State::unix_now() const {
    return setup.clock().time_since_epoch().count();
}

bundle::Time UpdateEngine::State::trusted_now() const {
    const bundle::Time floor{std::chrono::seconds{memory.now().box.clock_floor}};
    return std::max({setup.build_time, floor, setup.clock()});
}

bundle::TrustStates UpdateEngine::State::trust() const {
    bundle::TrustStates trust;
    for (const auto& [name, row] : memory.now().bundles) {
        bundle::TrustState& state = trust[name];
        // Trust that its owner has taken back, or that development mode had lent, is over; what was seen is not forgotten.
        if (row.documents.empty() || verify_documents({name, row.documents}))
            state.root = shared_bytes(row.root);
        state.highest_version = row.highest_version;
        state.highest_digest = row.highest_digest;
        state.vendors = row.vendors;
    }
    for (const auto& [name, pinned] : setup.pinned_roots) {
        bundle::TrustState& state = trust[name];
        // A newer box may bring a newer root than the one it has seen.
        if (state.root == nullptr || root_version(pinned) > root_version(*state.root))
            state.root = std::make_shared<const bundle::Bytes>(pinned);
    }
    return trust;
}

bundle::Policy UpdateEngine::State::policy(bool forced) const {
    bundle::Policy policy = setup.policy;
    policy.now = trusted_now();
    policy.ignore_quarantine = forced;
    policy.quarantined.clear();
    policy.owners.clear();
    for (const OwnPlugin& each : setup.own) policy.owners[each.name] = {"", each.plugin_id};
    for (const auto& [name, row] : memory.now().plugins) {
        for (const auto& each : row.record.quarantine) policy.quarantined.insert(each.sha256);
        for (const auto* build :
             {&row.record.active, &row.record.staged, &row.record.last_good, &row.put_away}) {
            if (!*build) continue;
            policy.owners[name] = {(*build)->bundle, (*build)->plugin_id};
            break;
        }
    }
    return policy;
}

std::string UpdateEngine::State::facts() const {
    const bundle::Policy& policy = setup.policy;
    std::string all =
        policy.host.arch + '\n' + policy.host_version + '\n' +
        std::to_string(policy.host.abi_major) + '.' + std::to_string(policy.host.abi_minor) + '\n' +
        (policy.development ? "development\n" : "") + (policy.accept_expired ? "expired\n" : "");
    for (const auto& key : policy.enrolled) all += key.id() + '\n';
    for (const auto& [name, root] : setup.pinned_roots) all += name + ' ' + sha256_hex(root) + '\n';
    for (const OwnPlugin& each : setup.own) all += each.name + ' ' + each.version + '\n';
    return sha256_hex(std::as_bytes(std::span{all})).substr(0, 16);
}

Result<bundle::StoredBundle> UpdateEngine::State::verify_documents(
    const MetaFolder::Place& place) const {
    // What ran yesterday runs today: expiry stops new installations only.
    bundle::Policy lasting = policy(false);
    lasting.accept_expired = true;
    auto proven = prove_documents(setup, meta, place, lasting);
    if (!proven) return Unexpected<Error>{proven.error()};
    return std::move(proven->stored);
}

void UpdateEngine::State::refresh_trust() {
    if (!setup.trust) return;
    Trust now = setup.trust();
    setup.policy.enrolled = std::move(now.enrolled);
    setup.pinned_roots = std::move(now.pinned_roots);
}

Result<LoadedBuild> UpdateEngine::State::load(const PluginBuild& build, Stored& stored) const {
    const MetaFolder::Place place{build.bundle, build.documents};
    auto found = stored.find(place);
    if (found == stored.end()) found = stored.emplace(place, verify_documents(place)).first;
    if (!found->second) return Unexpected<Error>{found->second.error()};

    const auto [manifest, file] = find_build(*found->second, build, setup.policy.host.arch);
    if (manifest == nullptr) {
        return failure("store.missing", "the documents of the bundle \"" + build.bundle +
                                            "\" do not name the build " + build.sha256 + " of " +
                                            build.name + ": update again");
    }
    auto bytes = blobs.read(build.sha256, sdk::k_max_plugin_size);
    if (!bytes) return Unexpected<Error>{bytes.error()};
    auto checked = bundle::check_plugin(
        *manifest, *file, std::make_shared<const bundle::Bytes>(std::move(*bytes)), policy(false));
    if (!checked) return Unexpected<Error>{checked.error()};
    auto sealed = sealed_memory_file(build.name + '-' + build.version, *checked->bytes);
    if (!sealed) return Unexpected<Error>{sealed.error()};
    return LoadedBuild{build, std::move(*sealed), std::move(checked->note),
                       std::move(checked->raw_note)};
}

Unexpected<Error> UpdateEngine::State::unknown(const std::string& name) {
    return failure("update.unknown_plugin", "no bundle has delivered a plug-in \"" + name +
                                                "\": look at the list of plug-ins for its name");
}

Result<void> UpdateEngine::State::collect_garbage() {
    if (!memory.writable()) {
        // What was read may be older than what lies there: nothing is known to be garbage.
        return failure("store.unavailable", memory.why_read_only());
    }
    Snapshot next = memory.now();
    std::set<std::string> used_blobs;
    std::set<MetaFolder::Place> used;
    for (auto row = next.plugins.begin(); row != next.plugins.end();) {
        const PluginRow& each = row->second;
        bool has_builds = false;
        for (const auto* build : {&each.record.active, &each.record.last_good, &each.record.staged,
                                  &each.previous, &each.put_away}) {
            if (!*build) continue;
            has_builds = true;
            used_blobs.insert((*build)->sha256);
            used.emplace((*build)->bundle, (*build)->documents);
        }
        const bool says_nothing = !has_builds && each.record.quarantine.empty() &&
                                  !each.record.pinned && !each.record.disabled;
        row = says_nothing ? next.plugins.erase(row) : std::next(row);
    }
    for (const auto& [name, bundle] : next.bundles) {
        if (!bundle.documents.empty()) used.emplace(name, bundle.documents);
    }
    std::erase_if(next.documents, [&](const auto& each) { return !used.contains(each.first); });
    // The names first: a file that nobody names does no harm, a name without its file does.
    if (auto done = memory.commit(std::move(next)); !done) return done;
    if (auto done = meta.keep_only(used); !done) return done;
    return blobs.keep_only(used_blobs);
}

}  // namespace backplane::core
