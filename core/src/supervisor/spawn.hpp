// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Starts a program with nothing but what is named here: its arguments, its environment, its descriptors.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "backplane/core/fd.hpp"
#include "backplane/core/result.hpp"

namespace backplane::core {

struct SpawnRequest {
    std::string program;
    std::vector<std::string> arguments;  ///< without the name of the program
    std::vector<std::string> environment;
    /// What it finds as 0, 1, 2 and so on; everything else is closed. At most 16.
    std::vector<int> descriptors;
    static constexpr int k_null = -1;  ///< /dev/null, to be read
    /// A session of its own, so that it can be killed with all that it starts (orphans.hpp). Without it, the process ends
    /// with the terminal and is nobody's orphan.
    bool own_session = false;
};

/// A child that whoever asked for it must reap.
struct Spawned {
    pid_t pid = -1;
    Fd pidfd;  ///< can be read when it has ended
};

/// No signal is blocked or ignored in the child. Error: "supervisor.spawn_failed".
Result<Spawned> spawn(const SpawnRequest& request);

/// What a sanitizer reads from the environment, for those who start a program with none: empty otherwise.
std::vector<std::string> sanitizer_environment();

}  // namespace backplane::core
