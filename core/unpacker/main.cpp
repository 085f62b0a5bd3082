// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// backplane-unpack: inflates one archive that somebody has sent, in a process without secrets, devices, files or a
// network. Started by backplaned only: the archive is descriptor 3, the container that it makes of it (bundle/unpacked.hpp)
// is written to descriptor 4, the only argument is the architecture of the machine.
#include <exception>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "bundle/unpacked.hpp"
#include "confinement.hpp"
#include "unpack.hpp"
#include "util/memory_map.hpp"

namespace {

using namespace backplane::core;

int run(int argc, char** argv) {
    if (argc != 2 || ::fcntl(bundle::k_unpack_archive_fd, F_GETFD) < 0 ||
        ::fcntl(bundle::k_unpack_output_fd, F_GETFD) < 0) {
        // The only line that this program ever prints: here somebody has started it by hand.
        constexpr std::string_view text =
            "backplane-unpack is started by backplaned, with descriptors that it makes\n";
        (void)!::write(STDERR_FILENO, text.data(), text.size());
        return bundle::k_unpack_usage;
    }
    const std::string arch = argv[1];
    std::string reason;
    if (!unpacker::confine(reason)) return bundle::k_unpack_not_confined;
    const auto archive = MemoryMap::of(bundle::k_unpack_archive_fd);
    if (!archive) return bundle::k_unpack_not_written;
    return unpacker::unpack(archive->bytes(), arch, bundle::k_unpack_output_fd)
               ? 0
               : bundle::k_unpack_not_written;
}

}  // namespace

int main(int argc, char** argv) {
    // _exit(): what libraries do at the end is no longer allowed, and of no use.
    try {
        ::_exit(run(argc, argv));
    } catch (const std::exception&) {
        ::_exit(bundle::k_unpack_not_written);
    }
}
