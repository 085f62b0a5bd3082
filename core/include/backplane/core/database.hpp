// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A SQLite database that survives power cuts and damage: opened, checked, brought to the current
// schema, or set aside.
//
// Thread: one at a time; commits block. SQLite's own header is included in database.cpp only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backplane/core/result.hpp"

namespace backplane::core {

/// A prepared statement. Bind, then step() until it is false; reset() before it is used again.
class Statement {
public:
    Statement() = default;
    explicit Statement(void* handle) noexcept : handle_(handle) {}

    void bind(int index, std::string_view text);
    void bind(int index, std::int64_t number);
    /// True: a row is there. False: done.
    Result<bool> step();
    std::string text(int column) const;
    std::int64_t number(int column) const;
    void reset() noexcept;

private:
    struct Close {
        void operator()(void* handle) const noexcept;
    };
    std::unique_ptr<void, Close> handle_;
};

class Database {
public:
    enum class Mode { read_write, read_only, immutable };

    /// WAL and synchronous=FULL: what is committed is on the disk. Error codes: "store.damaged"
    /// (this file will not become better), otherwise "store.unavailable" (disk full, no permission,
    /// …).
    /// `vfs` names another way to the disk that was registered with SQLite (tests); empty: its own.
    static Result<Database> open(const std::string& path, Mode mode, const std::string& vfs = {});

    Result<void> execute(const std::string& sql);
    Result<Statement> prepare(std::string_view sql);
    /// SQLite's own check of the whole file; error "store.damaged" says what is wrong.
    Result<void> check();
    Result<std::int64_t> schema_version();
    /// How long one text or row may be; 1 MiB unless told.
    void allow_length(std::size_t bytes) noexcept;

    /// steps[i] is the SQL that turns version i into i+1. Each step is one transaction, so a power
    /// cut leaves a whole version. Error "store.too_new" when the file is newer than the last step.
    Result<void> migrate(std::span<const std::string_view> steps);

private:
    struct Close {
        void operator()(void* handle) const noexcept;
    };
    explicit Database(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

    std::unique_ptr<void, Close> handle_;
    std::string path_;
};

/// Renames the database with its journal files out of the way, to "<path>.<why>-<UTC time>"; at
/// most three such copies are kept. Returns the new name.
Result<std::string> set_aside(const std::string& path, std::string_view why);

}  // namespace backplane::core
