// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a plug-in host gives up before it loads the plug-in: constructors of the library run inside
// dlopen() already.
#pragma once

#include <string>

namespace backplane::core::host {

/// Privileges, limits, death with the parent. False with the reason when the system refuses one of
/// them.
bool confine(std::string& reason);

}  // namespace backplane::core::host
