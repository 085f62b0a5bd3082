// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What backplane-unpack makes of an archive: a flat container of the files that this box may need.
//
// An archive is inflated in a process that has nothing to lose (core/unpacker). If that process is taken over by what it
// reads, this container is all that it can say: so it is read as foreign bytes, and nothing of it is believed that the
// signatures do not prove later. Both sides are of one build, the format is of no other use. Little endian:
//
//     header   "BPUNPK1\n" · u32 kind (0 files, 1 refusal) · u32 count of entries · u64 length of all · u32 foreign files
//              · u32 zero                                       written last: without it there is no container
//     refusal  problem                                          the archive itself cannot be used
//     entry    u16 length, name · u64 size · u8 state           in the order of the names, each once
//              state 0: content; state 1: problem               E_DUP: there are several of this name
//     problem  u8 length, code · u16 length, text
//
// The file is longer than the container; what is behind its length means nothing. Thread: any. Blocking: no.
// Error codes: those of Archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"
#include "bundle/archive.hpp"
#include "util/memory_map.hpp"

namespace backplane::core::bundle {

inline constexpr std::string_view k_unpacked_magic = "BPUNPK1\n";
inline constexpr std::size_t k_unpacked_header_bytes = 32;
inline constexpr std::uint32_t k_unpacked_files = 0, k_unpacked_refusal = 1;
inline constexpr std::uint8_t k_unpacked_content = 0, k_unpacked_problem = 1;
/// One build: as many as the inspector of plug-ins takes.
inline constexpr std::size_t k_build_bytes = std::size_t{32} << 20;
inline constexpr std::size_t k_problem_text_bytes = 500;
/// Content, and a name and a problem for each of as many files as an archive may have.
inline constexpr std::size_t k_unpacked_bytes = k_extracted_bytes + (std::size_t{4} << 20);

/// Between the box and backplane-unpack: its descriptors and how it ends.
inline constexpr int k_unpack_archive_fd = 3, k_unpack_output_fd = 4;
inline constexpr int k_unpack_usage = 2, k_unpack_not_confined = 3, k_unpack_not_written = 4;

class Unpacked final : public FileSource {
public:
    /// The error is what the other side says of the archive, or E_ZIP when what it says makes no sense.
    static Result<Unpacked> open(MemoryMap container);
    /// The same for bytes that outlive it.
    static Result<Unpacked> parse(std::span<const std::byte> container);

    const std::vector<std::string>& names() const override { return names_; }
    bool is_ambiguous(std::string_view name) const override;
    Result<std::vector<std::byte>> read(std::string_view name, std::size_t most) const override;
    std::size_t foreign_files() const noexcept override { return foreign_; }

private:
    struct File {
        std::uint64_t size = 0;
        std::span<const std::byte> content;
        std::optional<Error> problem;
    };
    class Parser;
    Unpacked() = default;
    const File* find(std::string_view name) const;

    MemoryMap map_;
    std::vector<std::string> names_;
    std::vector<File> files_;  ///< in the order of the names
    std::size_t foreign_ = 0;
};

}  // namespace backplane::core::bundle
