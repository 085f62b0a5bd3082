// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "actions/action_book.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

namespace backplane::sync {

using core::Database;
using core::Error;
using core::Result;
using core::Unexpected;

namespace {

// A clock that is corrected by less is not worth a thought; one that runs a second off per hour never gets here.
constexpr std::int64_t k_jump_ms = 60'000;
constexpr std::chrono::minutes k_look_every{10};
constexpr std::size_t k_room = 1'000;  // a full book is looked through once for so many new ones
// The year 2100 and 1970: a clock outside of it must not overflow what is computed with it.
constexpr double k_last_second = 4'102'444'800;

std::string key_of(std::string_view device, std::string_view id) {
    std::string key;
    key.reserve(device.size() + 1 + id.size());
    key += device;
    key += '\n';
    key += id;
    return key;
}

std::int64_t milliseconds(double seconds) noexcept {
    if (!std::isfinite(seconds)) return 0;
    return static_cast<std::int64_t>(std::clamp(seconds, 0.0, k_last_second) * 1000);
}

/// FNV-1a: tells two contents of one number apart; it need not withstand anybody.
std::uint64_t hash_of(std::string_view text) noexcept {
    std::uint64_t hash = 14'695'981'039'346'656'037u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211u;
    return hash;
}

template <typename E>
std::int64_t number_of(E value) noexcept {
    return static_cast<std::int64_t>(value);
}

Result<void> step(core::Statement& statement) {
    const auto done = statement.step();
    statement.reset();
    if (!done) return Unexpected<Error>{done.error()};
    return {};
}

class Rows {
public:
    static Result<void> write(Database& database, const std::vector<RowChange>& changes) {
        auto insert = database.prepare(
            "INSERT INTO actions (number, origin, state, class, at, device, id, name, session, "
            "bytes, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
        if (!insert) return Unexpected<Error>{insert.error()};
        // What has run is not needed any more, but for its id.
        auto update = database.prepare(
            "UPDATE actions SET state = ?2, class = ?3, body = CASE WHEN ?2 > 1 THEN '' ELSE body "
            "END, bytes "
            "= CASE WHEN ?2 > 1 THEN 0 ELSE bytes END WHERE number = ?1");
        if (!update) return Unexpected<Error>{update.error()};
        auto erase = database.prepare("DELETE FROM actions WHERE number = ?1");
        if (!erase) return Unexpected<Error>{erase.error()};
        auto shift =
            database.prepare("UPDATE actions SET at = at + ?3 WHERE number >= ?1 AND number < ?2");
        if (!shift) return Unexpected<Error>{shift.error()};
        for (const RowChange& change : changes) {
            Result<void> done;
            switch (change.what) {
                case RowChange::What::insert:
                    bind(*insert, change);
                    done = step(*insert);
                    break;
                case RowChange::What::set_state:
                    update->bind(1, change.row.number);
                    update->bind(2, number_of(change.row.state));
                    update->bind(3, number_of(change.row.is));
                    done = step(*update);
                    break;
                case RowChange::What::erase:
                    erase->bind(1, change.row.number);
                    done = step(*erase);
                    break;
                case RowChange::What::shift:
                    shift->bind(1, change.row.number);
                    shift->bind(2, change.end);
                    shift->bind(3, change.row.at);
                    done = step(*shift);
                    break;
            }
            if (!done) return done;
        }
        return {};
    }

private:
    static void bind(core::Statement& insert, const RowChange& change) {
        const ActionRow& row = change.row;
        insert.bind(1, row.number);
        insert.bind(2, std::int64_t{row.from_server ? 0 : 1});
        insert.bind(3, number_of(row.state));
        insert.bind(4, number_of(row.is));
        insert.bind(5, row.at);
        insert.bind(6, row.device);
        insert.bind(7, row.id);
        insert.bind(8, row.name);
        insert.bind(9, row.session);
        insert.bind(10, static_cast<std::int64_t>(row.bytes));
        insert.bind(11, change.body);
    }
};

ActionRow row_in(const core::Statement& query) {
    ActionRow row;
    row.number = query.number(0);
    row.from_server = query.number(1) == 0;
    row.state = static_cast<ActionState>(std::clamp<std::int64_t>(query.number(2), 0, 3));
    row.is = static_cast<ActionClass>(std::clamp<std::int64_t>(query.number(3), 0, 2));
    row.at = query.number(4);
    row.device = query.text(5);
    row.id = query.text(6);
    row.name = query.text(7);
    row.session = query.text(8);
    row.bytes = static_cast<std::size_t>(std::max<std::int64_t>(query.number(9), 0));
    return row;
}

}  // namespace

std::string_view ActionRow::unique_id() const noexcept {
    std::string_view text = id;
    if (!text.starts_with('=')) return {};
    text.remove_prefix(1);
    return text;
}

std::string ActionBook::id_of(std::string_view unique_id) {
    return "=" + std::string{unique_id};
}

std::string ActionBook::id_of(std::int64_t notification, std::string_view content) {
    // A server that was set back to an older state gives a number again, to something else.
    return "#" + std::to_string(notification) + ":" + std::to_string(hash_of(content));
}

ActionBook::ActionBook(std::function<double()> now, SteadyNow steady)
    : wall_(std::move(now)), steady_(std::move(steady)) {
    base_ms_ = milliseconds(wall_());
    base_ = steady_();
}

std::int64_t ActionBook::now() {
    const auto passed =
        std::chrono::duration_cast<std::chrono::milliseconds>(steady_() - base_).count();
    const std::int64_t here = base_ms_ + passed;
    const std::int64_t jump = milliseconds(wall_()) - here;
    if (std::abs(jump) <= k_jump_ms) return here;
    // The clock was set. What came in this life goes with it; what an earlier one has written down stays where it is.
    base_ms_ += jump;
    for (auto& [key, entry] : entries_)
        if (entry.mine) entry.at += jump;
    if (next_ > first_) {
        RowChange shift;
        shift.what = RowChange::What::shift;
        shift.row.number = first_;
        shift.row.at = jump;
        shift.end = next_;
        moved_.push_back(std::move(shift));
    }
    return here + jump;
}

Result<std::vector<ActionRow>> ActionBook::load(SyncStore& store) {
    std::vector<ActionRow> rows;
    auto read = store.read([&rows](Database& database) -> Result<void> {
        auto query = database.prepare(
            "SELECT number, origin, state, class, at, device, id, name, session, bytes FROM "
            "actions ORDER BY number");
        if (!query) return Unexpected<Error>{query.error()};
        for (;;) {
            const auto row = query->step();
            if (!row) return Unexpected<Error>{row.error()};
            if (!*row) return {};
            rows.push_back(row_in(*query));
        }
    });
    if (!read) return Unexpected<Error>{read.error()};
    for (const ActionRow& row : rows) {
        put(row, false);
        next_ = std::max(next_, row.number + 1);
    }
    first_ = next_;
    return rows;
}

void ActionBook::put(const ActionRow& row, bool mine) {
    const auto [at, is_new] = entries_.try_emplace(key_of(row.device, row.id));
    if (!is_new) {
        // Its successor has the key: the row must go, or a restart would find two.
        ActionRow old;
        old.number = at->second.number;
        moved_.push_back({RowChange::What::erase, old, {}});
        by_number_.erase(old.number);
    }
    at->second = Entry{row.number, row.at, row.state, row.from_server, mine};
    by_number_[row.number] = &*at;
}

std::optional<ActionBook::Known> ActionBook::find(std::string_view device, std::string_view id) {
    const std::int64_t time = now();
    const auto found = entries_.find(key_of(device, id));
    if (found == entries_.end()) return std::nullopt;
    const Entry& entry = found->second;
    const bool over = entry.state == ActionState::done || entry.state == ActionState::maybe;
    if (over && time - entry.at > k_memory_ms) return std::nullopt;
    return Known{entry.number, entry.state};
}

void ActionBook::add(ActionRow& row) {
    row.at = now();
    row.number = next_++;
    put(row, true);
}

bool ActionBook::is_too_old(std::int64_t number) {
    const std::int64_t time = now();
    const auto found = by_number_.find(number);
    return found != by_number_.end() && time - found->second->second.at > k_memory_ms;
}

void ActionBook::set_state(std::int64_t number, ActionState state) {
    if (const auto found = by_number_.find(number); found != by_number_.end())
        found->second->second.state = state;
}

void ActionBook::forget(std::int64_t number) {
    const auto found = by_number_.find(number);
    if (found == by_number_.end()) return;
    const std::string key = found->second->first;
    by_number_.erase(found);
    entries_.erase(key);
}

void ActionBook::forget_server() {
    for (auto at = by_number_.begin(); at != by_number_.end();) {
        const Entry& entry = at->second->second;
        ++at;
        if (entry.from_server) forget(entry.number);
    }
}

std::vector<RowChange> ActionBook::expire() {
    std::vector<RowChange> gone = std::exchange(moved_, {});
    std::size_t too_many = by_number_.size() > k_most ? by_number_.size() - k_most + k_room : 0;
    if (too_many == 0 && steady_() < next_look_) return gone;
    next_look_ = steady_() + k_look_every;
    const std::int64_t time = now();
    for (auto at = by_number_.begin(); at != by_number_.end();) {
        const Entry entry = at->second->second;
        ++at;
        if (entry.state == ActionState::waiting || entry.state == ActionState::running) continue;
        if (time - entry.at <= k_memory_ms && too_many == 0) continue;
        if (too_many > 0) --too_many;
        ActionRow row;
        row.number = entry.number;
        gone.push_back({RowChange::What::erase, row, {}});
        forget(entry.number);
    }
    return gone;
}

SyncStore::Job ActionBook::job(std::vector<RowChange> changes) {
    auto shared = std::make_shared<const std::vector<RowChange>>(std::move(changes));
    return [shared](Database& database) { return Rows::write(database, *shared); };
}

}  // namespace backplane::sync
