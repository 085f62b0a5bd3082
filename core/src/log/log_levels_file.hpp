// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The file that remembers changed levels, and the thread that writes it.
//
// {"saved": unix seconds, "levels": [{"component", "level", "left_s"}]}. What is on the disk is an old state or a new
// one, never half of one: written under another name, synced, renamed.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backplane/core/log.hpp"
#include "backplane/core/result.hpp"

namespace backplane::core {

struct RememberedLevel {
    std::string component;
    LogLevel level = LogLevel::info;
    std::chrono::seconds left{0};
};
struct RememberedLevels {
    std::chrono::system_clock::time_point saved{};
    std::vector<RememberedLevel> levels;
};

std::string to_text(const RememberedLevels& levels);
/// Error "logs.file": not such a file. Entries that make no sense are left out.
Result<RememberedLevels> parse_levels(std::string_view text);
/// Blocks. A file that is not there is empty.
Result<RememberedLevels> read_levels(const std::string& file);

/// Writes the newest text it was given. Thread: the owner's; a hanging disk hangs only the thread of this object,
/// which is then left behind.
class LevelsWriter {
public:
    explicit LevelsWriter(std::string file);
    ~LevelsWriter();  ///< flush() with 2 s
    LevelsWriter(const LevelsWriter&) = delete;
    LevelsWriter& operator=(const LevelsWriter&) = delete;

    void write(std::string text);
    bool flush(std::chrono::milliseconds limit);
    std::string problem() const;

private:
    struct Shared {
        std::string file;
        mutable std::mutex mutex;
        std::condition_variable changed;
        // guarded by mutex
        std::optional<std::string> waiting;
        bool writing = false, ending = false;
        std::string problem;
    };
    static void work(const std::shared_ptr<Shared>& shared);

    // Two owners: this object, and the thread, which may outlive it.
    std::shared_ptr<Shared> shared_;
    std::thread thread_;
};

}  // namespace backplane::core
