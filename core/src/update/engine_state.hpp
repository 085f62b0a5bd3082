// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What an UpdateEngine consists of, for the files that implement it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/blob_store.hpp"
#include "update/meta_folder.hpp"
#include "update/plugin_rules.hpp"
#include "update/update_engine.hpp"
#include "update/update_state.hpp"

namespace backplane::core {

/// What is stored of a bundle, proven from what the box trusts now: not from what a database says it trusted once.
struct ProvenDocuments {
    bundle::StoredBundle stored;
    bundle::Bytes root;  ///< the newest of the chain
};
Result<ProvenDocuments> prove_documents(const UpdateEngine::Setup& setup, const MetaFolder& meta,
                                        const MetaFolder::Place& place,
                                        const bundle::Policy& policy);

struct UpdateEngine::State {
    State(Setup given, UpdateState memory);

    bundle::Time trusted_now() const;
    std::int64_t unix_now() const;
    PluginRules rules() const { return PluginRules{setup.own, setup.policy.floors, unix_now()}; }
    bundle::TrustStates trust() const;
    bundle::Policy policy(bool forced) const;
    /// What decides, besides an archive itself, which of its plug-ins are taken. An ETag counts only with the same facts.
    std::string facts() const;
    /// The owner may have added or removed a key.
    void refresh_trust();

    using Stored = std::map<MetaFolder::Place, Result<bundle::StoredBundle>>;
    /// `stored` keeps the documents that were verified before in the same run.
    Result<LoadedBuild> load(const PluginBuild& build, Stored& stored) const;
    Result<bundle::StoredBundle> verify_documents(const MetaFolder::Place& place) const;

    /// Applies a change to one record and commits it. The change returns an error to have nothing happen.
    template <typename Change>
    Result<void> change(const std::string& name, Change&& apply) {
        Snapshot next = memory.now();
        const auto found = next.plugins.find(name);
        if (found == next.plugins.end()) return unknown(name);
        if (Result<void> done = apply(found->second, next); !done) return done;
        return memory.commit(std::move(next));
    }
    static Unexpected<Error> unknown(const std::string& name);

    /// The folders of blobs and documents, durably. Tried again before each bundle until it has succeeded once.
    Result<void> prepare_folders();
    Result<Acceptance> accept(std::span<const std::byte> zip, const Offer& offer);
    Result<void> collect_garbage();

    Setup setup;
    UpdateState memory;
    BlobStore blobs;
    MetaFolder meta;
    bool folders_ready = false;
    std::vector<std::string> repairs;
};

inline constexpr std::string_view k_state_file = "/state.db";

/// Everything that the signed documents on the disk still prove; what it could not use is told in `notes`.
Snapshot rebuild_from_documents(const UpdateEngine::Setup& setup, const MetaFolder& meta,
                                const BlobStore& blobs, bundle::Policy policy,
                                std::vector<std::string>& notes);

}  // namespace backplane::core
