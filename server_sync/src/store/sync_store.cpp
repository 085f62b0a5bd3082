// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "store/sync_store.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "backplane/core/fd.hpp"
#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "store/sync_schema.hpp"

namespace backplane::sync {

using core::Database;
using core::Error;
using core::failure;
using core::Result;
using core::Unexpected;

namespace {

constexpr std::size_t k_most_waiting = 20'000;
constexpr std::size_t k_most_in_one = 2'000;  // what one failing commit takes with it
constexpr std::size_t k_row_bytes = 64u << 20;
// Reading the whole file for damage takes seconds beyond this on a memory card; damage shows when the page is used.
constexpr std::uintmax_t k_check_bytes = 32u << 20;
constexpr std::chrono::seconds k_goodbye{2};

using Changes = std::map<std::string, std::optional<std::string>>;
using Values = std::map<std::string, std::string, std::less<>>;

struct Write {
    Changes changes;
    bool forget = false;  // all values of the server first
    std::vector<SyncStore::Job> jobs;
    SyncStore::Done done;
};

bool is_of_server(std::string_view key) noexcept {
    return key.starts_with("server.");
}

void apply(Values& values, const Changes& changes, bool forget) {
    if (forget) std::erase_if(values, [](const auto& entry) { return is_of_server(entry.first); });
    for (const auto& [key, value] : changes) {
        if (value)
            values[key] = *value;
        else
            values.erase(key);
    }
}

Result<void> write_values(Database& database, const Changes& changes) {
    auto put = database.prepare(
        "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = "
        "?2");
    if (!put) return Unexpected<Error>{put.error()};
    auto remove = database.prepare("DELETE FROM settings WHERE key = ?1");
    if (!remove) return Unexpected<Error>{remove.error()};
    for (const auto& [key, value] : changes) {
        core::Statement& statement = value ? *put : *remove;
        statement.bind(1, key);
        if (value) statement.bind(2, *value);
        const auto done = statement.step();
        statement.reset();
        if (!done) return Unexpected<Error>{done.error()};
    }
    return {};
}

/// Another user's eyes on a file that an older version or a person has made readable.
void make_private(const std::string& path) {
    const core::Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || (status.st_mode & 0077u) == 0) return;
    if (::fchmod(file.get(), 0600) != 0)
        core::log_warning("odoo", "store.readable_by_others", {{"file", path}});
}

Result<Database> open_sound(const std::string& path, const std::string& vfs) {
    auto database = Database::open(path, Database::Mode::read_write, vfs);
    if (!database) return database;
    if (vfs.empty()) make_private(path);
    database->allow_length(k_row_bytes);
    std::error_code none;
    const auto bytes = std::filesystem::file_size(path, none);
    if (none || bytes <= k_check_bytes)
        if (auto sound = database->check(); !sound) return Unexpected<Error>{sound.error()};
    if (auto current = database->migrate(k_sync_schema); !current)
        return Unexpected<Error>{current.error()};
    return database;
}

Result<Database> open_or_begin_anew(const std::string& path, const std::string& vfs) {
    auto database = open_sound(path, vfs);
    if (database) return database;
    const Error error = database.error();
    if (error.code != "store.damaged" && error.code != "store.too_new") return database;
    const auto aside = core::set_aside(path, error.code == "store.damaged" ? "broken" : "newer");
    if (!aside) return failure("store.unavailable", error.text + "; " + aside.error().text);
    core::log_error(
        "odoo", "store.set_aside",
        {{"file", path},
         {"reason", error.text},
         {"kept_as", *aside},
         {"effect", "the pairing and what was waiting is not known any more: pair again"}});
    return open_sound(path, vfs);
}

Result<Values> read_values(Database& database) {
    auto query = database.prepare("SELECT key, value FROM settings");
    if (!query) return Unexpected<Error>{query.error()};
    Values values;
    for (;;) {
        const auto row = query->step();
        if (!row) return Unexpected<Error>{row.error()};
        if (!*row) return values;
        values[query->text(0)] = query->text(1);
    }
}

Result<void> guarded_job(const SyncStore::Job& job, Database& database) {
    try {
        return job(database);
    } catch (const std::exception& error) {
        return failure("store.job",
                       std::string{"what was to be written down failed: "} + error.what());
    }
}

Result<void> run_one(Database& database, const Write& write) {
    if (write.forget) {
        // '/' is the character after '.'.
        if (auto done =
                database.execute("DELETE FROM settings WHERE key >= 'server.' AND key < 'server/'");
            !done)
            return done;
    }
    if (auto done = write_values(database, write.changes); !done) return done;
    for (const auto& job : write.jobs)
        if (auto done = guarded_job(job, database); !done) return done;
    return {};
}

}  // namespace

// ---- the thread that writes -----------------------------------------------------------------------------------------

/// Shared by the main loop and the thread: a disk that hangs for good must not keep the box from stopping.
struct Writer {
    Writer(boost::asio::io_context& io, std::string file, std::string way)
        : loop(io), path(std::move(file)), vfs(std::move(way)) {}

    void work();
    std::vector<Result<void>> run(const std::deque<Write>& batch);
    Result<void> transact(const std::deque<Write>& batch, std::vector<Result<void>>& results);
    bool begin_anew(const Error& why);
    void answer(std::deque<Write>& batch, std::vector<Result<void>> results);

    boost::asio::io_context& loop;  // not touched after `closed`
    const std::string path, vfs;
    std::atomic<std::uint64_t> transactions{0};
    std::weak_ptr<void> owner;  // gone: nobody wants an answer

    std::mutex database_mutex;
    std::optional<Database> database;  // guarded by database_mutex
    Values durable;                    // guarded by database_mutex

    std::mutex mutex;
    std::condition_variable wakes;
    std::condition_variable ends;
    // guarded by mutex
    std::deque<Write> waiting;
    std::string problem;
    bool closing = false;  // no more will come
    bool closed = false;   // nobody is there any more
    bool ended = false;
};

void Writer::work() {
    std::unique_lock lock{mutex};
    for (;;) {
        wakes.wait(lock, [this] { return closing || !waiting.empty(); });
        if (waiting.empty() || closed) break;
        std::deque<Write> batch;
        if (waiting.size() <= k_most_in_one) {
            batch.swap(waiting);
        } else {
            for (std::size_t i = 0; i < k_most_in_one; ++i) {
                batch.push_back(std::move(waiting.front()));
                waiting.pop_front();
            }
        }
        lock.unlock();
        std::vector<Result<void>> results;
        {
            const std::lock_guard held{database_mutex};
            results = run(batch);
        }
        answer(batch, std::move(results));
        lock.lock();
    }
    ended = true;
    ends.notify_all();
}

std::vector<Result<void>> Writer::run(const std::deque<Write>& batch) {
    if (!database) {
        const std::lock_guard lock{mutex};
        return std::vector<Result<void>>(batch.size(),
                                         Result<void>{failure("store.unavailable", problem)});
    }
    std::vector<Result<void>> results;
    auto done = transact(batch, results);
    if (!done && done.error().code == "store.damaged" && begin_anew(done.error()))
        done = transact(batch, results);
    if (!done) results.assign(batch.size(), done);
    std::string now;
    if (!done) {
        now = done.error().text + ": nothing of the Odoo side can be remembered over a restart";
    } else {
        for (std::size_t i = 0; i < batch.size(); ++i)
            if (results[i]) apply(durable, batch[i].changes, batch[i].forget);
    }
    const std::lock_guard lock{mutex};
    if (now != problem) {
        if (now.empty())
            core::log_info("odoo", "store.works_again", {{"file", path}});
        else
            core::log_error("odoo", "store.failed", {{"file", path}, {"reason", now}});
        problem = std::move(now);
    }
    return results;
}

Result<void> Writer::transact(const std::deque<Write>& batch, std::vector<Result<void>>& results) {
    results.clear();
    const auto all = [&]() -> Result<void> {
        if (auto begun = database->execute("BEGIN IMMEDIATE"); !begun) return begun;
        for (const Write& write : batch) {
            if (auto point = database->execute("SAVEPOINT one"); !point) return point;
            results.push_back(run_one(*database, write));
            if (!results.back()) {
                // A full disk, a lost file: SQLite may have ended the whole transaction, and this fails.
                if (auto back = database->execute("ROLLBACK TO one"); !back) return results.back();
                if (results.back().error().code == "store.damaged") {
                    // Wrong SQL has the same code: only the file itself can tell.
                    if (auto sound = database->check(); !sound) return sound;
                }
            }
            if (auto released = database->execute("RELEASE one"); !released) return released;
        }
        return database->execute("COMMIT");
    };
    auto done = all();
    if (!done)
        (void)database->execute("ROLLBACK").has_value();
    else
        ++transactions;
    return done;
}

bool Writer::begin_anew(const Error& why) {
    database.reset();
    const auto aside = core::set_aside(path, "broken");
    if (!aside) return false;
    auto fresh = open_sound(path, vfs);
    if (!fresh) return false;
    core::log_error("odoo", "store.set_aside",
                    {{"file", path},
                     {"reason", why.text},
                     {"kept_as", *aside},
                     {"effect", "what was waiting is not known any more after a restart"}});
    database = std::move(*fresh);
    Changes all;
    for (const auto& [key, value] : durable) all[key] = value;
    return write_values(*database, all).has_value();
}

void Writer::answer(std::deque<Write>& batch, std::vector<Result<void>> results) {
    auto said = std::make_shared<std::vector<std::pair<SyncStore::Done, Result<void>>>>();
    for (std::size_t i = 0; i < batch.size(); ++i)
        if (batch[i].done) said->emplace_back(std::move(batch[i].done), std::move(results[i]));
    if (said->empty()) return;
    const std::lock_guard lock{mutex};
    if (closed) return;
    boost::asio::post(loop, [said, alive = owner] {
        for (auto& [done, result] : *said) {
            if (alive.expired()) return;
            guarded("store", std::move(done))(result);
        }
    });
}

// ---- what the main loop sees ----------------------------------------------------------------------------------------

struct SyncStore::State {
    std::shared_ptr<Writer> writer;
    std::shared_ptr<int> alive = std::make_shared<int>(0);
    std::thread thread;
    Values values;
    std::vector<Job> forget_jobs;
    std::vector<std::function<void()>> forgotten;

    void push(Write write) {
        bool full = false;
        {
            const std::lock_guard lock{writer->mutex};
            full = writer->waiting.size() >= k_most_waiting;
            if (!full) writer->waiting.push_back(std::move(write));
        }
        if (!full) return writer->wakes.notify_one();
        core::log_error("odoo", "store.busy", {{"file", writer->path}});
        if (!write.done) return;
        boost::asio::post(writer->loop, [done = std::move(write.done),
                                         weak = std::weak_ptr<int>(alive)]() mutable {
            if (weak.expired()) return;
            guarded("store", std::move(done))(Result<void>{
                failure("store.busy",
                        "the disk is too slow for what is to be written down: try again later")});
        });
    }
};

SyncStore::SyncStore(std::unique_ptr<State> state) : state_(std::move(state)) {}

std::unique_ptr<SyncStore> SyncStore::open(boost::asio::io_context& loop, const std::string& path,
                                           const std::string& vfs) {
    auto state = std::make_unique<State>();
    state->writer = std::make_shared<Writer>(loop, path, vfs);
    state->writer->owner = state->alive;
    Writer& writer = *state->writer;
    std::error_code ignored;  // shows again, with its reason, when the file is opened
    std::filesystem::create_directories(std::filesystem::path{path}.parent_path(), ignored);

    auto database = open_or_begin_anew(path, vfs);
    Result<Values> values = database ? read_values(*database) : Unexpected<Error>{database.error()};
    if (values) {
        state->values = *values;
        writer.durable = std::move(*values);
        writer.database = std::move(*database);
    } else {
        writer.problem = values.error().text +
                         ": nothing of the Odoo side is remembered over a restart; put this right "
                         "and restart the box";
        core::log_error("odoo", "store.unavailable",
                        {{"file", path}, {"reason", values.error().text}});
    }
    state->thread = std::thread{[shared = state->writer] { shared->work(); }};
    return std::unique_ptr<SyncStore>(new SyncStore(std::move(state)));
}

SyncStore::~SyncStore() {
    Writer& writer = *state_->writer;
    state_->alive.reset();
    std::unique_lock lock{writer.mutex};
    writer.closing = true;
    writer.wakes.notify_all();
    const bool ended = writer.ends.wait_for(lock, k_goodbye, [&] { return writer.ended; });
    writer.closed = true;
    const std::size_t lost = writer.waiting.size();
    lock.unlock();
    if (ended) {
        state_->thread.join();
        return;
    }
    core::log_error("odoo", "store.abandoned",
                    {{"file", writer.path}, {"waiting", std::to_string(lost)}});
    state_->thread.detach();  // the writer that it uses lives as long as it does
}

const std::string& SyncStore::value(std::string_view key) const noexcept {
    static const std::string k_nothing;
    const auto found = state_->values.find(key);
    return found != state_->values.end() ? found->second : k_nothing;
}

void SyncStore::set(Changes changes, Done done) {
    apply(state_->values, changes, false);
    state_->push(Write{std::move(changes), false, {}, std::move(done)});
}

void SyncStore::on_forget_server(Job job, std::function<void()> forgotten) {
    if (job) state_->forget_jobs.push_back(std::move(job));
    if (forgotten) state_->forgotten.push_back(std::move(forgotten));
}

void SyncStore::forget_server(Changes changes, Done done) {
    apply(state_->values, changes, true);
    state_->push(Write{std::move(changes), true, state_->forget_jobs, std::move(done)});
    for (const auto& tell : state_->forgotten) guarded("forgetting the server", tell)();
}

void SyncStore::write(Job job, Done done, Changes values) {
    apply(state_->values, values, false);
    Write write{std::move(values), false, {}, std::move(done)};
    if (job) write.jobs.push_back(std::move(job));
    state_->push(std::move(write));
}

Result<void> SyncStore::read(const Job& job) {
    Writer& writer = *state_->writer;
    const std::lock_guard held{writer.database_mutex};
    if (!writer.database) return failure("store.unavailable", problem());
    return guarded_job(job, *writer.database);
}

std::string SyncStore::problem() const {
    const std::lock_guard lock{state_->writer->mutex};
    return state_->writer->problem;
}

std::uint64_t SyncStore::transactions() const noexcept {
    return state_->writer->transactions;
}

}  // namespace backplane::sync
