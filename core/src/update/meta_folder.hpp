// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The signed documents of accepted bundles on the disk: meta/<bundle>/<version>-<digest>/<document>.
//
// A folder is named after everything in it, so the same name is the same documents, and one that is complete is never
// changed. Names on the disk come from an archive only after they have passed the rules for bundle ids and for bundle
// names, without their folder "drivers/". Thread: any, one at a time. Blocking: on the disk.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bundle/archive.hpp"
#include "bundle/verify.hpp"
#include "store/durable_files.hpp"

namespace backplane::core {

/// What one folder holds, read whole: it is small.
class StoredDocuments final : public bundle::FileSource {
public:
    explicit StoredDocuments(std::map<std::string, bundle::Bytes> files);
    const std::vector<std::string>& names() const override { return names_; }
    bool is_ambiguous(std::string_view) const override { return false; }
    Result<std::vector<std::byte>> read(std::string_view name, std::size_t most) const override;
    const std::map<std::string, bundle::Bytes, std::less<>>& files() const { return files_; }

private:
    std::map<std::string, bundle::Bytes, std::less<>> files_;
    std::vector<std::string> names_;
};

class MetaFolder {
public:
    /// bundle, folder
    using Place = std::pair<std::string, std::string>;

    /// `files` outlives it.
    MetaFolder(DurableFiles& files, std::string folder);

    /// Make the folder, durably.
    Result<void> prepare();
    /// "12-0123456789abcdef" for these documents of release 12.
    static std::string folder_for(std::uint64_t version,
                                  const std::map<std::string, bundle::Bytes>& documents);
    /// Written and durable with all names above it when it returns. One that is there already is completed.
    Result<void> write(const Place& place, const std::map<std::string, bundle::Bytes>& documents);
    /// Error "store.missing", "store.io".
    Result<StoredDocuments> read(const Place& place) const;
    /// All folders whose names could be ours.
    Result<std::vector<Place>> list() const;
    /// Removes all others, and what is left of an interrupted write. Stops at the first error.
    Result<void> keep_only(const std::set<Place>& places);

private:
    std::string path_of(const Place& place) const;
    Result<void> write_file(const std::string& folder, const std::string& name,
                            const bundle::Bytes& bytes);
    Result<void> remove_folder(const std::string& path);

    DurableFiles& files_;
    std::string folder_;
};

}  // namespace backplane::core
