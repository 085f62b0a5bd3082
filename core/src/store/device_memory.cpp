// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "store/device_memory.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "backplane/core/database.hpp"
#include "backplane/core/log.hpp"
#include "store/box_identity.hpp"

namespace backplane::core {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t k_id_bytes = 512;
constexpr std::size_t k_driver_bytes = 64;
constexpr std::string_view k_database_name = "/backplane.db";

/// Append only: a box in the field has any of these versions. last_seen is in milliseconds since
/// 1970 UTC.
constexpr std::array<std::string_view, 1> k_schema{
    "CREATE TABLE devices ("
    " stable_id TEXT PRIMARY KEY NOT NULL CHECK (length(stable_id) > 0),"
    " identifier TEXT NOT NULL, driver TEXT NOT NULL, last_seen INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID"};

std::int64_t to_milliseconds(std::chrono::system_clock::time_point time) noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::chrono::system_clock::time_point from_milliseconds(std::int64_t milliseconds) noexcept {
    // A clock counts nanoseconds in 64 bits: a damaged row must not overflow it.
    constexpr std::int64_t k_most = std::numeric_limits<std::int64_t>::max() / 1'000'000 - 1;
    return std::chrono::system_clock::time_point{
        std::chrono::milliseconds{std::clamp<std::int64_t>(milliseconds, 0, k_most)}};
}

bool is_storable(const RememberedDevice& device) noexcept {
    return !device.stable_id.empty() && device.stable_id.size() <= k_id_bytes &&
           device.identifier.size() <= k_id_bytes && device.driver.size() <= k_driver_bytes;
}

/// One device to write (or, without a value, to delete).
using Change = std::pair<std::string, std::optional<RememberedDevice>>;

Result<void> write_changes(Database& database, const std::vector<Change>& changes) {
    auto insert = database.prepare(
        "INSERT INTO devices (stable_id, identifier, driver, last_seen) VALUES (?1, ?2, ?3, ?4) "
        "ON CONFLICT (stable_id) DO UPDATE SET identifier = ?2, driver = ?3, last_seen = ?4");
    if (!insert) return Unexpected<Error>{insert.error()};
    auto remove = database.prepare("DELETE FROM devices WHERE stable_id = ?1");
    if (!remove) return Unexpected<Error>{remove.error()};
    if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return begun;
    const auto write_all = [&]() -> Result<void> {
        for (const auto& [stable_id, device] : changes) {
            Statement& statement = device ? *insert : *remove;
            statement.bind(1, stable_id);
            if (device) {
                statement.bind(2, device->identifier);
                statement.bind(3, device->driver);
                statement.bind(4, to_milliseconds(device->last_seen));
            }
            const auto done = statement.step();
            statement.reset();
            if (!done) return Unexpected<Error>{done.error()};
        }
        return database.execute("COMMIT");
    };
    auto written = write_all();
    // After some errors SQLite has rolled back by itself, and this one fails: the outcome is the
    // same.
    if (!written) (void)database.execute("ROLLBACK").has_value();
    return written;
}

Result<std::vector<RememberedDevice>> read_devices(Database& database, std::size_t most) {
    auto query = database.prepare(
        "SELECT stable_id, identifier, driver, last_seen FROM devices ORDER BY last_seen DESC "
        "LIMIT ?1");
    if (!query) return Unexpected<Error>{query.error()};
    query->bind(1, static_cast<std::int64_t>(most));
    std::vector<RememberedDevice> devices;
    for (;;) {
        const auto row = query->step();
        if (!row) return Unexpected<Error>{row.error()};
        if (!*row) return devices;
        RememberedDevice device{query->text(0), query->text(1), query->text(2),
                                from_milliseconds(query->number(3))};
        if (is_storable(device)) devices.push_back(std::move(device));
    }
}

struct Loaded {
    std::optional<Database> database;  ///< empty: cannot be written for now
    std::vector<RememberedDevice> devices;
    std::string why_not;
};

Result<Database> open_for_writing(const std::string& path) {
    auto database = Database::open(path, Database::Mode::read_write);
    if (!database) return database;
    if (auto sound = database->check(); !sound) return Unexpected<Error>{sound.error()};
    if (auto current = database->migrate(k_schema); !current)
        return Unexpected<Error>{current.error()};
    return database;
}

/// What can still be read where nothing can be written.
std::vector<RememberedDevice> read_only_devices(const std::string& path, std::size_t most) {
    for (const Database::Mode mode : {Database::Mode::read_only, Database::Mode::immutable}) {
        auto database = Database::open(path, mode);
        if (!database || !database->check()) continue;
        const auto version = database->schema_version();
        if (!version || *version < 1 || *version > static_cast<std::int64_t>(k_schema.size()))
            continue;
        if (auto devices = read_devices(*database, most)) return std::move(devices).value();
    }
    return {};
}

/// As open_for_writing(), but a file that will never be good again is set aside first.
Result<Database> open_or_begin_anew(const std::string& path) {
    auto database = open_for_writing(path);
    if (database) return database;
    const Error error = database.error();
    if (error.code != "store.damaged" && error.code != "store.too_new") return database;
    const auto aside = set_aside(path, error.code == "store.damaged" ? "broken" : "newer");
    if (!aside) return failure("store.unavailable", error.text + "; " + aside.error().text);
    log_error("store", "store.set_aside",
              {{"file", path},
               {"reason", error.text},
               {"kept_as", *aside},
               {"effect", "what it remembered of the devices is not used any more"}});
    return open_for_writing(path);
}

Loaded load(const std::string& state_dir, std::size_t most) {
    const std::string path = state_dir + std::string{k_database_name};
    std::error_code ignored;  // Shows again, with a reason, when the database is opened.
    std::filesystem::create_directories(state_dir, ignored);

    Loaded loaded;
    auto database = open_or_begin_anew(path);
    if (!database) {
        loaded.why_not = database.error().text;
        loaded.devices = read_only_devices(path, most);
        return loaded;
    }
    auto devices = read_devices(*database, most);
    if (!devices) {
        loaded.why_not = devices.error().text;
        return loaded;
    }
    loaded.devices = std::move(devices).value();
    // More than that can only come from an older configuration; failing to delete them costs
    // nothing but room.
    (void)database
        ->execute(
            "DELETE FROM devices WHERE stable_id NOT IN (SELECT stable_id FROM devices ORDER BY "
            "last_seen DESC LIMIT " +
            std::to_string(most) + ")")
        .has_value();
    loaded.database = std::move(database).value();
    return loaded;
}

}  // namespace

struct DeviceMemory::Shared {
    Shared(std::string dir, Options chosen) : state_dir(std::move(dir)), options(chosen) {}

    const std::string state_dir;
    const Options options;

    mutable std::mutex mutex;
    std::condition_variable worker_wakes;
    std::condition_variable progress;
    // guarded by mutex
    std::map<std::string, RememberedDevice, std::less<>> devices;
    std::set<std::pair<std::chrono::system_clock::time_point, std::string>> by_age;
    std::map<std::string, std::chrono::system_clock::time_point, std::less<>>
        written_seen;  ///< last_seen on the disk
    std::set<std::string, std::less<>> dirty;
    bool urgent = false;     ///< a change that should not wait for the next one
    bool flush_now = false;  ///< somebody waits
    bool closing = false;
    bool ended = false;
    bool durable = false;
    std::uint64_t changes = 0;          ///< made so far
    std::uint64_t changes_written = 0;  ///< of these, on the disk
    std::uint64_t attempts_failed = 0;

    // With the mutex held.
    void put(const RememberedDevice& device);
    void drop(const std::string& stable_id);
    void mark(const std::string& stable_id, bool now);
    void note_failure(const std::string& reason);
    void note_success();

    void work(std::optional<Database> database);
};

void DeviceMemory::Shared::put(const RememberedDevice& device) {
    if (const auto old = devices.find(device.stable_id); old != devices.end()) {
        by_age.erase({old->second.last_seen, old->first});
        old->second = device;
    } else {
        devices.emplace(device.stable_id, device);
    }
    by_age.emplace(device.last_seen, device.stable_id);
}

void DeviceMemory::Shared::drop(const std::string& stable_id) {
    const auto it = devices.find(stable_id);
    if (it == devices.end()) return;
    by_age.erase({it->second.last_seen, it->first});
    devices.erase(it);
    ++changes;
    // What never got to the disk need not be deleted there; so `dirty` stays bounded while the disk
    // cannot be written.
    if (written_seen.contains(stable_id)) {
        dirty.insert(stable_id);
        urgent = true;
    } else {
        dirty.erase(stable_id);
    }
}

void DeviceMemory::Shared::mark(const std::string& stable_id, bool now) {
    dirty.insert(stable_id);
    ++changes;
    if (now) urgent = true;
}

void DeviceMemory::Shared::note_failure(const std::string& reason) {
    // Once, not at each attempt: until it works again there is nothing new to say.
    if (std::exchange(durable, false) || attempts_failed == 0) {
        log_error("store", "store.not_durable",
                  {{"folder", state_dir},
                   {"reason", reason},
                   {"effect", "the box goes on, but forgets new devices when it restarts"}});
    }
    ++attempts_failed;
}

void DeviceMemory::Shared::note_success() {
    if (!std::exchange(durable, true))
        log_info("store", "store.durable_again", {{"folder", state_dir}});
    attempts_failed = 0;
}

void DeviceMemory::Shared::work(std::optional<Database> database) {
    const std::string path = state_dir + std::string{k_database_name};
    auto retry = options.first_retry;
    std::unique_lock lock{mutex};
    for (;;) {
        worker_wakes.wait(lock, [&] { return urgent || flush_now || closing; });
        // Give changes that come in a burst a chance to share one commit.
        worker_wakes.wait_for(lock, options.gather, [&] { return flush_now || closing; });

        // A connection that was lost may come back to an older file, or to none: then everything is
        // written again.
        if (!database && !dirty.empty()) {
            for (const auto& [stable_id, device] : devices) dirty.insert(stable_id);
        }
        std::vector<Change> batch;
        for (const std::string& stable_id : dirty) {
            const auto it = devices.find(stable_id);
            batch.emplace_back(stable_id,
                               it == devices.end() ? std::nullopt : std::optional{it->second});
        }
        dirty.clear();
        urgent = false;
        flush_now = false;
        const std::uint64_t batch_end = changes;
        const bool last = closing;

        Result<void> written;
        if (!batch.empty()) {
            lock.unlock();
            if (!database) {
                auto opened = open_or_begin_anew(path);
                if (opened) {
                    database = std::move(opened).value();
                } else {
                    written = Unexpected<Error>{opened.error()};
                }
            }
            if (database) written = write_changes(*database, batch);
            if (!written) database.reset();
            lock.lock();
            if (written) {
                note_success();
            } else {
                note_failure(written.error().text);
            }
        }
        if (written) {
            changes_written = batch_end;
            retry = options.first_retry;
        }
        for (const auto& [stable_id, device] : batch) {
            if (!written) {
                dirty.insert(stable_id);
            } else if (!device) {
                written_seen.erase(stable_id);
            } else {
                written_seen[stable_id] = device->last_seen;
                // Forgotten while it was being written: drop() did not know yet that it has to go
                // from the disk too.
                if (!devices.contains(stable_id)) dirty.insert(stable_id);
            }
        }
        if (!written || !dirty.empty()) urgent = true;
        progress.notify_all();
        if (last) break;
        if (!written) {
            worker_wakes.wait_for(lock, retry, [&] { return flush_now || closing; });
            retry = std::min(retry * 2, options.longest_retry);
        }
    }
    // Closing the last connection folds the journal into the database; that is disk work too.
    lock.unlock();
    database.reset();
    lock.lock();
    ended = true;
    progress.notify_all();
}

DeviceMemory::DeviceMemory(std::string state_dir, Options options)
    : shared_(std::make_shared<Shared>(state_dir, options)),
      box_identity_(load_or_make_box_identity(state_dir)) {
    Loaded loaded = load(state_dir, options.most_devices);
    for (const RememberedDevice& device : loaded.devices) {
        shared_->put(device);
        shared_->written_seen[device.stable_id] = device.last_seen;
    }
    shared_->durable = loaded.database.has_value();
    if (!shared_->durable) shared_->note_failure(loaded.why_not);
    worker_ =
        std::thread{[shared = shared_, database = std::move(loaded.database)]() mutable noexcept {
            try {
                shared->work(std::move(database));
            } catch (const std::exception& error) {  // Out of memory, in practice.
                const std::lock_guard lock{shared->mutex};
                shared->durable = false;
                shared->ended = true;
                shared->progress.notify_all();
                log_error("store", "store.ended", {{"reason", error.what()}});
            }
        }};
}

DeviceMemory::~DeviceMemory() {
    (void)close(std::chrono::seconds{2});
}

std::optional<RememberedDevice> DeviceMemory::find(std::string_view stable_id) const {
    const std::lock_guard lock{shared_->mutex};
    const auto it = shared_->devices.find(stable_id);
    return it == shared_->devices.end() ? std::nullopt : std::optional{it->second};
}

std::vector<RememberedDevice> DeviceMemory::all() const {
    const std::lock_guard lock{shared_->mutex};
    std::vector<RememberedDevice> devices;
    devices.reserve(shared_->devices.size());
    for (const auto& [stable_id, device] : shared_->devices) devices.push_back(device);
    return devices;
}

void DeviceMemory::remember(std::span<const RememberedDevice> devices) {
    Shared& shared = *shared_;
    const std::lock_guard lock{shared.mutex};
    if (shared.closing) return;
    for (RememberedDevice device : devices) {
        if (!is_storable(device)) {
            log_warning(
                "store", "device.not_remembered",
                {{"stable_id", device.stable_id}, {"reason", "an id is empty or too long"}});
            continue;
        }
        // What cannot be written must not come back different after a restart.
        device.last_seen = from_milliseconds(to_milliseconds(device.last_seen));
        const auto old = shared.devices.find(device.stable_id);
        const auto on_disk = shared.written_seen.find(device.stable_id);
        const bool only_seen =
            old != shared.devices.end() && on_disk != shared.written_seen.end() &&
            old->second.identifier == device.identifier && old->second.driver == device.driver;
        if (only_seen && old->second.last_seen == device.last_seen) continue;
        const bool soon = only_seen && device.last_seen >= on_disk->second &&
                          device.last_seen - on_disk->second < shared.options.seen_precision;
        shared.put(device);
        shared.mark(device.stable_id, !soon);
    }
    while (shared.devices.size() > shared.options.most_devices) {
        const std::string oldest = shared.by_age.begin()->second;
        shared.drop(oldest);
    }
    shared.worker_wakes.notify_all();
}

void DeviceMemory::forget(std::string_view stable_id) {
    const std::lock_guard lock{shared_->mutex};
    const std::string id{stable_id};
    if (shared_->closing || !shared_->devices.contains(id)) return;
    shared_->drop(id);
    shared_->worker_wakes.notify_all();
}

bool DeviceMemory::flush(std::chrono::milliseconds deadline) {
    std::unique_lock lock{shared_->mutex};
    const std::uint64_t wanted = shared_->changes;
    if (shared_->changes_written >= wanted && shared_->dirty.empty()) return shared_->durable;
    const std::uint64_t failed_before = shared_->attempts_failed;
    shared_->flush_now = true;
    shared_->worker_wakes.notify_all();
    shared_->progress.wait_for(lock, deadline, [&] {
        return shared_->changes_written >= wanted || shared_->attempts_failed > failed_before ||
               shared_->ended;
    });
    return shared_->changes_written >= wanted;
}

bool DeviceMemory::close(std::chrono::milliseconds deadline) {
    std::unique_lock lock{shared_->mutex};
    shared_->closing = true;
    shared_->worker_wakes.notify_all();
    const bool ended = shared_->progress.wait_for(lock, deadline, [&] { return shared_->ended; });
    const bool all_written = ended && shared_->dirty.empty();
    lock.unlock();
    if (worker_.joinable()) {
        // A commit that hangs in the kernel cannot be ended; the thread keeps what it needs, and
        // ends with the process.
        if (ended) {
            worker_.join();
        } else {
            worker_.detach();
        }
    }
    return all_written;
}

bool DeviceMemory::durable() const {
    const std::lock_guard lock{shared_->mutex};
    return shared_->durable;
}

}  // namespace backplane::core
