// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Sealed memory files: bytes that nobody can change any more, not even who holds a descriptor of
// them.
//
// What was verified is what is loaded (plug-ins), and what was measured is what is read (payloads
// between processes).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "backplane/core/fd.hpp"
#include "backplane/core/result.hpp"

namespace backplane::core {

/// A memory file with a copy of these bytes, close-on-exec, sealed against writing, growing,
/// shrinking and other seals. `name` is what /proc shows; it need not be unique.
Result<Fd> sealed_memory_file(std::string_view name, std::span<const std::byte> bytes);

/// The same with the content of a regular file of at most `most` bytes.
Result<Fd> sealed_memory_file_from(const std::string& path, std::size_t most);

/// The same from several pieces, one behind the other.
Result<Fd> sealed_memory_file_of(std::string_view name,
                                 std::span<const std::span<const std::byte>> pieces);

}  // namespace backplane::core
