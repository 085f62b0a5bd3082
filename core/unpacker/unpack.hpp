// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// From an archive to a container (bundle/unpacked.hpp).
//
// Documents first, each of at most 256 KiB, then builds for one machine, each of at most 32 MiB, and all together at most
// 64 MiB: nothing else in an archive can be asked for, so nothing else is inflated. What cannot be inflated, or is too much,
// goes along by its name with the reason, and is an error only for who wants to read it.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace backplane::core::unpacker {

/// `arch` is that of the machine, "x86_64-linux-gnu". `output` is written from its beginning. False: it could not be.
bool unpack(std::span<const std::byte> archive, std::string_view arch, int output);

}  // namespace backplane::core::unpacker
