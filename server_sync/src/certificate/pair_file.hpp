// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A certificate and its key in one file, so that after a power cut there are both of the old or both of the new.
//
// The file is 0600, its folder 0700. Thread: any. Blocks on the disk. Errors: "certificate.missing",
// "certificate.unreadable", "certificate.not_written".
#pragma once

#include <string>

#include "backplane/core/http.hpp"
#include "backplane/core/result.hpp"

namespace backplane::sync {

/// A whole text file of at most 256 kB.
core::Result<std::string> read_text_file(const std::string& path);

core::Result<core::TlsIdentity> read_pair_file(const std::string& path);
/// Durable when it returns.
core::Result<void> write_pair_file(const std::string& folder, const std::string& name,
                                   const core::TlsIdentity& identity);

}  // namespace backplane::sync
