// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What backplane-unpack gives up before it reads the first byte of an archive: everything but to compute, to read what it
// was given and to write what it was asked for.
#pragma once

#include <string>

namespace backplane::core::unpacker {

/// False with the reason when the system refuses one of the measures. Cannot be undone. From then on the kernel ends the
/// process at any system call that it does not need (SIGSYS), at 256 MiB, and after 10 s of computing.
bool confine(std::string& reason);

}  // namespace backplane::core::unpacker
