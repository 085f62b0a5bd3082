// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/update_state.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "update/update_tables.hpp"

namespace backplane::core {
namespace {

constexpr std::array k_modes{Database::Mode::read_only, Database::Mode::immutable};

/// "INSERT INTO box VALUES (?1, ?2)".
std::string insert_into(const UpdateTable& table) {
    std::string sql = "INSERT INTO " + std::string{table.name} + " VALUES (";
    for (std::size_t i = 0; i < table.columns.size(); ++i)
        sql += (i == 0 ? "?" : ", ?") + std::to_string(i + 1);
    return sql + ")";
}

std::string delete_from(const UpdateTable& table) {
    std::string sql = "DELETE FROM " + std::string{table.name};
    for (std::size_t i = 0; i < table.keys; ++i) {
        sql += (i == 0 ? " WHERE " : " AND ") + std::string{table.columns[i]} + " = ?" +
               std::to_string(i + 1);
    }
    return sql;
}

std::string select_from(const UpdateTable& table) {
    std::string sql = "SELECT ";
    for (std::size_t i = 0; i < table.columns.size(); ++i)
        sql += (i == 0 ? "" : ", ") + std::string{table.columns[i]};
    return sql + " FROM " + std::string{table.name};
}

Result<void> run(Statement& statement, std::span<const UpdateCell> cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const int index = static_cast<int>(i) + 1;
        if (const auto* number = std::get_if<std::int64_t>(&cells[i]))
            statement.bind(index, *number);
        else
            statement.bind(index, std::get<std::string>(cells[i]));
    }
    const auto done = statement.step();
    statement.reset();
    if (!done) return Unexpected<Error>{done.error()};
    return {};
}

/// What is only in `before` goes, what is only in `after` comes.
Result<void> write_table(Database& database, const UpdateTable& table,
                         const std::set<UpdateCells>& before, const std::set<UpdateCells>& after) {
    std::vector<UpdateCells> gone, come;
    std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                        std::back_inserter(gone));
    std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                        std::back_inserter(come));
    const auto write = [&](const std::string& sql, const std::vector<UpdateCells>& rows,
                           std::size_t columns) -> Result<void> {
        if (rows.empty()) return {};
        auto statement = database.prepare(sql);
        if (!statement) return Unexpected<Error>{statement.error()};
        for (const UpdateCells& row : rows) {
            if (auto done = run(*statement, std::span{row}.first(columns)); !done) return done;
        }
        return {};
    };
    if (auto done = write(delete_from(table), gone, table.keys); !done) return done;
    return write(insert_into(table), come, table.columns.size());
}

Result<Snapshot> read_all(Database& database) {
    UpdateRows rows;
    for (std::size_t t = 0; t < k_update_tables.size(); ++t) {
        const UpdateTable& table = k_update_tables[t];
        auto query = database.prepare(select_from(table));
        if (!query) return Unexpected<Error>{query.error()};
        for (;;) {
            const auto row = query->step();
            if (!row) return Unexpected<Error>{row.error()};
            if (!*row) break;
            UpdateCells cells;
            for (std::size_t i = 0; i < table.columns.size(); ++i) {
                const int column = static_cast<int>(i);
                if (table.is_number(i))
                    cells.emplace_back(query->number(column));
                else
                    cells.emplace_back(query->text(column));
            }
            rows[t].insert(std::move(cells));
        }
    }
    return snapshot_of(rows);
}

struct Opened {
    Database database;
    Snapshot snapshot;
};

Result<Opened> open_for_writing(const std::string& path, const std::string& vfs) {
    auto database = Database::open(path, Database::Mode::read_write, vfs);
    if (!database) return Unexpected<Error>{database.error()};
    if (auto sound = database->check(); !sound) return Unexpected<Error>{sound.error()};
    if (auto current = database->migrate(k_update_schema); !current)
        return Unexpected<Error>{current.error()};
    auto snapshot = read_all(*database);
    if (!snapshot) return Unexpected<Error>{snapshot.error()};
    return Opened{std::move(*database), std::move(*snapshot)};
}

Snapshot read_where_nothing_can_be_written(const std::string& path, const std::string& vfs) {
    for (const Database::Mode mode : k_modes) {
        auto database = Database::open(path, mode, vfs);
        if (!database || !database->check()) continue;
        const auto version = database->schema_version();
        if (!version || *version < 1 || *version > std::int64_t{k_update_schema.size()}) continue;
        if (auto snapshot = read_all(*database)) return std::move(*snapshot);
    }
    return {};
}

}  // namespace

Result<UpdateState> UpdateState::open(const std::string& path, const std::string& vfs) {
    UpdateState state;
    state.path_ = path;
    state.vfs_ = vfs;
    auto opened = open_for_writing(path, vfs);
    if (opened) {
        state.database_.emplace(std::move(opened->database));
        state.now_ = std::move(opened->snapshot);
        return state;
    }
    const Error& error = opened.error();
    if (error.code == "store.damaged" || error.code == "store.too_new")
        return Unexpected<Error>{error};
    state.why_read_only_ = error.text;
    state.now_ = read_where_nothing_can_be_written(path, vfs);
    return state;
}

Result<void> UpdateState::become_writable() {
    auto opened = open_for_writing(path_, vfs_);
    if (!opened) {
        why_read_only_ = opened.error().text;
        return Unexpected<Error>{opened.error()};
    }
    database_.emplace(std::move(opened->database));
    why_read_only_.clear();
    const bool same = rows_of(now_) == rows_of(opened->snapshot);
    now_ = std::move(opened->snapshot);
    if (same) return {};
    return failure("update.state", "the record of updates " + path_ +
                                       " could not be read before and can be now: try again");
}

Result<void> UpdateState::commit(Snapshot next) {
    if (!database_) {
        if (auto done = become_writable(); !done) return done;
    }
    const UpdateRows before = rows_of(now_);
    const UpdateRows after = rows_of(next);
    if (before == after) {
        now_ = std::move(next);
        return {};
    }
    if (auto begun = database_->execute("BEGIN IMMEDIATE"); !begun) return begun;
    const auto write_all = [&]() -> Result<void> {
        for (std::size_t t = 0; t < k_update_tables.size(); ++t) {
            if (auto done = write_table(*database_, k_update_tables[t], before[t], after[t]); !done)
                return done;
        }
        return database_->execute("COMMIT");
    };
    auto written = write_all();
    if (!written) {
        // After some errors SQLite has rolled back by itself, and this one fails: the outcome is the same.
        (void)database_->execute("ROLLBACK").has_value();
        return written;
    }
    now_ = std::move(next);
    return {};
}

}  // namespace backplane::core
