// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a power cut can leave of a recorded run, at each of its points.
//
// ORDERED, a journalling file system: names change in the order of the calls, and each sync brings all names before it
// to the disk. WEAK, what POSIX promises: a name is on the disk when its folder was synced, and until then any of the
// changes may be there without the others. In both, what was written to a file and not synced is there as a whole, not
// at all, up to some byte, as room without content, or in any of its writes without the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "crash/model_disk.hpp"

namespace backplane::crash {

enum class Model { ordered, weak };

/// Of what was written to a file since its last sync.
enum class Written {
    full,
    old,
    empty,  ///< room without content
    torn,   ///< `detail` bytes
    some,   ///< of the writes those whose bit is in `detail`
};

struct WrittenFile {
    Node node = 0;
    Written how = Written::full;
    std::uint64_t detail = 0;
};

struct CrashState {
    DiskImage image;
    std::size_t calls = 0;     ///< of the recording that were made before the cut
    std::size_t reported = 0;  ///< marks among them
    /// How it came to be, for people.
    std::string text() const;

    const Recording* recording = nullptr;
    std::vector<std::size_t> names_kept, names_lost;  ///< operations
    std::vector<WrittenFile> written;
};

struct Enumeration {
    Model model = Model::ordered;
    std::uint64_t seed = 1;  ///< of the random samples
    /// Changes of names that may be lost: all subsets of so many; of more the prefixes, single ones, random samples.
    std::size_t all_subsets_to = 10;
    std::size_t samples = 64;
    /// The same for writes to one file.
    std::size_t all_writes_to = 5;
    std::size_t write_samples = 10;
    std::size_t torn_at = 8;  ///< parts into which unsynced writes are torn
    std::size_t first = 0, last = static_cast<std::size_t>(-1);  ///< points of the recording
};

/// Also the same state more than once. Ends when `visit` returns false.
void for_each_crash_state(const Recording& recording, const Enumeration& how,
                          const std::function<bool(const CrashState&)>& visit);

}  // namespace backplane::crash
