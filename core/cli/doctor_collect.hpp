// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Facts about this machine and its box, each collected within a deadline, none with a secret in it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "box_client.hpp"
#include "doctor.hpp"

namespace backplane::cli {

/// What `work` returns, or nothing when it takes longer. It goes on in a thread that nobody waits for: a file system or
/// a name server that hangs cannot be interrupted. `work` therefore owns all that it uses.
std::optional<std::string> within(std::chrono::milliseconds limit,
                                  std::function<std::string()> work);

/// The output of a program (looked for in PATH), at most `most` bytes of its end. Killed at the deadline.
core::Result<std::string> output_of(const std::vector<std::string>& command,
                                    std::chrono::milliseconds limit, std::size_t most);

/// The content of a regular file, or what keeps it from being read; at most `most` bytes.
std::string content_of(const std::string& path, std::size_t most);

/// Name and content of everything that belongs into a support bundle, redacted and bounded. Takes at most `limit`.
std::vector<std::pair<std::string, std::string>> collect(const BoxClient& box,
                                                         const DoctorOptions& options,
                                                         std::chrono::milliseconds limit);

/// Writes them as a zip, readable by its owner alone.
core::Result<void> write_zip(const std::string& file,
                             const std::vector<std::pair<std::string, std::string>>& items);

}  // namespace backplane::cli
