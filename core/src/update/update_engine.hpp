// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the box has accepted, what runs, what ran well, and what may not run again: the durable half of updates.
//
// One SQLite transaction per step is the single commit point; blobs and documents are durable before the step that
// names them, and every counter that limits a risky act is committed before the act. So a power cut at any instant
// leaves either the old or the new state, whole (docs/explanation/updates.md has the table of crashes).
//
//   accept() ─► staged ─► preflight ─► trial ─► good          trial or preflight fails ─► quarantined, last good runs
//
// Thread: any one at a time (the updater's worker). Blocking: on the disk and on SHA-256. Errors: of the verification
// (E_…), of the disk ("store.…"), "update.unknown_plugin", "update.no_last_good", "update.below_floor", "update.state".
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "backplane/core/fd.hpp"
#include "backplane/core/update.hpp"
#include "bundle/verify.hpp"
#include "store/durable_files.hpp"

namespace backplane::core {

/// One build of one plug-in.
struct PluginBuild {
    std::string name, kind, version, sha256;
    std::string bundle;     ///< "" for one that came with the box
    std::string vendor;     ///< of a delegated manifest, or empty
    std::string plugin_id;  ///< "com.acme.scale"
    std::uint64_t release_version = 0;
    std::string release_digest;
    std::string documents;  ///< folder of what was signed, below "meta/<bundle>"
    std::string signer;
    bundle::Health health;
    /// The same content of the same publisher; which release brought it does not matter.
    bool operator==(const PluginBuild& other) const {
        return sha256 == other.sha256 && bundle == other.bundle;
    }
};

/// Everything about one plug-in. Absent builds: there is none.
struct PluginRecord {
    std::string name;
    std::optional<PluginBuild> active;  ///< should run: the good one or the one on trial
    std::optional<PluginBuild>
        last_good;                      ///< absent: the one that came with the box, if it has one
    std::optional<PluginBuild> staged;  ///< accepted, not tried yet
    bool on_trial = false;              ///< `active` has not proved itself
    unsigned preflight_starts = 0, trial_starts = 0;
    bool pinned = false;
    bool disabled = false;   ///< nothing may run: withdrawn or below the floor, and no other build
    std::string reason;      ///< of the last change, for people
    std::int64_t since = 0;  ///< Unix time
    struct Quarantine {
        std::string sha256, version, reason;
        unsigned count = 0;
        std::int64_t since = 0;
        std::int64_t granted =
            0;  ///< Unix time of the trial that Force has given it since; 0: none
    };
    std::vector<Quarantine> quarantine;  ///< newest first, at most 8
};

/// A build whose signatures, hash, ELF and note were checked a moment ago, in a sealed memory file.
struct LoadedBuild {
    PluginBuild build;
    Fd bytes;
    sdk::PluginNote note;
    boost::json::object raw_note;
};

/// A plug-in of the box itself, for ownership and for "last good".
struct OwnPlugin {
    std::string name, plugin_id, version;
};

class UpdateEngine {
public:
    /// Whom the owner trusts.
    struct Trust {
        std::vector<bundle::PublicKey> enrolled;
        std::map<std::string, bundle::Bytes> pinned_roots;
    };
    struct Setup {
        std::string folder;             ///< "<state>/updates": blobs/, meta/, state.db
        DurableFiles* files = nullptr;  ///< outlives the engine
        std::string sqlite_vfs;         ///< empty: SQLite's own
        bundle::Policy
            policy;  ///< its now, quarantined, floors, owners and ignore_quarantine are filled in here
        /// Roots that came with the box or were put there by its owner, by bundle id: files of "--trust-dir".
        std::map<std::string, bundle::Bytes> pinned_roots;
        /// Asked again before each bundle, so that a key that was added counts at once; empty: it stays as it is here.
        std::function<Trust()> trust;
        std::vector<OwnPlugin> own;
        std::function<bundle::Time()> clock;  ///< wall clock
        bundle::Time build_time{};            ///< no trusted time is before it
        /// Makes files of an archive that nobody has vouched for yet, in another process (unpack_process.hpp). Errors as
        /// those of bundle::Archive count against the archive, others do not. Empty: in this process, for tests and tools.
        std::function<Result<std::unique_ptr<bundle::FileSource>>(std::span<const std::byte>)>
            unpack;
    };

    /// Opens or makes the state and finishes what a power cut has interrupted: a damaged database is rebuilt from the
    /// signed documents, what no record names is removed. A disk that cannot be written is no error here: what was
    /// accepted before is read, and everything that would have to be remembered fails with the reason.
    static Result<std::unique_ptr<UpdateEngine>> open(Setup setup);
    ~UpdateEngine();

    /// What open() and start() had to repair, for log and homepage.
    const std::vector<std::string>& repairs() const;
    std::vector<PluginRecord> plugins() const;
    std::optional<PluginRecord> plugin(const std::string& name) const;
    std::vector<std::string> warnings() const;  ///< expired releases, development mode, …

    // ---- a bundle -----------------------------------------------------------------------------------------------
    /// What to send as If-None-Match: of the content that was accepted or lately rejected; empty when forced.
    std::string etag(bool forced) const;
    struct Offer {
        std::string etag;  ///< empty: not from a server
        bool forced = false;
    };
    struct Acceptance {
        struct Bundle {
            std::string bundle;
            std::uint64_t version = 0;
            bool accepted = false, unchanged = false;
            std::string code, text;  ///< of a rejection
        };
        std::vector<Bundle> bundles;
        std::vector<PluginBuild> staged;        ///< to be tried now, in this order
        std::vector<bundle::Refusal> left_out;  ///< plug-ins that were not taken, and why
        /// Names of which the running build may not run any more (withdrawn, below the floor) and no other was staged.
        /// plugin(name) says what takes its place: `active`, else the box's own, else nothing (`disabled`).
        std::vector<std::string> disabled;
        std::size_t foreign_files = 0;
    };
    /// Verify, store, T1 (or T0: the rejection is remembered, error or `accepted` false). Nothing that runs is touched.
    Result<Acceptance> accept(std::span<const std::byte> zip, const Offer& offer);
    /// A server that answered "unchanged" or "nothing": remembered as contact.
    Result<void> contacted(const std::string& etag);

    // ---- one plug-in --------------------------------------------------------------------------------------------
    /// Verified anew: documents, hash, ELF. Error: as bundle::check_plugin(), "store.missing", "blob.damaged".
    Result<LoadedBuild> load(const PluginBuild& build) const;
    /// What to run instead of the box's own plug-ins after a start. Counts a trial start before it returns a build on
    /// trial; one whose trials are used up is rolled back first, a damaged one makes way for its last good build.
    struct Start {
        std::vector<LoadedBuild> run;
        std::set<std::string> disabled;
        std::vector<PluginBuild> still_staged;  ///< go on with preflight
    };
    Result<Start> start();

    /// Count an attempt, before it. False: the attempts (3) are used up and the build is quarantined now.
    Result<bool> begin_preflight(const std::string& name);
    /// It cannot be used: quarantined at once (`final`), or at its third failure.
    Result<void> preflight_failed(const std::string& name, const std::string& reason, bool final);
    /// T2: staged becomes active, on trial; trial start 1 is counted.
    Result<void> begin_trial(const std::string& name);
    /// Tb: back to the last good build, this one into quarantine. Returns what should run now; nothing: the box's own,
    /// or none.
    Result<std::optional<PluginBuild>> trial_failed(const std::string& name,
                                                    const std::string& reason);
    /// The build on trial has served for as long as a bad one would have needed to fail: this start and those before are
    /// not held against it. Otherwise a box that is switched off every night would put away what nobody has used yet.
    Result<void> trial_lives(const std::string& name);
    /// T3. The build that was last good before is no longer kept.
    Result<void> confirm(const std::string& name);

    // ---- the owner ----------------------------------------------------------------------------------------------
    Result<std::optional<PluginBuild>> roll_back(const std::string& name);
    Result<void> pin(const std::string& name, bool pinned);
    /// Quarantine is forgotten; a build that was put away and is still the newest is staged again.
    Result<std::optional<PluginBuild>> release(const std::string& name);

    /// Blobs and documents that no record names.
    Result<void> collect_garbage();

    struct State;  ///< of the files that implement this class (engine_state.hpp)

private:
    explicit UpdateEngine(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace backplane::core
