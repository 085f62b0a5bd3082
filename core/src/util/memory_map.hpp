// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The content of a sealed memory file where it lies, without a copy.
#pragma once

#include <cstddef>
#include <span>

#include "backplane/core/fd.hpp"
#include "backplane/core/result.hpp"

namespace backplane::core {

class MemoryMap {
public:
    /// Read-only. Only for files that cannot shrink any more: reading behind a new end would be a signal. Moves the
    /// position of the descriptor. Error: "memory_file.failed".
    static Result<MemoryMap> of(const Fd& file);
    /// A descriptor that somebody else owns.
    static Result<MemoryMap> of(int file);

    MemoryMap() noexcept = default;
    MemoryMap(MemoryMap&& other) noexcept;
    MemoryMap& operator=(MemoryMap&& other) noexcept;
    MemoryMap(const MemoryMap&) = delete;
    MemoryMap& operator=(const MemoryMap&) = delete;
    ~MemoryMap();

    std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
    std::span<const std::byte> bytes_;
};

}  // namespace backplane::core
