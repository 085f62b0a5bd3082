// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/update_engine.hpp"

#include <algorithm>
#include <utility>

#include "backplane/core/database.hpp"
#include "bundle/trust_chain.hpp"
#include "update/engine_state.hpp"

namespace backplane::core {
namespace {

constexpr std::int64_t k_hour_s = 60 * 60;
constexpr std::int64_t k_day_s = 24 * k_hour_s;
constexpr std::int64_t k_silence_s = 30 * k_day_s;
/// Names that the record of updates is being made anew; gone when it is done.
constexpr std::string_view k_rebuild_mark = "rebuild";

Unexpected<Error> nothing_staged(const std::string& name) {
    return failure("update.state",
                   "no build of " + name + " waits to be tried: check for updates, or release it");
}

/// Durable before the database goes: a power cut between the two must not look like a box without updates.
Result<void> mark_rebuild(DurableFiles& files, const std::string& folder) {
    const std::string path = folder + '/' + std::string{k_rebuild_mark};
    auto mark = files.create(path);
    if (!mark) {
        if (mark.error().code == "store.exists") return {};
        return Unexpected<Error>{mark.error()};
    }
    if (auto synced = (*mark)->sync(); !synced) return synced;
    return files.sync_directory(folder);
}

bool has(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

struct OpenedMemory {
    UpdateState memory;
    bool rebuild = false;
    std::vector<std::string> repairs;
};

Result<OpenedMemory> open_memory(const UpdateEngine::Setup& setup) {
    DurableFiles& files = *setup.files;
    const std::string path = setup.folder + std::string{k_state_file};
    std::vector<std::string> repairs;
    const auto names = files.list(setup.folder);
    const auto bundles = files.list(setup.folder + "/meta");
    // It is made before the first bundle is accepted, so documents without it mean that it was lost.
    if (setup.sqlite_vfs.empty() && names && bundles && !bundles->empty() &&
        !has(*names, k_state_file.substr(1))) {
        if (auto marked = mark_rebuild(files, setup.folder); !marked)
            return Unexpected<Error>{marked.error()};
        repairs.push_back("the record of updates " + path + " was not there");
    }
    auto memory = UpdateState::open(path, setup.sqlite_vfs);
    if (!memory) {
        const Error error = memory.error();
        if (auto marked = mark_rebuild(files, setup.folder); !marked)
            return Unexpected<Error>{marked.error()};
        const auto aside = set_aside(path, error.code == "store.too_new" ? "newer" : "broken");
        if (!aside) return failure("store.unavailable", error.text + "; " + aside.error().text);
        repairs.push_back("the record of updates could not be used (" + error.text +
                          ") and was kept as " + *aside);
        memory = UpdateState::open(path, setup.sqlite_vfs);
        if (!memory) return Unexpected<Error>{memory.error()};
    }
    const auto now = files.list(setup.folder);
    const bool rebuild = now && has(*now, k_rebuild_mark);
    return OpenedMemory{std::move(*memory), rebuild, std::move(repairs)};
}

}  // namespace

UpdateEngine::UpdateEngine(std::unique_ptr<State> state) : state_(std::move(state)) {}
UpdateEngine::~UpdateEngine() = default;

namespace {

Result<void> make_update_folder(DurableFiles& files, const std::string& folder) {
    auto made = files.make_directory(folder);
    const auto slash = folder.find_last_of('/');
    if (made && slash != std::string::npos && slash != 0)
        made = files.sync_directory(folder.substr(0, slash));
    return made;
}

}  // namespace

Result<void> UpdateEngine::State::prepare_folders() {
    if (folders_ready) return {};
    auto ready = make_update_folder(*setup.files, setup.folder);
    if (ready) ready = blobs.prepare();
    if (ready) ready = meta.prepare();
    // Also the name of the database, before the first commit can count on it.
    if (ready) ready = setup.files->sync_directory(setup.folder);
    folders_ready = ready.has_value();
    return ready;
}

Result<std::unique_ptr<UpdateEngine>> UpdateEngine::open(Setup setup) {
    DurableFiles& files = *setup.files;
    // The database is opened in there; why that fails is told below, with everything else that the disk does not allow.
    (void)make_update_folder(files, setup.folder).has_value();
    auto opened = open_memory(setup);
    if (!opened) return Unexpected<Error>{opened.error()};
    auto state = std::make_unique<State>(std::move(setup), std::move(opened->memory));
    state->repairs = std::move(opened->repairs);
    const auto ready = state->prepare_folders();
    if (!state->memory.writable()) {
        state->repairs.push_back("the record of updates cannot be written: " +
                                 state->memory.why_read_only());
    } else if (!ready) {
        state->repairs.push_back("updates cannot be stored: " + ready.error().text);
    }
    if (opened->rebuild && state->memory.writable()) {
        Snapshot rebuilt = rebuild_from_documents(state->setup, state->meta, state->blobs,
                                                  state->policy(false), state->repairs);
        const std::size_t found = static_cast<std::size_t>(
            std::count_if(rebuilt.plugins.begin(), rebuilt.plugins.end(),
                          [](const auto& each) { return each.second.record.active.has_value(); }));
        auto done = state->memory.commit(std::move(rebuilt));
        const std::string mark = state->setup.folder + '/' + std::string{k_rebuild_mark};
        if (done) done = files.unlink(mark);
        if (done) done = files.sync_directory(state->setup.folder);
        if (done) {
            state->repairs.push_back(
                "the record of updates was made anew from the signed documents: " +
                std::to_string(found) +
                " plug-ins were found again; quarantine and pins are forgotten");
        } else {
            state->repairs.push_back("the record of updates could not be made anew: " +
                                     done.error().text);
        }
    }
    if (state->memory.writable() && ready) {
        if (auto done = state->collect_garbage(); !done)
            state->repairs.push_back("old builds could not be removed: " + done.error().text);
    }
    return std::unique_ptr<UpdateEngine>{new UpdateEngine{std::move(state)}};
}

const std::vector<std::string>& UpdateEngine::repairs() const {
    return state_->repairs;
}

std::vector<PluginRecord> UpdateEngine::plugins() const {
    std::vector<PluginRecord> records;
    for (const auto& [name, row] : state_->memory.now().plugins) records.push_back(row.record);
    return records;
}

std::optional<PluginRecord> UpdateEngine::plugin(const std::string& name) const {
    const auto& plugins = state_->memory.now().plugins;
    const auto found = plugins.find(name);
    if (found == plugins.end()) return std::nullopt;
    return found->second.record;
}

std::vector<std::string> UpdateEngine::warnings() const {
    const Snapshot& now = state_->memory.now();
    std::vector<std::string> warnings;
    if (state_->setup.policy.development) {
        warnings.push_back(
            "development mode: this box runs plug-ins of anybody; switch it off before it is "
            "used in earnest");
    }
    if (!state_->memory.writable()) {
        warnings.push_back("updates cannot be installed: " + state_->memory.why_read_only());
    }
    const bundle::Time trusted = state_->trusted_now();
    for (const auto& [name, row] : now.bundles) {
        const bundle::Time expires{std::chrono::seconds{row.expires}};
        if (row.documents.empty() || trusted <= expires) continue;
        warnings.push_back("release " + std::to_string(row.highest_version) + " of the bundle \"" +
                           name + "\" was valid until " + bundle::time_text(expires) +
                           ": its plug-ins run on; ask its publisher for a newer one");
    }
    const auto rules = state_->rules();
    for (const auto& [name, row] : now.plugins) {
        if (!row.record.active) continue;
        if (const auto banned = rules.why_not(row, *row.record.active, now))
            warnings.push_back(
                "it still runs, until another build takes its place or the box "
                "starts again: " +
                banned->text);
    }
    const std::int64_t silent = state_->unix_now() - now.box.last_contact;
    if (now.box.last_contact != 0 && silent > k_silence_s) {
        warnings.push_back("the server has not been asked for plug-ins with success for " +
                           std::to_string(silent / k_day_s) + " days: check the connection to it");
    }
    return warnings;
}

std::string UpdateEngine::etag(bool forced) const {
    state_->refresh_trust();
    if (forced) return {};
    const BoxRow& box = state_->memory.now().box;
    const std::string facts = state_->facts();
    const std::int64_t now = state_->unix_now();
    // A clock that was set back must not stretch the day that a rejection is remembered.
    if (!box.rejected_etag.empty() && box.rejected_facts == facts && now < box.rejected_until &&
        now >= box.rejected_since)
        return box.rejected_etag;
    return box.accepted_facts == facts ? box.accepted_etag : std::string{};
}

Result<UpdateEngine::Acceptance> UpdateEngine::accept(std::span<const std::byte> zip,
                                                      const Offer& offer) {
    return state_->accept(zip, offer);
}

Result<void> UpdateEngine::contacted(const std::string&) {
    const std::int64_t now = state_->unix_now();
    const std::int64_t last = state_->memory.now().box.last_contact;
    // It is shown in days: a card is not worn for every poll.
    if (now >= last && now - last < k_hour_s) return {};
    Snapshot next = state_->memory.now();
    next.box.last_contact = now;
    return state_->memory.commit(std::move(next));
}

Result<LoadedBuild> UpdateEngine::load(const PluginBuild& build) const {
    State::Stored stored;
    return state_->load(build, stored);
}

Result<bool> UpdateEngine::begin_preflight(const std::string& name) {
    bool may = true;
    const auto rules = state_->rules();
    auto done = state_->change(name, [&](PluginRow& row, Snapshot& next) -> Result<void> {
        PluginRecord& record = row.record;
        if (!record.staged) return nothing_staged(name);
        if (record.preflight_starts < k_preflight_starts) {
            ++record.preflight_starts;
            return {};
        }
        may = false;
        const PluginBuild build = *std::exchange(record.staged, std::nullopt);
        record.preflight_starts = 0;
        rules.quarantine(row, build, next,
                         "its check was begun " + std::to_string(k_preflight_starts) +
                             " times and never came to an end");
        return {};
    });
    if (!done) return Unexpected<Error>{done.error()};
    return may;
}

Result<void> UpdateEngine::preflight_failed(const std::string& name, const std::string& reason,
                                            bool final) {
    const auto rules = state_->rules();
    return state_->change(name, [&](PluginRow& row, Snapshot& next) -> Result<void> {
        PluginRecord& record = row.record;
        if (!record.staged) return nothing_staged(name);
        if (!final && record.preflight_starts < k_preflight_starts) {
            rules.note(row, record.staged->version + " could not be tried: " + reason);
            return {};
        }
        const PluginBuild build = *std::exchange(record.staged, std::nullopt);
        record.preflight_starts = 0;
        rules.quarantine(row, build, next, reason);
        return {};
    });
}

Result<void> UpdateEngine::begin_trial(const std::string& name) {
    const auto rules = state_->rules();
    return state_->change(name, [&](PluginRow& row, Snapshot& next) -> Result<void> {
        if (!row.record.staged) return nothing_staged(name);
        rules.begin_trial(row, next);
        return {};
    });
}

Result<std::optional<PluginBuild>> UpdateEngine::trial_failed(const std::string& name,
                                                              const std::string& reason) {
    const auto rules = state_->rules();
    auto done = state_->change(name, [&](PluginRow& row, Snapshot& next) -> Result<void> {
        if (!row.record.active || !row.record.on_trial) {
            return failure("update.state", "no build of " + name +
                                               " is on trial: roll it back if it does not work");
        }
        const PluginBuild build = *row.record.active;
        rules.fall_back(row, next);
        rules.quarantine(row, build, next, reason);
        return {};
    });
    if (!done) return Unexpected<Error>{done.error()};
    return plugin(name)->active;
}

Result<void> UpdateEngine::trial_lives(const std::string& name) {
    return state_->change(name, [&](PluginRow& row, Snapshot&) -> Result<void> {
        if (!row.record.active || !row.record.on_trial) {
            return failure("update.state",
                           "no build of " + name + " is on trial: there is nothing to count");
        }
        row.record.trial_starts = 0;
        return {};
    });
}

Result<void> UpdateEngine::confirm(const std::string& name) {
    const auto rules = state_->rules();
    return state_->change(name, [&](PluginRow& row, Snapshot&) -> Result<void> {
        if (!row.record.active || !row.record.on_trial) {
            return failure("update.state",
                           "no build of " + name + " is on trial: there is nothing to confirm");
        }
        rules.confirm(row);
        return {};
    });
}

Result<std::optional<PluginBuild>> UpdateEngine::roll_back(const std::string& name) {
    const auto rules = state_->rules();
    auto done = state_->change(name, [&](PluginRow& row, Snapshot& next) -> Result<void> {
        PluginRecord& record = row.record;
        const bool own = rules.own(name) != nullptr;
        if (!record.active || (!record.last_good && !own)) {
            return failure("update.no_last_good",
                           "there is no build of " + name +
                               " to go back to: install an older release, or wait for a newer one");
        }
        if (record.last_good && !own) {
            if (const auto banned = rules.why_not(row, *record.last_good, next))
                return failure("update.below_floor", "cannot go back: " + banned->text);
        }
        const PluginBuild build = *record.active;
        rules.fall_back(row, next);
        rules.quarantine(row, build, next, "rolled back by the owner");
        return {};
    });
    if (!done) return Unexpected<Error>{done.error()};
    return plugin(name)->active;
}

Result<void> UpdateEngine::pin(const std::string& name, bool pinned) {
    Snapshot next = state_->memory.now();
    const auto rules = state_->rules();
    if (!next.plugins.contains(name)) {
        if (rules.own(name) == nullptr) return State::unknown(name);
        next.plugins[name].record.name = name;
    }
    PluginRow& row = next.plugins[name];
    row.record.pinned = pinned;
    if (pinned) {
        row.record.staged.reset();
        row.record.preflight_starts = 0;
        rules.note(row, "pinned by the owner");
    } else {
        rules.note(row, "no longer pinned");
    }
    // What was left out, or is dropped here, is not on this disk: the server has to send it once more.
    next.box.accepted_etag.clear();
    return state_->memory.commit(std::move(next));
}

Result<std::optional<PluginBuild>> UpdateEngine::release(const std::string& name) {
    const auto rules = state_->rules();
    std::optional<PluginBuild> staged;
    auto done = state_->change(name, [&](PluginRow& row, Snapshot& next) -> Result<void> {
        PluginRecord& record = row.record;
        const bool had = !record.quarantine.empty();
        record.quarantine.clear();
        const auto build = std::exchange(row.put_away, std::nullopt);
        if (build && state_->blobs.contains(build->sha256) && !record.pinned &&
            !rules.why_not(row, *build, next) && !(record.active && *record.active == *build)) {
            record.staged = build;
            record.preflight_starts = 0;
            staged = build;
            rules.note(row, build->version + " was released by the owner, and waits to be tried");
            return {};
        }
        if (had) {
            rules.note(row, "released by the owner; the next update may bring it again");
            next.box.accepted_etag.clear();
        }
        return {};
    });
    if (!done) return Unexpected<Error>{done.error()};
    return staged;
}

Result<void> UpdateEngine::collect_garbage() {
    return state_->collect_garbage();
}

}  // namespace backplane::core
