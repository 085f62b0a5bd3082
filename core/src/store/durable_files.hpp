// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The one seam through which everything durable outside of the databases is written.
//
// Purpose: the order of writes and syncs is what survives a power cut, so tests must see each of them: production is
// POSIX, tests record, fail or cut (tests of core/src/update). Each call is one step that can fail on its own. Nothing
// is durable before the sync that covers it: a file's content by sync(), its name by sync_directory() of its folder.
// Thread: any, one at a time. Blocking: yes, on the disk. Error codes: "store.full" (ENOSPC, EDQUOT), "store.read_only",
// "store.missing", "store.exists", "store.io"; the text names the path, what was attempted and what to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backplane/core/result.hpp"

namespace backplane::core {

class DurableFiles {
public:
    /// A new file that is being written. Dropping it closes it; its name stays.
    class NewFile {
    public:
        virtual ~NewFile() = default;
        virtual Result<void> write(std::span<const std::byte> bytes) = 0;  ///< all of them
        virtual Result<void> sync() = 0;
    };

    virtual ~DurableFiles() = default;

    /// Exclusive: "store.exists" when the name is taken. Mode 0600.
    virtual Result<std::unique_ptr<NewFile>> create(const std::string& path) = 0;
    /// Replaces `to` in one step. Both are in the same folder.
    virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
    /// A file that is not there is a success.
    virtual Result<void> unlink(const std::string& path) = 0;
    /// With its parents, mode 0700; one that is there is a success.
    virtual Result<void> make_directory(const std::string& path) = 0;
    /// An empty one; one that is not there is a success.
    virtual Result<void> remove_directory(const std::string& path) = 0;
    virtual Result<void> sync_directory(const std::string& path) = 0;

    /// Names, sorted, without "." and "..". A folder that is not there is "store.missing".
    virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
    /// The whole regular file; larger than `most` is "store.io".
    virtual Result<std::vector<std::byte>> read(const std::string& path, std::size_t most) = 0;
    /// What may still be written in this folder, in bytes.
    virtual Result<std::uint64_t> free_space(const std::string& path) = 0;

    static std::unique_ptr<DurableFiles> posix();
};

}  // namespace backplane::core
