// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What every thread does first that talks to a server.
#pragma once

#include <string>

namespace backplane::sync {

/// Names the calling thread (15 bytes of it) and keeps signals from it: they are the main thread's,
/// and a connection that the server has closed is an error of write(), not the end of the program.
void begin_worker_thread(const std::string& name) noexcept;

}  // namespace backplane::sync
