// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace backplane::core {

void Fd::reset(int fd) noexcept {
    // A failing close() has still given the number back; trying again could close somebody else's file.
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

Fd Fd::duplicate() const noexcept {
    return Fd{::fcntl(fd_, F_DUPFD_CLOEXEC, 3)};
}

}  // namespace backplane::core
