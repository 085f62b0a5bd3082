// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The memory of updates: everything that is remembered, as values, and the one database that holds it.
//
// Purpose: callers change a copy of the whole and commit it; what differs is written in one transaction, which is the
// single commit point of updates. So there is no way to write half of a step. The whole is small (some records of some
// plug-ins, a few signed roots). Thread: one at a time. Blocking: commit() on the disk.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backplane/core/database.hpp"
#include "update/update_engine.hpp"

namespace backplane::core {

struct PluginRow {
    PluginRecord record;
    /// While `active` is on trial: what was last good before `last_good`, and will be again if the trial fails.
    std::optional<PluginBuild> previous;
    /// The build of the newest release, when it was put into quarantine: what release() stages again.
    std::optional<PluginBuild> put_away;
    std::string
        floor;  ///< lowest version that may run, of the newest release that lists it; empty: any
};

struct WithdrawnBuild {
    std::string
        vendor;  ///< whose list it is on; empty: the release's own, which counts for the whole bundle
    std::string sha256, reason;
};

struct BundleRow {
    std::string root;  ///< newest root document that was accepted
    std::uint64_t highest_version = 0;
    std::string highest_digest;
    std::string documents;  ///< folder of the newest accepted release; empty: none was accepted yet
    std::int64_t expires = 0;  ///< of that release, Unix time
    std::map<std::string, bundle::TrustState::Vendor, std::less<>> vendors;
    std::vector<WithdrawnBuild> withdrawn;
};

/// What belongs to no plug-in and no bundle. An answer of the server is known by its ETag only together with the facts
/// about this box that decided what was taken from it: its version, whom it trusts.
struct BoxRow {
    std::string accepted_etag, accepted_facts;
    std::string rejected_etag, rejected_facts, rejected_code, rejected_text;
    std::int64_t rejected_since = 0, rejected_until = 0;
    std::int64_t last_contact = 0;
    std::int64_t clock_floor = 0;  ///< no trusted time is before it
};

struct Snapshot {
    std::map<std::string, PluginRow> plugins;
    std::map<std::string, BundleRow> bundles;
    /// (bundle, folder) → the root that was the newest when these documents were accepted. They are verified against
    /// it at each load: a publisher who changes keys does not stop what runs (that is what withdrawing is for).
    std::map<std::pair<std::string, std::string>, std::string> documents;
    BoxRow box;
};

class UpdateState {
public:
    /// A file that will never be good again is "store.damaged" or "store.too_new"; set it aside and open again. Where
    /// the disk does not allow to write, what can be read is there, and writable() is false.
    static Result<UpdateState> open(const std::string& path, const std::string& vfs);

    const Snapshot& now() const noexcept { return now_; }
    /// What differs from now(), all or nothing; nothing is written when nothing differs. After an error now() is what it
    /// was, unless the code is "update.state": then the disk has become writable again and now() is what lies there.
    Result<void> commit(Snapshot next);

    bool writable() const noexcept { return why_read_only_.empty(); }
    const std::string& why_read_only() const noexcept { return why_read_only_; }

private:
    UpdateState() = default;
    Result<void> become_writable();

    std::string path_, vfs_;
    std::optional<Database> database_;
    std::string why_read_only_;
    Snapshot now_;
};

/// "12-0123456789abcdef", as folders of documents are called.
bool is_documents_folder(std::string_view name) noexcept;

}  // namespace backplane::core
