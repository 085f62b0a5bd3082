// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// UpdateEngine::accept(): verify in memory, make blobs and documents durable, then name them in one transaction.
#include <algorithm>

#include "update/engine_state.hpp"
#include "util/utf8.hpp"

namespace backplane::core {
namespace {

constexpr std::int64_t k_rejected_s = 24 * 60 * 60;
constexpr std::int64_t k_day_s = 24 * 60 * 60;
/// Beyond what is written now: for the database, and for the rest of the box.
constexpr std::uint64_t k_spare_bytes = std::uint64_t{8} << 20;
constexpr std::size_t k_etag_bytes = 1024;
constexpr std::size_t k_text_bytes = 1000;
/// Roots of the past go along from release to release: a rebuild proves with them that today's root is right.
constexpr std::size_t k_roots_kept = 256;

using Place = MetaFolder::Place;
using Documents = std::map<std::string, bundle::Bytes>;

/// An ETag that no server should send is none: it would go into a header again.
bool is_usable_etag(const std::string& etag) {
    return !etag.empty() && etag.size() <= k_etag_bytes &&
           std::all_of(etag.begin(), etag.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string text_of(const bundle::Bytes& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Accept {
public:
    Accept(UpdateEngine::State& state, const UpdateEngine::Offer& offer)
        : state_(state), offer_(offer), next_(state.memory.now()) {}

    Result<UpdateEngine::Acceptance> run(std::span<const std::byte> zip) {
        if (is_usable_etag(offer_.etag)) next_.box.last_contact = state_.unix_now();
        const auto files = unpack(zip);
        if (!files) {
            // A box that could not look into an archive has nothing against it.
            if (!files.error().code.starts_with("E_")) return Unexpected<Error>{files.error()};
            reject(files.error());
            // What is remembered only spares a download: that it could not be written does not change the answer.
            (void)state_.memory.commit(std::move(next_)).has_value();
            return Unexpected<Error>{files.error()};
        }
        const auto verified =
            bundle::verify_files(**files, state_.trust(), state_.policy(offer_.forced));
        acceptance_.foreign_files = verified.foreign_files;
        for (const auto& rejected : verified.rejected) take_rejected(rejected);
        for (const auto& accepted : verified.bundles) {
            if (auto done = take_accepted(accepted); !done) return Unexpected<Error>{done.error()};
        }
        if (auto stored = store(verified); !stored) return Unexpected<Error>{stored.error()};
        if (verified.rejected.empty() && is_usable_etag(offer_.etag)) {
            BoxRow& box = next_.box;
            box.accepted_etag = offer_.etag;
            box.accepted_facts = state_.facts();
            box.rejected_etag.clear();
        }
        raise_clock(verified);
        if (auto done = state_.memory.commit(std::move(next_)); !done)
            return Unexpected<Error>{done.error()};
        return std::move(acceptance_);
    }

private:
    Result<std::unique_ptr<bundle::FileSource>> unpack(std::span<const std::byte> zip) const {
        if (state_.setup.unpack) return state_.setup.unpack(zip);
        auto archive = bundle::Archive::view(zip);
        if (!archive) return Unexpected<Error>{archive.error()};
        return std::unique_ptr<bundle::FileSource>{
            std::make_unique<bundle::Archive>(*std::move(archive))};
    }

    void reject(const Error& error) {
        if (!is_usable_etag(offer_.etag)) return;
        BoxRow& box = next_.box;
        box.rejected_etag = offer_.etag;
        box.rejected_facts = state_.facts();
        box.rejected_code = error.code;
        box.rejected_text = to_printable(error.text, k_text_bytes);
        box.rejected_since = state_.unix_now();
        box.rejected_until = box.rejected_since + k_rejected_s;
    }

    void take_rejected(const bundle::RejectedBundle& rejected) {
        UpdateEngine::Acceptance::Bundle told;
        told.bundle = rejected.bundle;
        told.code = rejected.error.code;
        told.text = rejected.error.text;
        acceptance_.bundles.push_back(std::move(told));
        reject(rejected.error);
        if (!rejected.root_bytes) return;
        BundleRow& row = next_.bundles[rejected.bundle];
        row.root = text_of(*rejected.root_bytes);
        if (rejected.resets_version) {
            row.highest_version = 0;
            row.highest_digest.clear();
        }
    }

    Result<void> take_accepted(const bundle::VerifiedBundle& accepted) {
        UpdateEngine::Acceptance::Bundle told;
        told.bundle = accepted.bundle;
        told.version = accepted.release.version;
        told.accepted = true;
        told.unchanged = accepted.unchanged;
        acceptance_.bundles.push_back(std::move(told));
        for (const auto& refused : accepted.refused) acceptance_.left_out.push_back(refused);

        Documents documents = accepted.documents;
        add_older_roots(accepted.bundle, documents);
        const Place place{accepted.bundle,
                          MetaFolder::folder_for(accepted.release.version, documents)};
        state_.rules().apply(next_, accepted, place.second, offer_.forced, acceptance_);
        documents_.emplace(place, std::move(documents));
        return {};
    }

    void add_older_roots(const std::string& bundle, Documents& documents) const {
        const auto& known = state_.memory.now().bundles;
        const auto row = known.find(bundle);
        if (row == known.end() || row->second.documents.empty()) return;
        const auto stored = state_.meta.read({bundle, row->second.documents});
        if (!stored) return;
        std::string prefix = bundle::root_name(bundle, 0);
        prefix.resize(prefix.rfind("0.json"));
        Documents older;
        for (const auto& [name, bytes] : stored->files()) {
            if (name.starts_with(prefix) && !documents.contains(name)) older.emplace(name, bytes);
        }
        if (older.size() <= k_roots_kept) documents.merge(older);
    }

    bool is_used(const bundle::VerifiedPlugin& plugin) const {
        const auto found = next_.plugins.find(plugin.manifest.name);
        if (found == next_.plugins.end()) return false;
        const PluginRow& row = found->second;
        for (const auto* build : {&row.record.active, &row.record.staged, &row.record.last_good,
                                  &row.previous, &row.put_away}) {
            if (*build && (*build)->sha256 == plugin.file.sha256) return true;
        }
        return false;
    }

    /// Everything that the transaction will name, durable before it.
    Result<void> store(const bundle::Verification& verified) {
        std::vector<const bundle::VerifiedPlugin*> used;
        std::uint64_t bytes = 0;
        for (const auto& accepted : verified.bundles) {
            for (const auto& plugin : accepted.plugins) {
                if (!is_used(plugin)) continue;
                used.push_back(&plugin);
                if (!state_.blobs.contains(plugin.file.sha256)) bytes += plugin.bytes->size();
            }
        }
        for (const auto& [place, documents] : documents_) {
            if (state_.memory.now().documents.contains(place)) continue;
            for (const auto& [name, content] : documents) bytes += content.size();
        }
        if (bytes > 0) {
            if (auto room = check_space(bytes); !room) return room;
        }
        for (const auto* plugin : used) {
            if (auto put = state_.blobs.put(plugin->file.sha256, *plugin->bytes); !put) return put;
        }
        if (!used.empty()) {
            if (auto synced = state_.blobs.sync(); !synced) return synced;
        }
        for (const auto& [place, documents] : documents_) {
            if (auto written = state_.meta.write(place, documents); !written) return written;
        }
        return {};
    }

    Result<void> check_space(std::uint64_t bytes) const {
        const auto have = state_.setup.files->free_space(state_.setup.folder);
        if (!have) return Unexpected<Error>{have.error()};
        if (*have >= k_spare_bytes && *have - k_spare_bytes >= bytes) return {};
        const auto kib = [](std::uint64_t count) { return std::to_string((count + 1023) / 1024); };
        return failure("E_SPACE", "the update needs " + kib(bytes) + " KiB and " +
                                      kib(k_spare_bytes) + " KiB to spare, but only " + kib(*have) +
                                      " KiB are free where " + state_.setup.folder +
                                      " lies: make room on the disk");
    }

    void raise_clock(const bundle::Verification& verified) {
        if (verified.bundles.empty()) return;
        std::int64_t seen = 0;
        for (const auto& accepted : verified.bundles) {
            seen = std::max<std::int64_t>(seen, accepted.release.issued.time_since_epoch().count());
        }
        // An owner who overrides expiry may do so because the clock is wrong: it is not to be believed for ever. Without
        // that, nothing is accepted long after it has expired, which bounds how wrong a clock can be here.
        if (!state_.setup.policy.accept_expired) seen = std::max(seen, state_.unix_now());
        std::int64_t& floor = next_.box.clock_floor;
        if (seen > floor && seen - floor > k_day_s) floor = seen;
    }

    UpdateEngine::State& state_;
    const UpdateEngine::Offer& offer_;
    Snapshot next_;
    UpdateEngine::Acceptance acceptance_;
    std::map<Place, Documents> documents_;
};

}  // namespace

Result<UpdateEngine::Acceptance> UpdateEngine::State::accept(std::span<const std::byte> zip,
                                                             const Offer& offer) {
    // A disk that could not be written at the start may be writable by now.
    if (auto ready = prepare_folders(); !ready) return Unexpected<Error>{ready.error()};
    refresh_trust();
    return Accept{*this, offer}.run(zip);
}

}  // namespace backplane::core
