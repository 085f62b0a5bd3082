// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Loads the plug-in and checks that it is one for this host.
#pragma once

#include <string>

#include "backplane/abi/plugin.h"
#include "backplane/core/result.hpp"

namespace backplane::core::host {

/// `fd` holds the verified bytes and has to stay open until the process ends: a later descriptor
/// with the same number would be taken for the same library. The library is never unloaded; a
/// process that ends is the only clean unload. `name` is for messages. The error is for people and
/// says what helps.
Result<const bp_entry*> load_plugin(int fd, const std::string& name);

/// Split off for its tests. Empty when all is well.
std::string check_entry(const bp_entry& entry);
/// Nobody may be able to change what is loaded, not even who holds a descriptor of it.
std::string check_seals(int fd);
/// What a person can do about this text of dlerror().
std::string hint_for(const std::string& dlerror_text);

}  // namespace backplane::core::host
