// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Content by its SHA-256: what is there under a name has that name's content, or it is not handed out.
//
// A blob is written under a temporary name, synced, renamed; the folder is synced once for many. Leftovers of an
// interrupted write are removed by prepare(). Thread: any, one at a time. Blocking: on the disk.
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/durable_files.hpp"
#include "util/sha256.hpp"

namespace backplane::core {

class BlobStore {
public:
    /// `files` outlives the store.
    BlobStore(DurableFiles& files, std::string folder);

    /// Make the folder (durably), remove leftovers.
    Result<void> prepare();
    /// Error "blob.mismatch" when the bytes do not have this hash. One that is there already is read and compared; a
    /// rotten one is replaced. Durable after sync().
    Result<void> put(const std::string& sha256, std::span<const std::byte> bytes);
    Result<void> sync();
    /// Hashed again at each reading: error "blob.damaged"; "store.missing" when it is not there.
    Result<std::vector<std::byte>> read(const std::string& sha256, std::size_t most) const;
    bool contains(const std::string& sha256) const;
    /// Removes all others. Stops at the first error; the rest stays, which does no harm.
    Result<void> keep_only(const std::set<std::string>& sha256s);

private:
    std::string path_of(const std::string& sha256) const;
    DurableFiles& files_;
    std::string folder_;
};

}  // namespace backplane::core
