// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Addresses of a host name, with a deadline and without anybody having to wait for longer.
//
// The system's lookup cannot be interrupted, and a name server that is silent takes it half a
// minute. So it runs on a thread that is left to itself: that thread holds only what it was given,
// and what comes after the deadline is dropped.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "backplane/core/result.hpp"

namespace backplane::sync {

/// Addresses of a host name; may block. Empty: the system's.
using LookUp = std::function<core::Result<std::vector<std::string>>(const std::string& host)>;

/// The system's lookup; blocks. Error: what the system says.
core::Result<std::vector<std::string>> system_lookup(const std::string& host);

/// An address is its own lookup. Error "net.lookup": there is none, or not before the limit or the
/// stop.
core::Result<std::vector<std::string>> resolve(const LookUp& look_up, const std::string& host,
                                               std::chrono::milliseconds limit,
                                               std::stop_token stop);

}  // namespace backplane::sync
