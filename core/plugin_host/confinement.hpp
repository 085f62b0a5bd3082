// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a plug-in host gives up before it loads the plug-in: constructors of the library run inside
// dlopen() already.
#pragma once

#include <cstdint>
#include <string>

namespace backplane::core::host {

/// Privileges, limits, death with the parent. False with the reason when the system refuses one of
/// them. `memory_mib` is what the process may have of its own.
bool confine(std::uint64_t memory_mib, std::string& reason);

}  // namespace backplane::core::host
