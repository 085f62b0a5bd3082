// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "elf_file.hpp"

#include <elf.h>

#include <algorithm>
#include <map>
#include <optional>

namespace backplane::sdk {
namespace {

// Far above what a plug-in has, far below what would take noticeable time.
constexpr std::size_t k_max_segments = 128;
constexpr std::size_t k_max_dynamic_entries = 4'096;
constexpr std::size_t k_max_note_bytes = 1u << 20;
constexpr std::size_t k_max_versions = 16'384;
constexpr std::size_t k_max_symbols = 262'144;
constexpr std::size_t k_max_string = 4'096;

/// Thrown by the readers below and caught in ElfFile::read(): so no read can go on with bytes that
/// are not there.
struct Malformed {
    ElfFile::Refusal refusal;
};

[[noreturn]] void malformed(std::string text) {
    throw Malformed{{ElfFile::Refusal::Kind::malformed, std::move(text)}};
}

/// A part of the file; every access is checked.
class Bytes {
public:
    Bytes() = default;
    Bytes(std::span<const std::byte> data, const char* what) : data_(data), what_(what) {}

    std::size_t size() const noexcept { return data_.size(); }

    Bytes slice(std::uint64_t offset, std::uint64_t size, const char* what) const {
        if (offset > data_.size() || size > data_.size() - offset) {
            malformed(std::string("ends before its ") + what + " is complete");
        }
        return {data_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size)),
                what};
    }

    std::uint64_t number(std::uint64_t offset, unsigned width) const {
        if (offset > data_.size() || width > data_.size() - offset) {
            malformed(std::string("has a ") + what_ + " that is too short");
        }
        std::uint64_t value = 0;
        for (unsigned i = width; i-- > 0;) {
            value = value << 8 |
                    std::to_integer<std::uint64_t>(data_[static_cast<std::size_t>(offset) + i]);
        }
        return value;
    }
    std::uint8_t u8(std::uint64_t offset) const {
        return static_cast<std::uint8_t>(number(offset, 1));
    }
    std::uint16_t u16(std::uint64_t offset) const {
        return static_cast<std::uint16_t>(number(offset, 2));
    }
    std::uint32_t u32(std::uint64_t offset) const {
        return static_cast<std::uint32_t>(number(offset, 4));
    }

    std::string_view string(std::uint64_t offset) const {
        if (offset >= data_.size()) malformed(std::string("points outside its ") + what_);
        const auto rest = data_.subspan(static_cast<std::size_t>(offset));
        const auto limit = std::min(rest.size(), k_max_string);
        const auto* text = reinterpret_cast<const char*>(rest.data());
        const std::string_view window(text, limit);
        const auto end = window.find('\0');
        if (end == std::string_view::npos)
            malformed(std::string("has text without an end in its ") + what_);
        return window.substr(0, end);
    }

    std::span<const std::byte> raw() const noexcept { return data_; }
    std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(data_.data()), data_.size()};
    }

private:
    std::span<const std::byte> data_;
    const char* what_ = "file";
};

struct Segment {
    std::uint32_t type = 0;
    std::uint32_t flags = 0;
    std::uint64_t offset = 0;
    std::uint64_t address = 0;
    std::uint64_t file_size = 0;
    std::uint64_t memory_size = 0;
    std::uint64_t align = 0;
};

std::uint64_t round_up(std::uint64_t value, std::uint64_t align) {
    return (value + align - 1) / align * align;
}

class Reader {
public:
    Reader(std::span<const std::byte> file, ElfFile& out) : file_(file, "file"), out_(out) {}

    void read() {
        read_header();
        read_segments();
        read_notes();
        read_dynamic();
    }

private:
    bool wide() const noexcept { return out_.bits == 64; }
    unsigned word() const noexcept { return wide() ? 8 : 4; }

    void read_header() {
        constexpr std::string_view k_magic(
            "\x7f"
            "ELF",
            4);
        if (file_.text().substr(0, k_magic.size()) != k_magic) {
            throw Malformed{
                {ElfFile::Refusal::Kind::not_elf, "does not begin with the mark of an ELF file"}};
        }
        const auto elf_class = file_.u8(EI_CLASS);
        if (elf_class != ELFCLASS32 && elf_class != ELFCLASS64)
            malformed("is neither 32 nor 64 bit");
        out_.bits = elf_class == ELFCLASS64 ? 64 : 32;
        const auto order = file_.u8(EI_DATA);
        if (order == ELFDATA2MSB) {
            throw Malformed{{ElfFile::Refusal::Kind::byte_order, "is for a big-endian machine"}};
        }
        if (order != ELFDATA2LSB) malformed("has no valid byte order");
        if (file_.u8(EI_VERSION) != EV_CURRENT) malformed("has an unknown ELF version");
        const auto header = file_.slice(0, wide() ? 64 : 52, "ELF header");
        out_.type = header.u16(16);
        out_.machine = header.u16(18);
        segment_table_ = header.number(wide() ? 32 : 28, word());
        const auto section_table = header.number(wide() ? 40 : 32, word());
        out_.flags = header.u32(wide() ? 48 : 36);
        const std::uint64_t tail = wide() ? 52 : 40;  // e_ehsize, from here on 16-bit numbers
        segment_size_ = header.u16(tail + 2);
        segment_count_ = header.u16(tail + 4);
        const std::uint64_t section_size = header.u16(tail + 6);
        const std::uint64_t section_count = header.u16(tail + 8);
        if (section_table != 0)
            file_.slice(section_table, section_size * section_count, "section table");
    }

    void read_segments() {
        if (segment_count_ == 0) return;
        if (segment_count_ > k_max_segments) malformed("has more segments than any library");
        if (segment_size_ != (wide() ? 56u : 32u)) malformed("has program headers of a wrong size");
        const auto table =
            file_.slice(segment_table_, segment_count_ * segment_size_, "program header table");
        std::uint64_t loaded_until = 0;
        for (std::uint64_t i = 0; i < segment_count_; ++i) {
            const auto at = i * segment_size_;
            Segment segment;
            segment.type = table.u32(at);
            if (wide()) {
                segment.flags = table.u32(at + 4);
                segment.offset = table.number(at + 8, 8);
                segment.address = table.number(at + 16, 8);
                segment.file_size = table.number(at + 32, 8);
                segment.memory_size = table.number(at + 40, 8);
                segment.align = table.number(at + 48, 8);
            } else {
                segment.offset = table.u32(at + 4);
                segment.address = table.u32(at + 8);
                segment.file_size = table.u32(at + 16);
                segment.memory_size = table.u32(at + 20);
                segment.flags = table.u32(at + 24);
                segment.align = table.u32(at + 28);
            }
            switch (segment.type) {
                case PT_LOAD:
                    file_.slice(segment.offset, segment.file_size, "loaded part");
                    if (segment.memory_size < segment.file_size || segment.address < loaded_until ||
                        segment.address + segment.memory_size < segment.address) {
                        // Overlapping parts would show the linker other bytes than they show us.
                        malformed("has loaded parts that overlap or are out of order");
                    }
                    loaded_until = segment.address + segment.memory_size;
                    if ((segment.flags & PF_W) != 0 && (segment.flags & PF_X) != 0)
                        out_.has_writable_code = true;
                    break;
                case PT_GNU_STACK:
                    out_.stack_is_declared = true;
                    if ((segment.flags & PF_X) != 0) out_.stack_is_executable = true;
                    break;
                case PT_GNU_RELRO:
                    out_.has_relro = true;
                    break;
                default:
                    break;
            }
            segments_.push_back(segment);
        }
    }

    void read_notes() {
        std::uint64_t budget = k_max_note_bytes;
        for (const auto& segment : segments_) {
            if (segment.type != PT_NOTE) continue;
            if (segment.file_size > budget) malformed("has too many bytes of notes");
            budget -= segment.file_size;
            const auto notes = file_.slice(segment.offset, segment.file_size, "note segment");
            const std::uint64_t align = segment.align == 8 ? 8 : 4;
            std::uint64_t at = 0;
            while (at + 12 <= notes.size()) {
                const std::uint64_t name_size = notes.u32(at);
                const std::uint64_t descriptor_size = notes.u32(at + 4);
                const auto name = notes.slice(at + 12, name_size, "note").text();
                const auto descriptor_at = round_up(at + 12 + name_size, align);
                const auto descriptor = notes.slice(descriptor_at, descriptor_size, "note");
                out_.notes.push_back(
                    {name.substr(0, name.find('\0')), notes.u32(at + 8), descriptor.raw()});
                at = round_up(descriptor_at + descriptor_size, align);
            }
        }
    }

    /// From `address` to the end of what the file holds of its segment.
    Bytes loaded_from(std::uint64_t address, const char* what) const {
        for (const auto& segment : segments_) {
            if (segment.type != PT_LOAD || address < segment.address) continue;
            const auto inside = address - segment.address;
            if (inside >= segment.file_size) continue;
            return file_.slice(segment.offset + inside, segment.file_size - inside, what);
        }
        malformed(std::string("says that its ") + what + " lies where nothing is loaded");
    }
    Bytes loaded(std::uint64_t address, std::uint64_t size, const char* what) const {
        return loaded_from(address, what).slice(0, size, what);
    }

    void read_dynamic() {
        const Segment* dynamic = nullptr;
        for (const auto& segment : segments_) {
            if (segment.type != PT_DYNAMIC) continue;
            if (dynamic != nullptr) malformed("has two dynamic sections");
            dynamic = &segment;
        }
        if (dynamic == nullptr) return;
        out_.has_dynamic = true;

        // By address, as the linker finds it; the offset in the header is only for other tools.
        const auto table = loaded(dynamic->address, dynamic->file_size, "dynamic section");
        const auto entry = 2 * word();
        std::map<std::uint64_t, std::uint64_t> last;
        std::vector<std::uint64_t> needed, paths, hooks;
        for (std::uint64_t i = 0;; ++i) {
            if (i >= k_max_dynamic_entries) malformed("has a dynamic section without an end");
            const auto tag = table.number(i * entry, word());
            const auto value = table.number(i * entry + word(), word());
            if (tag == DT_NULL) break;
            switch (tag) {
                case DT_NEEDED:
                    needed.push_back(value);
                    break;
                case DT_RPATH:
                case DT_RUNPATH:
                    paths.push_back(value);
                    break;
                case DT_FILTER:
                case DT_AUXILIARY:
                case DT_AUDIT:
                case DT_DEPAUDIT:
                    hooks.push_back(value);
                    break;
                case DT_TEXTREL:
                    out_.has_text_relocations = true;
                    break;
                case DT_BIND_NOW:
                    out_.binds_now = true;
                    break;
                case DT_FLAGS:
                    if ((value & DF_TEXTREL) != 0) out_.has_text_relocations = true;
                    if ((value & DF_BIND_NOW) != 0) out_.binds_now = true;
                    break;
                case DT_FLAGS_1:
                    if ((value & DF_1_NOW) != 0) out_.binds_now = true;
                    if ((value & DF_1_NODELETE) != 0) out_.is_never_unloaded = true;
                    if ((value & DF_1_PIE) != 0) out_.is_program = true;
                    break;
                default:
                    last[tag] = value;
                    break;
            }
        }
        const auto find = [&](std::uint64_t tag) -> std::optional<std::uint64_t> {
            const auto found = last.find(tag);
            return found == last.end() ? std::nullopt : std::optional(found->second);
        };

        const auto text_address = find(DT_STRTAB);
        const auto text_size = find(DT_STRSZ);
        if (!text_address || !text_size) malformed("has no table of names");
        const auto texts = loaded(*text_address, *text_size, "table of names");
        for (const auto at : needed) out_.needed.push_back(texts.string(at));
        for (const auto at : paths) out_.search_paths.push_back(texts.string(at));
        for (const auto at : hooks) out_.hooks.push_back(texts.string(at));

        if (const auto address = find(DT_VERNEED)) {
            read_version_needs(*address, find(DT_VERNEEDNUM).value_or(0), texts);
        }
        std::map<std::uint16_t, std::string_view> versions;
        if (const auto address = find(DT_VERDEF)) {
            versions = read_version_definitions(*address, find(DT_VERDEFNUM).value_or(0), texts);
        }
        if (const auto symbols = find(DT_SYMTAB)) {
            read_exports(*symbols, symbol_count(find(DT_HASH), find(DT_GNU_HASH)), find(DT_VERSYM),
                         versions, texts);
        }
    }

    void read_version_needs(std::uint64_t address, std::uint64_t count, const Bytes& texts) {
        const auto table = loaded_from(address, "list of needed versions");
        std::uint64_t at = 0;
        std::size_t seen = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto library = texts.string(table.u32(at + 4));
            const auto versions = table.u16(at + 2);
            auto version_at = at + table.u32(at + 8);
            for (unsigned k = 0; k < versions; ++k) {
                if (++seen > k_max_versions) malformed("needs more versions than any library");
                out_.version_needs.push_back({library, texts.string(table.u32(version_at + 8))});
                const auto next = table.u32(version_at + 12);
                if (next == 0) break;
                version_at += next;
            }
            const auto next = table.u32(at + 12);
            if (next == 0) break;
            at += next;
            if (++seen > k_max_versions) malformed("needs more versions than any library");
        }
    }

    std::map<std::uint16_t, std::string_view> read_version_definitions(std::uint64_t address,
                                                                       std::uint64_t count,
                                                                       const Bytes& texts) const {
        std::map<std::uint16_t, std::string_view> versions;
        const auto table = loaded_from(address, "list of defined versions");
        std::uint64_t at = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            if (i >= k_max_versions) malformed("defines more versions than any library");
            const auto flags = table.u16(at + 2);
            const auto index = static_cast<std::uint16_t>(table.u16(at + 4) & 0x7fff);
            const auto name_at = at + table.u32(at + 12);
            // The base version only repeats the name of the file.
            if ((flags & VER_FLG_BASE) == 0) versions[index] = texts.string(table.u32(name_at));
            const auto next = table.u32(at + 16);
            if (next == 0) break;
            at += next;
        }
        return versions;
    }

    /// The symbol table does not say how long it is; the hash tables do.
    std::uint64_t symbol_count(std::optional<std::uint64_t> hash,
                               std::optional<std::uint64_t> gnu_hash) const {
        std::uint64_t count = 0;
        if (hash) count = loaded_from(*hash, "hash table").u32(4);
        if (gnu_hash) {
            const auto table = loaded_from(*gnu_hash, "hash table");
            const std::uint64_t buckets = table.u32(0);
            const std::uint64_t first = table.u32(4);
            const auto buckets_at = 16 + std::uint64_t{table.u32(8)} * word();
            const auto chains_at = buckets_at + 4 * buckets;
            if (buckets > k_max_symbols) malformed("has more symbols than any plug-in");
            std::uint64_t last = 0;
            for (std::uint64_t i = 0; i < buckets; ++i) {
                last = std::max<std::uint64_t>(last, table.u32(buckets_at + 4 * i));
            }
            if (last >= first && last != 0) {
                while ((table.u32(chains_at + 4 * (last - first)) & 1) == 0) ++last;
                count = std::max(count, last + 1);
            }
        }
        if (count > k_max_symbols) malformed("has more symbols than any plug-in");
        return count;
    }

    void read_exports(std::uint64_t address, std::uint64_t count,
                      std::optional<std::uint64_t> version_address,
                      const std::map<std::uint16_t, std::string_view>& versions,
                      const Bytes& texts) {
        if (count == 0) return;
        const std::uint64_t entry = wide() ? 24 : 16;
        const auto table = loaded(address, count * entry, "symbol table");
        Bytes indices;
        if (version_address)
            indices = loaded(*version_address, count * 2, "table of symbol versions");
        for (std::uint64_t i = 1; i < count; ++i) {
            const auto at = i * entry;
            const auto info = table.u8(at + (wide() ? 4 : 12));
            const auto other = table.u8(at + (wide() ? 5 : 13));
            const auto section = table.u16(at + (wide() ? 6 : 14));
            const auto binding = info >> 4;
            const auto visibility = other & 3;
            if (section == SHN_UNDEF || binding == STB_LOCAL) continue;
            if (visibility == STV_HIDDEN || visibility == STV_INTERNAL) continue;
            ElfExport symbol;
            symbol.name = texts.string(table.u32(at));
            symbol.object = (info & 15) == STT_OBJECT;
            symbol.absolute = section == SHN_ABS;
            if (version_address) {
                const auto version =
                    versions.find(static_cast<std::uint16_t>(indices.u16(i * 2) & 0x7fff));
                if (version != versions.end()) symbol.version = version->second;
            }
            out_.exports.push_back(symbol);
        }
    }

    Bytes file_;
    ElfFile& out_;
    std::uint64_t segment_table_ = 0;
    std::uint64_t segment_size_ = 0;
    std::uint64_t segment_count_ = 0;
    std::vector<Segment> segments_;
};

}  // namespace

bool ElfFile::read(std::span<const std::byte> file, ElfFile& out, Refusal& refusal) {
    try {
        Reader(file, out).read();
        return true;
    } catch (const Malformed& problem) {
        refusal = problem.refusal;
        return false;
    }
}

}  // namespace backplane::sdk
