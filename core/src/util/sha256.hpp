// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// SHA-256, the name of content: of plug-in builds, documents and blobs. OpenSSL's, which uses what the processor has
// for it: about 1 GB/s, ten times what portable code reaches.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace backplane::core {

/// 64 lower-case hex digits. Throws std::bad_alloc only.
std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace backplane::core
