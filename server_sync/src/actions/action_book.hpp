// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What is known of actions and their ids, in memory and on the disk, over restarts.
//
// Owner: the inbox, which shares it with the devices that browsers get. Thread: the main loop's. Bounds: an id is
// remembered for 24 h, at most 100,000 of them; then the oldest is forgotten. This class decides nothing and waits for
// nothing: it keeps the memory, and makes the jobs that bring it to the disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actions/action_class.hpp"
#include "store/sync_store.hpp"

namespace backplane::sync {

/// The numbers are those of the table: they never change.
enum class ActionState : std::uint8_t {
    waiting = 0,
    running = 1,  ///< may have an effect from now on
    done = 2,     ///< has run; the row is there for its id only
    maybe = 3,    ///< may have run; whoever asks again gets it, marked as repeated
};

struct ActionRow {
    std::int64_t number = 0;  ///< in the order in which they came
    bool from_server = true;
    ActionState state = ActionState::waiting;
    ActionClass is = ActionClass::repeatable;
    std::int64_t at = 0;  ///< milliseconds since 1970
    std::string device;   ///< identifier; empty: a message that is no action
    std::string id;       ///< see ActionBook::id_of
    std::string name;
    std::string session;
    std::size_t bytes = 0;  ///< of the body

    /// As its sender gave it; empty when there was none.
    std::string_view unique_id() const noexcept;
};

struct RowChange {
    enum class What {
        insert,
        set_state,
        erase,
        shift,  ///< row.at milliseconds are added to all from row.number on, but not from `end` on
    } what = What::insert;
    ActionRow row;
    std::string body;      ///< of an insert
    std::int64_t end = 0;  ///< of a shift
};

class ActionBook {
public:
    static constexpr std::size_t k_most = 100'000;
    static constexpr std::chrono::hours k_memory{24};
    using SteadyNow = std::function<std::chrono::steady_clock::time_point()>;

    /// `now`: Unix time, which may jump; `steady` may not.
    ActionBook(std::function<double()> now, SteadyNow steady);

    /// All rows of the disk, by number; what is older than the memory is left out (and comes with the next expire()).
    core::Result<std::vector<ActionRow>> load(SyncStore& store);

    /// Id of an action whose sender gave it one, and of one that the notification itself identifies.
    static std::string id_of(std::string_view unique_id);
    static std::string id_of(std::int64_t notification, std::string_view content);

    struct Known {
        std::int64_t number;
        ActionState state;
    };
    std::optional<Known> find(std::string_view device, std::string_view id);

    /// Gives the row its number and time, and remembers its id (instead of an older one).
    void add(ActionRow& row);
    void set_state(std::int64_t number, ActionState state);
    void forget(std::int64_t number);
    /// All of the server.
    void forget_server();

    /// Milliseconds since 1970 that follow the wall clock, but of which a jump of that clock makes nobody older.
    std::int64_t now();
    /// An action that has come so long ago.
    bool is_too_old(std::int64_t number);

    /// What has become too old or too much; looks at most once in ten minutes. Waiting and running ones stay.
    std::vector<RowChange> expire();
    std::size_t size() const noexcept { return by_number_.size(); }

    /// Brings them to the disk, in this order, all or none.
    static SyncStore::Job job(std::vector<RowChange> changes);

private:
    static constexpr std::int64_t k_memory_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(k_memory).count();
    struct Entry {
        std::int64_t number;
        std::int64_t at;
        ActionState state;
        bool from_server;
        bool mine;  ///< came in this life of the box, whose clock may have been wrong
    };
    using Entries = std::unordered_map<std::string, Entry>;
    void put(const ActionRow& row, bool mine);

    std::function<double()> wall_;
    SteadyNow steady_;
    std::int64_t base_ms_ = 0;  ///< now() at base_
    std::chrono::steady_clock::time_point base_;
    std::int64_t next_ = 1;
    std::int64_t first_ = 1;  // of this life
    std::chrono::steady_clock::time_point next_look_;
    Entries entries_;  // by device and id
    std::map<std::int64_t, Entries::value_type*> by_number_;
    std::vector<RowChange> moved_;  // for the disk, with the next ones
};

}  // namespace backplane::sync
