// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A received zip, read from memory. Everything in it is hostile until a signature says otherwise.
//
// Names are compared, never used as paths. Nothing is inflated unless somebody asks for it by name, and then at most as
// much as that caller allows. Thread: any, one at a time. Blocking: no. Error codes: E_SIZE, E_ZIP, E_NAME, E_DUP, E_LEN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"

namespace backplane::core::bundle {

inline constexpr std::size_t k_archive_bytes = std::size_t{32} << 20;  ///< the zip as received
inline constexpr std::size_t k_archive_entries = 4096;
inline constexpr std::size_t k_metadata_bytes = std::size_t{256}
                                                << 10;  ///< one JSON file or signature
inline constexpr std::size_t k_extracted_bytes = std::size_t{64} << 20;  ///< all plug-ins together
inline constexpr std::size_t k_name_bytes = 96;

/// Named files with content: a zip in memory, or the folder of a bundle that was accepted before.
class FileSource {
public:
    virtual ~FileSource() = default;
    /// Names that follow the rule of a bundle ("drivers/…", "interfaces/…"; [a-z0-9._-]; at most 96 bytes), sorted.
    /// Each one once unless is_ambiguous().
    virtual const std::vector<std::string>& names() const = 0;
    /// The archive has several files of this name.
    virtual bool is_ambiguous(std::string_view name) const = 0;
    /// The whole file. One byte more than `most` is E_LEN, a name that is not there is E_NAME, an ambiguous one E_DUP.
    virtual Result<std::vector<std::byte>> read(std::string_view name, std::size_t most) const = 0;
    /// Files that are somebody else's: counted, never opened.
    virtual std::size_t foreign_files() const noexcept { return 0; }
};

/// Whether `name` is one that a bundle may use for its own files: the rule above, and none that a Python interpreter would
/// import (".py", ".pyc", ".so").
bool is_bundle_name(std::string_view name) noexcept;

class Archive final : public FileSource {
public:
    /// E_SIZE (too large), E_ZIP (not a zip, cut off, prefix or tail that is not part of it, encrypted, overlapping, more
    /// entries than allowed), E_NAME (a name that no honest archive has: absolute, "..", backslash, drive letter, NUL or
    /// control characters, not UTF-8, a link or a device, longer than 1,024 bytes, deeper than 32; or one that differs
    /// from a bundle name by case only). Foreign files such as Python modules are counted, not opened.
    static Result<Archive> open(std::span<const std::byte> bytes);
    /// The same without a copy: the bytes outlive the archive and do not change.
    static Result<Archive> view(std::span<const std::byte> bytes);
    Archive(Archive&&) noexcept;
    Archive& operator=(Archive&&) noexcept;
    ~Archive() override;

    const std::vector<std::string>& names() const override;
    bool is_ambiguous(std::string_view name) const override;
    Result<std::vector<std::byte>> read(std::string_view name, std::size_t most) const override;
    std::size_t foreign_files() const noexcept override;
    /// What the archive claims of a file that it has; 0 for others.
    std::size_t claimed_size(std::string_view name) const noexcept;

private:
    struct Content;
    explicit Archive(std::unique_ptr<Content> content);
    static Result<Archive> read_directory(std::unique_ptr<Content> content);
    std::unique_ptr<Content> content_;
};

}  // namespace backplane::core::bundle
