// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the Odoo side remembers over a restart: one SQLite database, "odoo.db" in the state folder, readable by the box
// alone (0600).
//
// Thread: the main loop's. Writing happens on a thread of its own; all writes that wait at that moment become one
// transaction (so many small promises cost one fsync), in the order in which they were asked for. `done` comes on the
// main loop, after the data is durable, never from inside the call. A database that is damaged is set aside and begun
// anew; one that cannot be opened leaves a store that says so in problem() and refuses writes, and the box works.
// Bounds: 20,000 writes wait (then "store.busy"), 64 MiB for one row. Error codes else: those of core::Database.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backplane/core/database.hpp"
#include "backplane/core/result.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::sync {

class SyncStore {
public:
    using Done = std::function<void(core::Result<void>)>;
    /// Runs on the store's thread inside of a transaction with others. An error rolls back this job alone (savepoint).
    /// It may run a second time, when the file turns out to be damaged and is begun anew.
    using Job = std::function<core::Result<void>(core::Database&)>;

    /// `vfs` names another way to the disk that was registered with SQLite (tests); empty: its own.
    static std::unique_ptr<SyncStore> open(boost::asio::io_context& loop, const std::string& path,
                                           const std::string& vfs = {});
    /// Writes what waits, for at most 2 s. No `done` is called any more.
    ~SyncStore();
    SyncStore(const SyncStore&) = delete;
    SyncStore& operator=(const SyncStore&) = delete;

    /// Small texts by name, read at the start and kept in memory: "" when not there. A change shows at once, and is
    /// durable when `done` says so.
    const std::string& value(std::string_view key) const noexcept;
    void set(std::map<std::string, std::optional<std::string>> changes, Done done = {});

    /// Removes the values whose keys begin with "server." and what the parts keep for this server (each registers it).
    /// `forgotten` is called on the main loop inside of forget_server(): what is in memory goes at once.
    void on_forget_server(Job job, std::function<void()> forgotten = {});
    void forget_server(std::map<std::string, std::optional<std::string>> changes, Done done);

    /// The values, if any, change in the same breath as what `job` writes: both or neither after a power cut.
    void write(Job job, Done done, std::map<std::string, std::optional<std::string>> values = {});
    /// Blocks: for the start only, before the loop runs.
    core::Result<void> read(const std::function<core::Result<void>(core::Database&)>& job);

    /// For people, when nothing can be remembered; mostly empty.
    std::string problem() const;
    /// How often something was made durable; one of these may be many writes.
    std::uint64_t transactions() const noexcept;

private:
    struct State;
    explicit SyncStore(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Keys of values: "server.url", "server.token", "server.db_uuid", "server.enterprise_code", "server.db_name",
// "server.channel", "server.last_notification", "certificate.subject", "logs.to_server", "logs.levels".

}  // namespace backplane::sync
