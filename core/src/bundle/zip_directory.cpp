// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/zip_directory.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "bundle/archive.hpp"
#include "util/utf8.hpp"

// Numbers, layouts and flags: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.

namespace backplane::core::bundle {
namespace {

constexpr std::uint32_t k_local_signature = 0x04034b50, k_central_signature = 0x02014b50,
                        k_end_signature = 0x06054b50, k_descriptor_signature = 0x08074b50,
                        k_zip64_locator_signature = 0x07064b50;
constexpr std::uint64_t k_local_bytes = 30, k_central_bytes = 46, k_end_bytes = 22,
                        k_zip64_locator_bytes = 20, k_most_comment = 65535;
constexpr std::uint16_t k_in_zip64_16 = 0xffff;
constexpr std::uint32_t k_in_zip64_32 = 0xffffffff;
constexpr std::uint16_t k_flag_encrypted = 1u << 0, k_flag_descriptor = 1u << 3,
                        k_flag_patch = 1u << 5, k_flag_strong = 1u << 6, k_flag_utf8 = 1u << 11,
                        k_flag_masked = 1u << 13;
/// Flags that change what the bytes mean, and therefore have to be the same in both headers.
constexpr std::uint16_t k_meaningful_flags = k_flag_encrypted | k_flag_descriptor | k_flag_patch |
                                             k_flag_strong | k_flag_utf8 | k_flag_masked;
/// Deflate needs two bits for at most 258 bytes.
constexpr std::uint64_t k_deflate_ratio = 1032;
/// The directory is held twice (here and by the library); with honest names it has less than a
/// tenth of this.
constexpr std::uint64_t k_directory_bytes = std::uint64_t{8} << 20;
constexpr std::size_t k_any_name_bytes = 1024;
constexpr std::ptrdiff_t k_any_name_depth = 32;
constexpr std::size_t k_shown_name_bytes = 80;

using Bytes = std::span<const std::byte>;

/// Positions are 64 bit also where std::size_t is not: no sum of header fields can wrap.
std::uint32_t number(Bytes bytes, std::uint64_t at, unsigned count) {
    std::uint32_t value = 0;
    for (unsigned i = count; i-- > 0;) {
        value =
            value << 8 | std::to_integer<std::uint32_t>(bytes[static_cast<std::size_t>(at + i)]);
    }
    return value;
}

std::uint16_t u16(Bytes bytes, std::uint64_t at) {
    return static_cast<std::uint16_t>(number(bytes, at, 2));
}

std::uint32_t u32(Bytes bytes, std::uint64_t at) {
    return number(bytes, at, 4);
}

std::string_view text(Bytes bytes, std::uint64_t at, std::uint64_t length) {
    const auto part = bytes.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(length));
    return {reinterpret_cast<const char*>(part.data()), part.size()};
}

std::string quoted(std::string_view name) {
    return "\"" + to_printable(name, k_shown_name_bytes) + "\"";
}

Unexpected<Error> bad_zip(const std::string& expected, const std::string& found) {
    return failure("E_ZIP", "expected a zip archive " + expected + ", found " + found +
                                ": fetch it again, and if that does not help ask its publisher to "
                                "make it anew");
}

Unexpected<Error> bad_name(std::string_view name, const std::string& found) {
    return failure("E_NAME", "expected an archive whose file names stay inside it, found " +
                                 quoted(name) + " " + found +
                                 ": remove that file where the archive is made");
}

struct End {
    std::uint64_t at = 0;
    std::uint64_t directory_at = 0;
    std::uint16_t entries = 0;
};

/// The position of the only record that ends exactly with the bytes.
Result<std::uint64_t> find_end(Bytes bytes) {
    const std::uint64_t size = bytes.size();
    if (size < k_end_bytes) {
        return bad_zip("that is complete",
                       std::to_string(size) + " bytes, fewer than the smallest one has");
    }
    const std::uint64_t last = size - k_end_bytes;
    const std::uint64_t first = last > k_most_comment ? last - k_most_comment : 0;
    std::optional<std::uint64_t> found;
    for (std::uint64_t at = last + 1; at-- > first;) {
        if (u32(bytes, at) != k_end_signature) continue;
        if (at + k_end_bytes + u16(bytes, at + 20) != size) continue;
        if (found) return bad_zip("with one end", "two places that could be its end");
        found = at;
    }
    if (!found) {
        return bad_zip("that is complete",
                       "no end of a directory where the bytes end (cut off, followed by something "
                       "else, or no zip at all)");
    }
    // Not an end that fits, but some reader might take it for one.
    const auto comment = text(bytes, *found + k_end_bytes, size - *found - k_end_bytes);
    if (comment.find(std::string_view{"PK\5\6", 4}) != comment.npos) {
        return bad_zip("with one end", "a second end inside its comment");
    }
    return *found;
}

Result<End> read_end(Bytes bytes) {
    const auto at = find_end(bytes);
    if (!at) return failure(at.error().code, at.error().text);
    End end;
    end.at = *at;
    const std::uint16_t disk = u16(bytes, end.at + 4), directory_disk = u16(bytes, end.at + 6),
                        here = u16(bytes, end.at + 8);
    end.entries = u16(bytes, end.at + 10);
    const std::uint32_t directory_bytes = u32(bytes, end.at + 12);
    end.directory_at = u32(bytes, end.at + 16);
    const bool has_locator =
        end.at >= k_zip64_locator_bytes &&
        u32(bytes, end.at - k_zip64_locator_bytes) == k_zip64_locator_signature;
    if (has_locator || disk == k_in_zip64_16 || directory_disk == k_in_zip64_16 ||
        here == k_in_zip64_16 || end.entries == k_in_zip64_16 || directory_bytes == k_in_zip64_32 ||
        end.directory_at == k_in_zip64_32) {
        return bad_zip("of at most " + std::to_string(k_archive_entries) +
                           " files that needs no 64-bit extension",
                       "the 64-bit extension");
    }
    if (disk != 0 || directory_disk != 0 || here != end.entries) {
        return bad_zip("in one piece", "a part of several");
    }
    // Before anything is allocated for them.
    if (end.entries > k_archive_entries) {
        return bad_zip("of at most " + std::to_string(k_archive_entries) + " files",
                       std::to_string(end.entries));
    }
    if (end.directory_at + directory_bytes != end.at) {
        return bad_zip("whose directory ends where its end begins",
                       "a directory of " + std::to_string(directory_bytes) + " bytes at " +
                           std::to_string(end.directory_at) + " and an end at " +
                           std::to_string(end.at) + " (bytes in front, between or missing)");
    }
    if (directory_bytes > k_directory_bytes) {
        return bad_zip(
            "with a directory of at most " + std::to_string(k_directory_bytes) + " bytes",
            std::to_string(directory_bytes));
    }
    return end;
}

/// What no honest archive has in a name, in words; nullopt: nothing.
std::optional<std::string> what_is_wrong_with(std::string_view name) {
    if (name.empty()) return "without a letter";
    if (name.size() > k_any_name_bytes) {
        return "of " + std::to_string(name.size()) + " bytes, more than " +
               std::to_string(k_any_name_bytes);
    }
    // Nearly all names are plain, and 4,096 of them should not cost what the exact look costs.
    const bool plain =
        std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (!plain && first_invalid_utf8(name) != name.npos) return "that is not UTF-8";
    // Grows by escapes only, so that twelve times the limit holds every name.
    if (!plain && to_printable(name, 12 * k_any_name_bytes) != name) {
        return "with a control character";
    }
    if (name.find('\\') != name.npos) return "with a backslash";
    if (name.front() == '/') return "that begins at the root of the file system";
    const auto letter = static_cast<unsigned char>(name.front() | 0x20);
    if (name.size() > 1 && name[1] == ':' && letter >= 'a' && letter <= 'z') {
        return "with a drive letter";
    }
    const std::string_view path = name.ends_with('/') ? name.substr(0, name.size() - 1) : name;
    if (std::count(path.begin(), path.end(), '/') >= k_any_name_depth) {
        return "with more than " + std::to_string(k_any_name_depth) + " folders in each other";
    }
    for (std::size_t at = 0; at <= path.size();) {
        const std::size_t slash = std::min(path.find('/', at), path.size());
        const auto component = path.substr(at, slash - at);
        if (component == "..") return "that climbs out with \"..\"";
        if (component.empty() || component == ".") return "with an empty folder name or \".\"";
        at = slash + 1;
    }
    return std::nullopt;
}

/// The mode of the file, wherever it comes from: whoever unpacks might obey it without asking which
/// system wrote it.
std::optional<std::string> what_is_wrong_with_mode(std::uint32_t external, bool directory) {
    constexpr std::uint32_t k_type = 0170000, k_regular = 0100000, k_folder = 0040000,
                            k_set_ids = 06000;
    const std::uint32_t mode = external >> 16, type = mode & k_type;
    if (type == 0120000) return "that is a symbolic link";
    if (type != 0 && type != k_regular && type != k_folder) return "that is a device";
    if ((type == k_folder && !directory) || (type == k_regular && directory)) {
        return "that is a folder by its mode or its name, but not by both";
    }
    if (!directory && (mode & k_set_ids) != 0) return "that asks for the rights of another user";
    return std::nullopt;
}

struct Central {
    ZipEntry entry;
    std::uint16_t flags = 0;
    std::uint64_t local_at = 0;
};

Result<void> check_claims(const Central& central) {
    const ZipEntry& entry = central.entry;
    if ((central.flags & (k_flag_encrypted | k_flag_strong | k_flag_masked)) != 0) {
        return bad_zip("without encryption", quoted(entry.name) + " encrypted");
    }
    if ((central.flags & k_flag_patch) != 0 ||
        (entry.method != k_zip_stored && entry.method != k_zip_deflated)) {
        return bad_zip("with files that are stored or deflated",
                       quoted(entry.name) + " with method " + std::to_string(entry.method));
    }
    if (entry.packed == k_in_zip64_32 || entry.size == k_in_zip64_32 ||
        central.local_at == k_in_zip64_32) {
        return bad_zip("that needs no 64-bit extension",
                       "the 64-bit extension at " + quoted(entry.name));
    }
    const bool possible = entry.method == k_zip_stored
                              ? entry.size == entry.packed
                              : entry.size <= k_deflate_ratio * entry.packed;
    if (!possible) {
        return bad_zip("with true sizes", quoted(entry.name) + " with " +
                                              std::to_string(entry.size) + " bytes in " +
                                              std::to_string(entry.packed));
    }
    // The library does not look at the checksum of nothing.
    if (entry.size == 0 && entry.crc != 0) {
        return bad_zip("with true checksums",
                       "the checksum of something at the empty " + quoted(entry.name));
    }
    if (entry.is_directory() && entry.size != 0) {
        return bad_zip("with empty folder entries",
                       "the folder " + quoted(entry.name) + " with content");
    }
    return {};
}

/// Reads the entry at `at` of the directory and moves behind it.
Result<Central> read_central(Bytes bytes, std::uint64_t& at, std::uint64_t end) {
    if (end - at < k_central_bytes || u32(bytes, at) != k_central_signature) {
        return bad_zip("with as many files as its end says", "a directory with fewer");
    }
    Central central;
    central.flags = u16(bytes, at + 8);
    central.entry.method = u16(bytes, at + 10);
    central.entry.crc = u32(bytes, at + 16);
    central.entry.packed = u32(bytes, at + 20);
    central.entry.size = u32(bytes, at + 24);
    const std::uint64_t name_bytes = u16(bytes, at + 28);
    const std::uint64_t total =
        k_central_bytes + name_bytes + u16(bytes, at + 30) + u16(bytes, at + 32);
    const std::uint16_t disk = u16(bytes, at + 34);
    const std::uint32_t external = u32(bytes, at + 38);
    central.local_at = u32(bytes, at + 42);
    if (end - at < total) return bad_zip("with a complete directory", "one that is cut off");
    central.entry.name = text(bytes, at + k_central_bytes, name_bytes);
    if (auto wrong = what_is_wrong_with(central.entry.name)) {
        return bad_name(central.entry.name, *wrong);
    }
    if (auto wrong = what_is_wrong_with_mode(external, central.entry.is_directory())) {
        return bad_name(central.entry.name, *wrong);
    }
    if (disk != 0) return bad_zip("in one piece", quoted(central.entry.name) + " in another part");
    if (auto claims = check_claims(central); !claims) {
        return failure(claims.error().code, claims.error().text);
    }
    at += total;
    return central;
}

/// Whether bytes [at, next) are the sizes that follow an entry whose writer did not know them in
/// advance.
bool is_descriptor(Bytes bytes, std::uint64_t at, std::uint64_t next, const ZipEntry& entry) {
    if (next - at == 16) {
        if (u32(bytes, at) != k_descriptor_signature) return false;
        at += 4;
    }
    return next - at == 12 && u32(bytes, at) == entry.crc && u32(bytes, at + 4) == entry.packed &&
           u32(bytes, at + 8) == entry.size;
}

/// The local header says what the directory says, and the entry fills the bytes up to `next`.
Result<void> check_local(Bytes bytes, const Central& central, std::uint64_t next) {
    const ZipEntry& entry = central.entry;
    const std::uint64_t at = central.local_at;
    const auto contradiction = [&entry](const std::string& what) {
        return bad_zip("whose directory agrees with its files",
                       "another " + what + " at " + quoted(entry.name));
    };
    if (next - at < k_local_bytes || u32(bytes, at) != k_local_signature) {
        return bad_zip("with a file where its directory says so",
                       "none for " + quoted(entry.name) + ", or two that overlap");
    }
    const std::uint64_t name_bytes = u16(bytes, at + 26), extra_bytes = u16(bytes, at + 28);
    const std::uint64_t room = next - at - k_local_bytes;
    if (room < name_bytes + extra_bytes + entry.packed) {
        return bad_zip("with true sizes", quoted(entry.name) + " that overlaps what follows");
    }
    if (text(bytes, at + k_local_bytes, name_bytes) != entry.name) return contradiction("name");
    if (((u16(bytes, at + 6) ^ central.flags) & k_meaningful_flags) != 0) {
        return contradiction("set of flags");
    }
    if (u16(bytes, at + 8) != entry.method) return contradiction("method");
    const std::uint32_t crc = u32(bytes, at + 14), packed = u32(bytes, at + 18),
                        size = u32(bytes, at + 22);
    const bool follows = (central.flags & k_flag_descriptor) != 0;
    const bool same = crc == entry.crc && packed == entry.packed && size == entry.size;
    if (!same && !(follows && crc == 0 && packed == 0 && size == 0)) {
        return contradiction("size or checksum");
    }
    const std::uint64_t behind = at + k_local_bytes + name_bytes + extra_bytes + entry.packed;
    if (follows ? !is_descriptor(bytes, behind, next, entry) : behind != next) {
        return bad_zip("without bytes that belong to no file",
                       std::to_string(next - behind) + " of them behind " + quoted(entry.name));
    }
    return {};
}

Result<void> check_layout(Bytes bytes, std::vector<Central> entries, std::uint64_t end) {
    std::sort(entries.begin(), entries.end(),
              [](const Central& a, const Central& b) { return a.local_at < b.local_at; });
    const std::uint64_t first = entries.empty() ? end : entries.front().local_at;
    if (first != 0) {
        return bad_zip("that begins with its first byte",
                       std::to_string(first) + " bytes in front of it");
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const std::uint64_t next = i + 1 < entries.size() ? entries[i + 1].local_at : end;
        if (next > end) {
            return bad_zip("with its files in front of its directory",
                           quoted(entries[i + 1].entry.name) + " behind it");
        }
        if (auto local = check_local(bytes, entries[i], next); !local) return local;
    }
    return {};
}

}  // namespace

Result<std::vector<ZipEntry>> read_zip_directory(std::span<const std::byte> bytes) {
    const auto end = read_end(bytes);
    if (!end) return failure(end.error().code, end.error().text);
    std::vector<Central> directory;
    std::uint64_t at = end->directory_at;
    for (std::uint16_t i = 0; i < end->entries; ++i) {
        auto central = read_central(bytes, at, end->at);
        if (!central) return failure(central.error().code, central.error().text);
        directory.push_back(std::move(*central));
    }
    if (at != end->at) {
        return bad_zip("with as many files as its end says",
                       std::to_string(end->at - at) + " more bytes of a directory");
    }
    std::vector<ZipEntry> entries;
    entries.reserve(directory.size());
    for (const auto& central : directory) entries.push_back(central.entry);
    if (auto layout = check_layout(bytes, std::move(directory), end->directory_at); !layout) {
        return failure(layout.error().code, layout.error().text);
    }
    return entries;
}

}  // namespace backplane::core::bundle
