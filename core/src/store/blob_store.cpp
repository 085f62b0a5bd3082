// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "store/blob_store.hpp"

#include <algorithm>
#include <utility>

#include "util/sha256.hpp"

namespace backplane::core {
namespace {

/// What no SHA-256 contains.
constexpr std::string_view k_unfinished = "~";

bool is_sha256(std::string_view text) noexcept {
    return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

Unexpected<Error> no_hash(const std::string& sha256) {
    return failure("blob.mismatch",
                   "expected the SHA-256 of a file in 64 lower-case hex digits, "
                   "found \"" +
                       sha256.substr(0, 80) + "\": get the bundle again");
}

}  // namespace

BlobStore::BlobStore(DurableFiles& files, std::string folder)
    : files_(files), folder_(std::move(folder)) {}

std::string BlobStore::path_of(const std::string& sha256) const {
    return folder_ + '/' + sha256;
}

Result<void> BlobStore::prepare() {
    if (auto made = files_.make_directory(folder_); !made) return made;
    const auto slash = folder_.find_last_of('/');
    // Its name in the folder above is durable before anything that lies in it is.
    if (slash != std::string::npos && slash != 0) {
        if (auto synced = files_.sync_directory(folder_.substr(0, slash)); !synced) return synced;
    }
    const auto names = files_.list(folder_);
    if (!names) return Unexpected<Error>{names.error()};
    for (const std::string& name : *names) {
        if (!name.ends_with(k_unfinished)) continue;
        if (auto removed = files_.unlink(folder_ + '/' + name); !removed) return removed;
    }
    return {};
}

Result<void> BlobStore::put(const std::string& sha256, std::span<const std::byte> bytes) {
    if (!is_sha256(sha256)) return no_hash(sha256);
    if (const std::string found = sha256_hex(bytes); found != sha256) {
        return failure("blob.mismatch", "expected a file with the SHA-256 " + sha256 +
                                            ", found one with " + found + ": get the bundle again");
    }
    // A name is given only to what has been synced, so the content of what is found here is durable; its name will be
    // with the next sync().
    if (const auto there = read(sha256, bytes.size()); there) return {};

    const std::string unfinished = path_of(sha256) + std::string{k_unfinished};
    if (auto removed = files_.unlink(unfinished); !removed) return removed;
    const auto write = [&]() -> Result<void> {
        auto file = files_.create(unfinished);
        if (!file) return Unexpected<Error>{file.error()};
        if (auto written = (*file)->write(bytes); !written) return written;
        return (*file)->sync();
    };
    auto written = write();
    if (written) written = files_.rename(unfinished, path_of(sha256));
    // A full disk is not left fuller than it was.
    if (!written) (void)files_.unlink(unfinished).has_value();
    return written;
}

Result<void> BlobStore::sync() {
    return files_.sync_directory(folder_);
}

Result<std::vector<std::byte>> BlobStore::read(const std::string& sha256, std::size_t most) const {
    if (!is_sha256(sha256)) return no_hash(sha256);
    auto bytes = files_.read(path_of(sha256), most);
    if (!bytes) return bytes;
    if (const std::string found = sha256_hex(*bytes); found != sha256) {
        return failure("blob.damaged", "the file " + path_of(sha256) +
                                           " is damaged: its SHA-256 is " + found +
                                           "; check the disk, and update again");
    }
    return bytes;
}

bool BlobStore::contains(const std::string& sha256) const {
    const auto names = files_.list(folder_);
    return names && std::binary_search(names->begin(), names->end(), sha256) && is_sha256(sha256);
}

Result<void> BlobStore::keep_only(const std::set<std::string>& sha256s) {
    const auto names = files_.list(folder_);
    if (!names) return Unexpected<Error>{names.error()};
    for (const std::string& name : *names) {
        if (sha256s.contains(name)) continue;
        if (auto removed = files_.unlink(folder_ + '/' + name); !removed) return removed;
    }
    return {};
}

}  // namespace backplane::core
