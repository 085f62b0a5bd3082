// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What /proc says of the box: its processes, their memory and their processor time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace backplane::perf {

/// The process and all its descendants.
std::vector<pid_t> process_tree(pid_t root);

struct Memory {
    double pss_mb = 0;  ///< own pages, and the share of those that others use too (MB = 1024 KiB)
    double private_mb = 0;  ///< own pages only
};
/// Throws when the figures of a process cannot be read.
Memory memory_of(const std::vector<pid_t>& processes);
std::string name_of(pid_t process);

/// User and system time of these processes so far.
std::chrono::duration<double> processor_time(const std::vector<pid_t>& processes);

/// Empties the page cache, so that programs come from the disk again. False without the right to.
bool drop_page_cache();

/// A port that nobody uses at the moment.
std::uint16_t free_port();

}  // namespace backplane::perf
