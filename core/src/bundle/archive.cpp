// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/archive.hpp"

#include <zip.h>

#include <algorithm>
#include <map>
#include <utility>

#include "bundle/file_errors.hpp"
#include "bundle/zip_directory.hpp"

namespace backplane::core::bundle {
namespace {

constexpr std::size_t k_chunk_bytes = std::size_t{64} << 10;
/// A larger file is unpacked twice: first to see that it is what its header claims, and only then
/// to memory.
constexpr std::size_t k_unchecked_bytes = std::size_t{4} << 20;

struct ZipDelete {
    void operator()(zip_t* zip) const noexcept { zip_discard(zip); }
};
struct ZipFileDelete {
    void operator()(zip_file_t* file) const noexcept { zip_fclose(file); }
};
using ZipPointer = std::unique_ptr<zip_t, ZipDelete>;
using ZipFilePointer = std::unique_ptr<zip_file_t, ZipFileDelete>;

using file_errors::quoted;

Unexpected<Error> unreadable(const std::string& expected, const std::string& found) {
    return failure("E_ZIP", "expected " + expected + ", found " + found +
                                ": fetch the archive again, and if that does not help ask its "
                                "publisher to make it anew");
}

std::string lower_case(std::string_view name) {
    std::string out{name};
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

Result<ZipPointer> open_in_memory(std::span<const std::byte> bytes) {
    zip_error_t error;
    zip_error_init(&error);
    zip_t* zip = nullptr;
    // The library reads where the bytes are; they stay there.
    if (zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error)) {
        zip = zip_open_from_source(source, ZIP_RDONLY, &error);
        if (zip == nullptr) zip_source_free(source);
    }
    const std::string why = zip == nullptr ? zip_error_strerror(&error) : "";
    zip_error_fini(&error);
    if (zip == nullptr) return unreadable("a zip archive", "one that cannot be read (" + why + ")");
    return ZipPointer{zip};
}

/// Two readers that know nothing of each other see the same directory.
bool agrees(zip_t* zip, const std::vector<ZipEntry>& entries) {
    if (zip_get_num_entries(zip, 0) != static_cast<zip_int64_t>(entries.size())) return false;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const char* name = zip_get_name(zip, i, ZIP_FL_ENC_RAW);
        if (name == nullptr || name != entries[i].name) return false;
        zip_stat_t stat;
        zip_stat_init(&stat);
        if (zip_stat_index(zip, i, 0, &stat) != 0) return false;
        constexpr zip_uint64_t k_all = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC |
                                       ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
        if ((stat.valid & k_all) != k_all || stat.size != entries[i].size ||
            stat.comp_size != entries[i].packed || stat.crc != entries[i].crc ||
            stat.comp_method != entries[i].method || stat.encryption_method != ZIP_EM_NONE) {
            return false;
        }
    }
    return true;
}

/// Exactly `size` bytes with the right checksum, to `out` if there is one.
Result<void> unpack(zip_t* zip, std::size_t index, std::string_view name, std::size_t size,
                    std::vector<std::byte>* out) {
    const auto damage = [name](const char* why) {
        return unreadable("a file " + quoted(name) + " that can be unpacked",
                          std::string{"damage ("} + why + ")");
    };
    const ZipFilePointer file{zip_fopen_index(zip, index, 0)};
    if (!file) return damage(zip_strerror(zip));
    std::vector<std::byte> chunk(std::min(size + 1, k_chunk_bytes));
    std::size_t came = 0;
    for (;;) {
        // The end is asked for too: only there the library looks at the checksum.
        const zip_int64_t count = zip_fread(file.get(), chunk.data(), chunk.size());
        if (count < 0) return damage(zip_file_strerror(file.get()));
        if (count == 0) break;
        if (static_cast<std::size_t>(count) > size - came) {
            return unreadable(std::to_string(size) + " bytes in " + quoted(name), "more");
        }
        came += static_cast<std::size_t>(count);
        if (out != nullptr) out->insert(out->end(), chunk.begin(), chunk.begin() + count);
    }
    if (came != size) {
        return unreadable(std::to_string(size) + " bytes in " + quoted(name), std::to_string(came));
    }
    return {};
}

}  // namespace

bool is_bundle_name(std::string_view name) noexcept {
    if (name.size() > k_name_bytes) return false;
    const std::size_t slash = name.find('/');
    if (slash == name.npos) return false;
    const auto folder = name.substr(0, slash), file = name.substr(slash + 1);
    if (folder != "drivers" && folder != "interfaces") return false;
    if (file.empty() || file.front() == '.' || file.front() == '-') return false;
    // What a Python interpreter would import is another box's, and never ours.
    for (const std::string_view ending : {".py", ".pyc", ".so"}) {
        if (file.ends_with(ending)) return false;
    }
    return std::all_of(file.begin(), file.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    });
}

struct Archive::Content {
    struct File {
        std::size_t index = 0;
        std::size_t size = 0;
        unsigned times = 0;
    };
    std::vector<std::byte> copy;       ///< empty: somebody else keeps the bytes
    std::span<const std::byte> bytes;  ///< the archive
    ZipPointer zip;                    ///< reads them; goes first
    std::map<std::string, File, std::less<>> files;
    std::vector<std::string> names;
    std::size_t foreign = 0;
};

Archive::Archive(std::unique_ptr<Content> content) : content_(std::move(content)) {}
Archive::Archive(Archive&&) noexcept = default;
Archive& Archive::operator=(Archive&&) noexcept = default;
Archive::~Archive() = default;

Result<Archive> Archive::open(std::span<const std::byte> bytes) {
    if (bytes.size() > k_archive_bytes) return file_errors::archive_too_large(bytes.size());
    auto content = std::make_unique<Content>();
    content->copy.assign(bytes.begin(), bytes.end());
    content->bytes = content->copy;
    return read_directory(std::move(content));
}

Result<Archive> Archive::view(std::span<const std::byte> bytes) {
    if (bytes.size() > k_archive_bytes) return file_errors::archive_too_large(bytes.size());
    auto content = std::make_unique<Content>();
    content->bytes = bytes;
    return read_directory(std::move(content));
}

Result<Archive> Archive::read_directory(std::unique_ptr<Content> content) {
    const auto entries = read_zip_directory(content->bytes);
    if (!entries) return failure(entries.error().code, entries.error().text);
    for (std::size_t i = 0; i < entries->size(); ++i) {
        const ZipEntry& entry = (*entries)[i];
        if (entry.is_directory()) continue;
        if (!is_bundle_name(entry.name)) {
            ++content->foreign;
            continue;
        }
        auto& file = content->files[std::string{entry.name}];
        file.index = i;
        file.size = entry.size;
        ++file.times;
    }
    for (const ZipEntry& entry : *entries) {
        const auto same = content->files.find(lower_case(entry.name));
        if (same != content->files.end() && same->first != entry.name) {
            return failure("E_NAME", "expected names that differ in more than their case, found " +
                                         quoted(entry.name) + " beside " + quoted(same->first) +
                                         ": remove one of them where the archive is made");
        }
    }
    auto zip = open_in_memory(content->bytes);
    if (!zip) return failure(zip.error().code, zip.error().text);
    content->zip = std::move(*zip);
    if (!agrees(content->zip.get(), *entries)) {
        return unreadable("a zip archive that every reader understands in the same way",
                          "one with two meanings");
    }
    for (const auto& [name, file] : content->files) content->names.push_back(name);
    return Archive{std::move(content)};
}

const std::vector<std::string>& Archive::names() const {
    return content_->names;
}

std::size_t Archive::foreign_files() const noexcept {
    return content_->foreign;
}

std::size_t Archive::claimed_size(std::string_view name) const noexcept {
    const auto file = content_->files.find(name);
    return file == content_->files.end() ? 0 : file->second.size;
}

bool Archive::is_ambiguous(std::string_view name) const {
    const auto file = content_->files.find(name);
    return file != content_->files.end() && file->second.times > 1;
}

Result<std::vector<std::byte>> Archive::read(std::string_view name, std::size_t most) const {
    const auto found = content_->files.find(name);
    if (found == content_->files.end()) return file_errors::no_such_file(name);
    if (found->second.times > 1) {
        return failure("E_DUP", "expected one file " + quoted(name) + " in the archive, found " +
                                    std::to_string(found->second.times) +
                                    ": remove the module that brings it a second time");
    }
    const std::size_t size = found->second.size;
    if (size > most) return file_errors::too_long(name, most, size);
    std::vector<std::byte> out;
    if (size > k_unchecked_bytes) {
        if (auto checked = unpack(content_->zip.get(), found->second.index, name, size, nullptr);
            !checked) {
            return failure(checked.error().code, checked.error().text);
        }
    }
    out.reserve(size);
    if (auto unpacked = unpack(content_->zip.get(), found->second.index, name, size, &out);
        !unpacked) {
        return failure(unpacked.error().code, unpacked.error().text);
    }
    return out;
}

}  // namespace backplane::core::bundle
