// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Who this box is: made at random once, and the same ever after. It has a small file of its own, so
// that it outlives whatever happens to a database.
#pragma once

#include <string>

namespace backplane::core {

/// 32 hexadecimal digits, a random (version 4) UUID. Reads `state_dir`/box-id, or makes one
/// durably; when the disk does not allow that the identifier holds for this run only, which is
/// logged as an error. Blocks on the disk.
std::string load_or_make_box_identity(const std::string& state_dir);

}  // namespace backplane::core
