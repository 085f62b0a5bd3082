// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Has an archive that nobody has vouched for yet inflated by another process, which can do nothing else (core/unpacker).
//
// The archive goes there and the files come back in memory files. What comes back is parsed as foreign bytes, and nothing of
// it counts before signatures and hashes have been verified in this process. Thread: any. Blocking: until the process has
// ended, at most `deadline`. Errors: those of bundle::Archive, of an archive that breaks the process E_ZIP;
// "update.unpack" when the box itself could not do it, which says nothing about the archive.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>

#include "backplane/core/result.hpp"
#include "bundle/archive.hpp"

namespace backplane::core {

struct UnpackProcess {
    std::string program;  ///< path of backplane-unpack
    std::string arch;  ///< of this machine, "x86_64-linux-gnu": builds for others are not inflated
    std::chrono::milliseconds deadline{10'000};

    Result<std::unique_ptr<bundle::FileSource>> unpack(std::span<const std::byte> archive) const;
};

}  // namespace backplane::core
