// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/update_tables.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "bundle/metadata.hpp"

namespace backplane::core {
namespace {

constexpr std::array<std::string_view, 11> k_box{"id",
                                                 "accepted_etag",
                                                 "accepted_facts",
                                                 "rejected_etag",
                                                 "rejected_facts",
                                                 "rejected_code",
                                                 "rejected_text",
                                                 "rejected_since",
                                                 "rejected_until",
                                                 "last_contact",
                                                 "clock_floor"};
constexpr std::array<std::string_view, 6> k_bundle{"bundle",         "root",      "highest_version",
                                                   "highest_digest", "documents", "expires"};
constexpr std::array<std::string_view, 4> k_vendor{"bundle", "vendor", "version", "digest"};
constexpr std::array<std::string_view, 4> k_withdrawn{"bundle", "vendor", "sha256", "reason"};
constexpr std::array<std::string_view, 3> k_documents{"bundle", "folder", "root"};
constexpr std::array<std::string_view, 9> k_plugin{"name",         "on_trial", "preflight_starts",
                                                   "trial_starts", "pinned",   "disabled",
                                                   "floor",        "reason",   "since"};
constexpr std::array<std::string_view, 16> k_build{
    "plugin",          "role",           "kind",        "version",
    "sha256",          "bundle",         "vendor",      "plugin_id",
    "release_version", "release_digest", "documents",   "signer",
    "ready_ms",        "open_ms",        "probation_s", "actions"};
constexpr std::array<std::string_view, 8> k_quarantine{"plugin", "sha256", "place", "version",
                                                       "reason", "count",  "since", "granted"};

constexpr std::size_t k_quarantined_builds = 8;

std::int64_t number_of(std::uint64_t value) noexcept {
    return static_cast<std::int64_t>(value);  // and back again in version_of()
}
std::uint64_t version_of(std::int64_t value) noexcept {
    return static_cast<std::uint64_t>(value);
}
unsigned count_of(std::int64_t value) noexcept {
    return static_cast<unsigned>(
        std::clamp<std::int64_t>(value, 0, std::numeric_limits<int>::max()));
}
/// Limits of time that somebody has changed to nonsense do not become overflows of a clock: at most a year.
template <typename Duration>
Duration duration_of(std::int64_t value) noexcept {
    constexpr auto k_year = std::chrono::duration_cast<Duration>(std::chrono::days{366}).count();
    return Duration{std::clamp<std::int64_t>(value, 0, k_year)};
}

bool is_sha256(std::string_view text) noexcept {
    return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

/// Cells of one row, one after the other.
class Cells {
public:
    explicit Cells(const UpdateCells& cells) : cells_(cells) {}
    std::string text() { return std::get<std::string>(cells_[at_++]); }
    std::int64_t number() { return std::get<std::int64_t>(cells_[at_++]); }

private:
    const UpdateCells& cells_;
    std::size_t at_ = 0;
};

constexpr std::string_view k_active = "active", k_last_good = "last_good", k_staged = "staged",
                           k_previous = "previous", k_put_away = "put_away";

/// Where a plug-in keeps its build of this role; null: there is no such role.
template <typename Row>
auto place_of(Row& row, std::string_view role) -> decltype(&row.previous) {
    if (role == k_active) return &row.record.active;
    if (role == k_last_good) return &row.record.last_good;
    if (role == k_staged) return &row.record.staged;
    if (role == k_previous) return &row.previous;
    if (role == k_put_away) return &row.put_away;
    return nullptr;
}

UpdateCells cells_of(std::string_view role, const PluginBuild& build) {
    return {build.name,
            std::string{role},
            build.kind,
            build.version,
            build.sha256,
            build.bundle,
            build.vendor,
            build.plugin_id,
            number_of(build.release_version),
            build.release_digest,
            build.documents,
            build.signer,
            std::int64_t{build.health.ready.count()},
            std::int64_t{build.health.open.count()},
            std::int64_t{build.health.probation.count()},
            std::int64_t{build.health.actions}};
}

std::string read_build(PluginBuild& build, Cells cells, std::string& role) {
    build.name = cells.text();
    role = cells.text();
    build.kind = cells.text();
    build.version = cells.text();
    build.sha256 = cells.text();
    build.bundle = cells.text();
    build.vendor = cells.text();
    build.plugin_id = cells.text();
    build.release_version = version_of(cells.number());
    build.release_digest = cells.text();
    build.documents = cells.text();
    build.signer = cells.text();
    build.health.ready = duration_of<std::chrono::milliseconds>(cells.number());
    build.health.open = duration_of<std::chrono::milliseconds>(cells.number());
    build.health.probation = duration_of<std::chrono::seconds>(cells.number());
    build.health.actions = count_of(cells.number());
    if (!is_sha256(build.sha256)) return "a build whose SHA-256 is none";
    if (!bundle::is_plain_id(build.bundle)) return "a build of a bundle without a proper name";
    if (!is_documents_folder(build.documents)) return "a build without documents";
    if (build.kind != "driver" && build.kind != "interface")
        return "a build that is neither driver nor interface";
    return {};
}

Unexpected<Error> damaged(const std::string& what) {
    return failure("store.damaged", "the record of updates has " + what);
}

}  // namespace

const std::array<UpdateTable, k_update_table_count> k_update_tables{
    UpdateTable{"box", 1, k_box, "nttttttnnnn"},
    UpdateTable{"bundle", 1, k_bundle, "ttnttn"},
    UpdateTable{"vendor", 2, k_vendor, "ttnt"},
    UpdateTable{"withdrawn", 3, k_withdrawn, "tttt"},
    UpdateTable{"documents", 2, k_documents, "ttt"},
    UpdateTable{"plugin", 1, k_plugin, "tnnnnnttn"},
    UpdateTable{"build", 2, k_build, "ttttttttntttnnnn"},
    UpdateTable{"quarantine", 2, k_quarantine, "ttnttnnn"},
};

/// Append only: a box in the field has any of these versions. Times are Unix seconds.
const std::array<std::string_view, 1> k_update_schema{
    "CREATE TABLE box ("
    " id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1), accepted_etag TEXT NOT NULL,"
    " accepted_facts TEXT NOT NULL, rejected_etag TEXT NOT NULL, rejected_facts TEXT NOT NULL,"
    " rejected_code TEXT NOT NULL, rejected_text TEXT NOT NULL, rejected_since INTEGER NOT NULL,"
    " rejected_until INTEGER NOT NULL, last_contact INTEGER NOT NULL,"
    " clock_floor INTEGER NOT NULL) STRICT;"
    "CREATE TABLE bundle ("
    " bundle TEXT PRIMARY KEY NOT NULL, root TEXT NOT NULL, highest_version INTEGER NOT NULL,"
    " highest_digest TEXT NOT NULL, documents TEXT NOT NULL, expires INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE vendor ("
    " bundle TEXT NOT NULL, vendor TEXT NOT NULL, version INTEGER NOT NULL, digest TEXT NOT NULL,"
    " PRIMARY KEY (bundle, vendor)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE withdrawn ("
    " bundle TEXT NOT NULL, vendor TEXT NOT NULL, sha256 TEXT NOT NULL, reason TEXT NOT NULL,"
    " PRIMARY KEY (bundle, vendor, sha256)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE documents ("
    " bundle TEXT NOT NULL, folder TEXT NOT NULL, root TEXT NOT NULL,"
    " PRIMARY KEY (bundle, folder)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE plugin ("
    " name TEXT PRIMARY KEY NOT NULL, on_trial INTEGER NOT NULL, preflight_starts INTEGER NOT NULL,"
    " trial_starts INTEGER NOT NULL, pinned INTEGER NOT NULL, disabled INTEGER NOT NULL,"
    " floor TEXT NOT NULL, reason TEXT NOT NULL, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE build ("
    " plugin TEXT NOT NULL, role TEXT NOT NULL, kind TEXT NOT NULL, version TEXT NOT NULL,"
    " sha256 TEXT NOT NULL, bundle TEXT NOT NULL, vendor TEXT NOT NULL, plugin_id TEXT NOT NULL,"
    " release_version INTEGER NOT NULL, release_digest TEXT NOT NULL, documents TEXT NOT NULL,"
    " signer TEXT NOT NULL, ready_ms INTEGER NOT NULL, open_ms INTEGER NOT NULL,"
    " probation_s INTEGER NOT NULL, actions INTEGER NOT NULL,"
    " PRIMARY KEY (plugin, role)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE quarantine ("
    " plugin TEXT NOT NULL, sha256 TEXT NOT NULL, place INTEGER NOT NULL, version TEXT NOT NULL,"
    " reason TEXT NOT NULL, count INTEGER NOT NULL, since INTEGER NOT NULL,"
    " granted INTEGER NOT NULL, PRIMARY KEY (plugin, sha256)) STRICT, WITHOUT ROWID"};

bool is_documents_folder(std::string_view name) noexcept {
    const auto dash = name.find('-');
    const auto all = [](std::string_view text, auto allowed) {
        return std::all_of(text.begin(), text.end(), allowed);
    };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    return dash != std::string_view::npos && dash > 0 && dash <= 20 &&
           all(name.substr(0, dash), digit) && name.size() - dash - 1 == 16 &&
           all(name.substr(dash + 1), [&](char c) { return digit(c) || (c >= 'a' && c <= 'f'); });
}

UpdateRows rows_of(const Snapshot& snapshot) {
    UpdateRows rows;
    const auto add = [&](UpdateTableId table, UpdateCells cells) {
        rows[static_cast<std::size_t>(table)].insert(std::move(cells));
    };
    const BoxRow& box = snapshot.box;
    add(UpdateTableId::box,
        {std::int64_t{1}, box.accepted_etag, box.accepted_facts, box.rejected_etag,
         box.rejected_facts, box.rejected_code, box.rejected_text, box.rejected_since,
         box.rejected_until, box.last_contact, box.clock_floor});
    for (const auto& [name, bundle] : snapshot.bundles) {
        add(UpdateTableId::bundle, {name, bundle.root, number_of(bundle.highest_version),
                                    bundle.highest_digest, bundle.documents, bundle.expires});
        for (const auto& [vendor, state] : bundle.vendors)
            add(UpdateTableId::vendor, {name, vendor, number_of(state.version), state.digest});
        // One reason for each build and list: a second one says nothing new.
        std::set<std::pair<std::string, std::string>> listed;
        for (const auto& each : bundle.withdrawn) {
            if (listed.emplace(each.vendor, each.sha256).second)
                add(UpdateTableId::withdrawn, {name, each.vendor, each.sha256, each.reason});
        }
    }
    for (const auto& [place, root] : snapshot.documents)
        add(UpdateTableId::documents, {place.first, place.second, root});
    for (const auto& [name, row] : snapshot.plugins) {
        const PluginRecord& record = row.record;
        add(UpdateTableId::plugin,
            {name, std::int64_t{record.on_trial}, std::int64_t{record.preflight_starts},
             std::int64_t{record.trial_starts}, std::int64_t{record.pinned},
             std::int64_t{record.disabled}, row.floor, record.reason, record.since});
        for (const auto role : {k_active, k_last_good, k_staged, k_previous, k_put_away}) {
            if (const auto& build = *place_of(row, role))
                add(UpdateTableId::build, cells_of(role, *build));
        }
        std::int64_t place = 0;
        for (const auto& each : record.quarantine) {
            add(UpdateTableId::quarantine, {name, each.sha256, place++, each.version, each.reason,
                                            std::int64_t{each.count}, each.since, each.granted});
        }
    }
    return rows;
}

Result<Snapshot> snapshot_of(const UpdateRows& rows) {
    Snapshot snapshot;
    const auto rows_in = [&](UpdateTableId table) -> const std::set<UpdateCells>& {
        return rows[static_cast<std::size_t>(table)];
    };
    for (const UpdateCells& row : rows_in(UpdateTableId::box)) {
        Cells cells{row};
        BoxRow& box = snapshot.box;
        cells.number();
        box.accepted_etag = cells.text();
        box.accepted_facts = cells.text();
        box.rejected_etag = cells.text();
        box.rejected_facts = cells.text();
        box.rejected_code = cells.text();
        box.rejected_text = cells.text();
        box.rejected_since = cells.number();
        box.rejected_until = cells.number();
        box.last_contact = cells.number();
        box.clock_floor = cells.number();
    }
    for (const UpdateCells& row : rows_in(UpdateTableId::bundle)) {
        Cells cells{row};
        const std::string name = cells.text();
        if (!bundle::is_plain_id(name)) return damaged("a bundle without a proper name");
        BundleRow& bundle = snapshot.bundles[name];
        bundle.root = cells.text();
        bundle.highest_version = version_of(cells.number());
        bundle.highest_digest = cells.text();
        bundle.documents = cells.text();
        bundle.expires = cells.number();
        if (!bundle.documents.empty() && !is_documents_folder(bundle.documents))
            return damaged("a bundle with a folder that cannot be");
    }
    for (const UpdateCells& row : rows_in(UpdateTableId::vendor)) {
        Cells cells{row};
        const auto found = snapshot.bundles.find(cells.text());
        if (found == snapshot.bundles.end()) return damaged("a vendor without its bundle");
        auto& vendor = found->second.vendors[cells.text()];
        vendor.version = version_of(cells.number());
        vendor.digest = cells.text();
    }
    for (const UpdateCells& row : rows_in(UpdateTableId::withdrawn)) {
        Cells cells{row};
        const auto found = snapshot.bundles.find(cells.text());
        if (found == snapshot.bundles.end()) return damaged("a withdrawal without its bundle");
        WithdrawnBuild withdrawn;
        withdrawn.vendor = cells.text();
        withdrawn.sha256 = cells.text();
        withdrawn.reason = cells.text();
        found->second.withdrawn.push_back(std::move(withdrawn));
    }
    for (const UpdateCells& row : rows_in(UpdateTableId::documents)) {
        Cells cells{row};
        std::string bundle = cells.text();
        std::string folder = cells.text();
        if (!bundle::is_plain_id(bundle) || !is_documents_folder(folder))
            return damaged("documents in a folder that cannot be");
        snapshot.documents[{std::move(bundle), std::move(folder)}] = cells.text();
    }
    for (const UpdateCells& row : rows_in(UpdateTableId::plugin)) {
        Cells cells{row};
        const std::string name = cells.text();
        if (!bundle::is_plain_id(name)) return damaged("a plug-in without a proper name");
        PluginRow& plugin = snapshot.plugins[name];
        PluginRecord& record = plugin.record;
        record.name = name;
        record.on_trial = cells.number() != 0;
        record.preflight_starts = count_of(cells.number());
        record.trial_starts = count_of(cells.number());
        record.pinned = cells.number() != 0;
        record.disabled = cells.number() != 0;
        plugin.floor = cells.text();
        record.reason = cells.text();
        record.since = cells.number();
    }
    for (const UpdateCells& row : rows_in(UpdateTableId::build)) {
        PluginBuild build;
        std::string role;
        if (const auto wrong = read_build(build, Cells{row}, role); !wrong.empty())
            return damaged(wrong);
        const auto found = snapshot.plugins.find(build.name);
        if (found == snapshot.plugins.end()) return damaged("a build without its plug-in");
        auto* const place = place_of(found->second, role);
        if (place == nullptr) return damaged("a build of an unknown role");
        *place = std::move(build);
    }
    // In the order of their places, which only reading knows: the set is in that of the hashes.
    std::map<std::pair<std::string, std::int64_t>, PluginRecord::Quarantine> quarantine;
    for (const UpdateCells& row : rows_in(UpdateTableId::quarantine)) {
        Cells cells{row};
        const std::string name = cells.text();
        PluginRecord::Quarantine each;
        each.sha256 = cells.text();
        const std::int64_t place = cells.number();
        each.version = cells.text();
        each.reason = cells.text();
        each.count = count_of(cells.number());
        each.since = cells.number();
        each.granted = cells.number();
        quarantine[{name, place}] = std::move(each);
    }
    for (auto& [place, each] : quarantine) {
        const auto found = snapshot.plugins.find(place.first);
        if (found == snapshot.plugins.end()) return damaged("a quarantine without its plug-in");
        auto& list = found->second.record.quarantine;
        if (list.size() < k_quarantined_builds) list.push_back(std::move(each));
    }
    return snapshot;
}

}  // namespace backplane::core
