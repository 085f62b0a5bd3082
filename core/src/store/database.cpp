// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/database.hpp"

#include <sqlite3.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <vector>

#include "backplane/core/fd.hpp"

namespace backplane::core {
namespace {

namespace fs = std::filesystem;

/// "BPLN", so that file(1) and we know whose database it is.
constexpr std::int64_t k_application_id = 0x42504C4E;
constexpr int k_busy_ms = 2000;
constexpr std::size_t k_copies_set_aside = 3;

sqlite3* db(void* handle) noexcept {
    return static_cast<sqlite3*>(handle);
}
sqlite3_stmt* statement(void* handle) noexcept {
    return static_cast<sqlite3_stmt*>(handle);
}

Unexpected<Error> sqlite_failure(sqlite3* handle, int code, const std::string& attempted) {
    const int primary = code & 0xFF;
    // SQLITE_ERROR: our SQL does not fit the tables that are there.
    const bool damaged = primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB ||
                         primary == SQLITE_FORMAT || primary == SQLITE_ERROR;
    std::string text = "cannot " + attempted + ": ";
    text += handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
    if (primary == SQLITE_FULL) text += ": make room on the disk";
    if (primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY || primary == SQLITE_PERM) {
        text += ": check that the folder exists and that the box may write to it";
    }
    return failure(damaged ? "store.damaged" : "store.unavailable", std::move(text));
}

/// Percent-encodes what a file: URI cannot hold.
std::string uri_of(const std::string& path, const char* query) {
    std::string uri = "file:";
    for (const char c : path) {
        if (c == '%' || c == '?' || c == '#') {
            uri += '%';
            uri += "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4];
            uri += "0123456789ABCDEF"[static_cast<unsigned char>(c) & 0xF];
        } else {
            uri += c;
        }
    }
    return uri + query;
}

}  // namespace

void Statement::Close::operator()(void* handle) const noexcept {
    sqlite3_finalize(statement(handle));
}

void Statement::bind(int index, std::string_view text) {
    // Not enough memory shows in step(): the parameter is then NULL, which the schema refuses.
    (void)sqlite3_bind_text64(statement(handle_.get()), index, text.data(), text.size(),
                              SQLITE_TRANSIENT, SQLITE_UTF8);
}

void Statement::bind(int index, std::int64_t number) {
    (void)sqlite3_bind_int64(statement(handle_.get()), index, number);
}

Result<bool> Statement::step() {
    const int code = sqlite3_step(statement(handle_.get()));
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    sqlite3* const handle = sqlite3_db_handle(statement(handle_.get()));
    return sqlite_failure(handle, sqlite3_extended_errcode(handle),
                          std::string{"execute \""} + sqlite3_sql(statement(handle_.get())) + '"');
}

std::string Statement::text(int column) const {
    const unsigned char* const text = sqlite3_column_text(statement(handle_.get()), column);
    if (text == nullptr) return {};
    return {text, text + sqlite3_column_bytes(statement(handle_.get()), column)};
}

std::int64_t Statement::number(int column) const {
    return sqlite3_column_int64(statement(handle_.get()), column);
}

void Statement::reset() noexcept {
    sqlite3_reset(statement(handle_.get()));
    sqlite3_clear_bindings(statement(handle_.get()));
}

void Database::Close::operator()(void* handle) const noexcept {
    sqlite3_close_v2(db(handle));
}

Result<Database> Database::open(const std::string& path, Mode mode, const std::string& vfs) {
    if (mode == Mode::read_write && vfs.empty()) {
        // Made by us first, so that nobody else can read it. A failure here shows again, with its
        // reason, below. Another way to the disk makes its files itself.
        const Fd created{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    }
    const std::string attempted = "open the database " + path;
    sqlite3* raw = nullptr;
    const int flags = (mode == Mode::read_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                                : SQLITE_OPEN_READONLY) |
                      SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const int opened =
        sqlite3_open_v2(uri_of(path, mode == Mode::immutable ? "?immutable=1" : "").c_str(), &raw,
                        flags, vfs.empty() ? nullptr : vfs.c_str());
    Database database{raw, path};
    if (opened != SQLITE_OK) return sqlite_failure(raw, opened, attempted);

    sqlite3_busy_timeout(raw, k_busy_ms);
    // The file may have been made by somebody else: no code from its schema, nothing that rewrites
    // it behind our back.
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_limit(raw, SQLITE_LIMIT_LENGTH, 1 << 20);
    if (auto done = database.execute("PRAGMA cell_size_check=ON; PRAGMA mmap_size=0"); !done)
        return Unexpected<Error>{done.error()};
    if (mode != Mode::read_write) return database;

    auto journal = database.prepare("PRAGMA journal_mode=WAL");
    if (!journal) return Unexpected<Error>{journal.error()};
    const auto row = journal->step();
    if (!row) return Unexpected<Error>{row.error()};
    if (!*row || journal->text(0) != "wal") {
        return failure(
            "store.unavailable",
            "cannot " + attempted + ": its file system does not allow write-ahead logging");
    }
    journal = Statement{};
    if (auto done = database.execute("PRAGMA synchronous=FULL; PRAGMA journal_size_limit=1048576");
        !done) {
        return Unexpected<Error>{done.error()};
    }
    return database;
}

Result<void> Database::execute(const std::string& sql) {
    const int code = sqlite3_exec(db(handle_.get()), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK)
        return sqlite_failure(db(handle_.get()), code, "write to the database " + path_);
    return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* raw = nullptr;
    const int code = sqlite3_prepare_v2(db(handle_.get()), sql.data(), static_cast<int>(sql.size()),
                                        &raw, nullptr);
    Statement prepared{raw};
    if (code != SQLITE_OK)
        return sqlite_failure(db(handle_.get()), code, "read the database " + path_);
    return prepared;
}

Result<void> Database::check() {
    const auto ask = [&]() -> Result<std::string> {
        auto check = prepare("PRAGMA integrity_check(1)");
        if (!check) return Unexpected<Error>{check.error()};
        const auto row = check->step();
        if (!row) return Unexpected<Error>{row.error()};
        return *row ? check->text(0) : std::string{};
    };
    auto answer = ask();
    // A page that could not be read once is told in the same words as one that is damaged: only what is found twice counts.
    if (answer && *answer != "ok") answer = ask();
    if (!answer) return Unexpected<Error>{answer.error()};
    if (*answer != "ok") {
        return failure("store.damaged", "the database " + path_ + " is damaged: " + *answer);
    }
    auto owner = prepare("PRAGMA application_id");
    if (!owner) return Unexpected<Error>{owner.error()};
    const auto id = owner->step();
    if (!id) return Unexpected<Error>{id.error()};
    const auto version = schema_version();
    if (!version) return Unexpected<Error>{version.error()};
    if (owner->number(0) != (*version == 0 ? 0 : k_application_id)) {
        return failure("store.damaged", "the database " + path_ + " was not made by the box");
    }
    return {};
}

Result<std::int64_t> Database::schema_version() {
    auto query = prepare("PRAGMA user_version");
    if (!query) return Unexpected<Error>{query.error()};
    const auto row = query->step();
    if (!row) return Unexpected<Error>{row.error()};
    return query->number(0);
}

void Database::allow_length(std::size_t bytes) noexcept {
    sqlite3_limit(db(handle_.get()), SQLITE_LIMIT_LENGTH,
                  static_cast<int>(std::min<std::size_t>(bytes, 1u << 30)));
}

Result<void> Database::migrate(std::span<const std::string_view> steps) {
    const auto version = schema_version();
    if (!version) return Unexpected<Error>{version.error()};
    if (*version < 0 || *version > static_cast<std::int64_t>(steps.size())) {
        return failure("store.too_new",
                       "the database " + path_ + " has version " + std::to_string(*version) +
                           ", this box knows versions up to " + std::to_string(steps.size()));
    }
    for (std::size_t at = static_cast<std::size_t>(*version); at < steps.size(); ++at) {
        std::string sql = "BEGIN IMMEDIATE;";
        sql += steps[at];
        sql += ";PRAGMA application_id=" + std::to_string(k_application_id) +
               ";PRAGMA user_version=" + std::to_string(at + 1) + ";COMMIT";
        if (auto done = execute(sql); !done) {
            // The reason is in `done`; a transaction that SQLite has already rolled back makes this
            // fail, which is fine.
            (void)execute("ROLLBACK").has_value();
            return done;
        }
    }
    return {};
}

Result<std::string> set_aside(const std::string& path, std::string_view why) {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    char stamp[32];
    std::strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    const std::string prefix = path + ".";
    std::string target = prefix + std::string{why} + "-" + stamp;
    std::error_code error;
    // Two in one second, or a clock that was set back: never over an older copy.
    for (int again = 2; fs::exists(target, error) && again < 100; ++again) {
        target = prefix + std::string{why} + "-" + stamp + "-" + std::to_string(again);
    }
    // The journals first: a main file without them is an older state, journals without their main
    // file are rubbish that SQLite would apply to the next database of this name.
    for (const char* suffix : {"-wal", "-shm"}) {
        fs::rename(path + suffix, target + suffix, error);
        if (error && error != std::errc::no_such_file_or_directory) {
            return failure("store.unavailable",
                           "cannot rename " + path + suffix + ": " + error.message());
        }
    }
    fs::rename(path, target, error);
    if (error)
        return failure("store.unavailable", "cannot rename " + path + ": " + error.message());

    std::vector<fs::path> copies;
    const std::string name = fs::path{path}.filename().string() + ".";
    for (fs::directory_iterator entries{fs::path{path}.parent_path(), error}, end;
         !error && entries != end; entries.increment(error)) {
        const std::string entry = entries->path().filename().string();
        if (entry.starts_with(name) && !entry.ends_with("-wal") && !entry.ends_with("-shm"))
            copies.push_back(entries->path());
    }
    const auto age = [](const fs::path& copy) {
        std::error_code ignored;
        return fs::last_write_time(copy, ignored);
    };
    std::sort(copies.begin(), copies.end(), [&](const fs::path& a, const fs::path& b) {
        return age(a) != age(b) ? age(a) < age(b) : a < b;
    });
    for (std::size_t i = 0; i + k_copies_set_aside < copies.size(); ++i) {
        if (copies[i] == target) continue;
        for (const char* suffix : {"", "-wal", "-shm"})
            fs::remove(copies[i].string() + suffix, error);
    }
    return target;
}

}  // namespace backplane::core
