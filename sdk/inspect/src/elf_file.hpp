// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the inspector wants to know of an ELF file, read by program headers as the dynamic linker
// does.
//
// Section headers can be stripped or lie, and the linker ignores them; so does this reader, except
// that their table must lie inside the file, which notices a download that was cut. 32 and 64 bit,
// little-endian, any host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::sdk {

/// One entry of a note segment. The views point into the file.
struct ElfNote {
    std::string_view owner;
    std::uint32_t type = 0;
    std::span<const std::byte> descriptor;
};

/// A version of a symbol that the file needs from a library.
struct ElfVersionNeed {
    std::string_view library;
    std::string_view version;
};

/// A symbol that other libraries can see.
struct ElfExport {
    std::string_view name;
    std::string_view version;  ///< empty: none
    bool object = false;       ///< data, not code
    bool absolute = false;     ///< a bare number: this is how the linker marks a version node
};

/// Views point into the bytes that were given to read(), which outlive the object.
class ElfFile {
public:
    /// Why the file cannot be read any further.
    struct Refusal {
        enum class Kind { not_elf, byte_order, malformed };
        Kind kind = Kind::malformed;
        std::string text;  ///< goes on after "the file …"
    };

    /// Nullopt-like: on failure `refusal` is set and the members hold what was read until then.
    static bool read(std::span<const std::byte> file, ElfFile& out, Refusal& refusal);

    unsigned bits = 0;          ///< 32 or 64
    std::uint16_t type = 0;     ///< ET_…
    std::uint16_t machine = 0;  ///< EM_…
    std::uint32_t flags = 0;    ///< e_flags

    bool has_dynamic = false;
    bool stack_is_declared = false;
    bool stack_is_executable = false;
    bool has_writable_code = false;  ///< a segment that can be written and executed
    bool has_relro = false;
    bool binds_now = false;
    bool has_text_relocations = false;
    bool is_never_unloaded = false;  ///< DF_1_NODELETE
    bool is_program = false;         ///< DF_1_PIE

    std::vector<ElfNote> notes;
    std::vector<std::string_view> needed;        ///< DT_NEEDED
    std::vector<std::string_view> search_paths;  ///< DT_RPATH and DT_RUNPATH
    std::vector<std::string_view> hooks;  ///< filters and auditors: other ways to pull in a library
    std::vector<ElfVersionNeed> version_needs;
    std::vector<ElfExport> exports;
};

}  // namespace backplane::sdk
