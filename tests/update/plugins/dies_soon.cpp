// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Linked into a driver, it kills its process a second after the library was loaded: long enough to take the device.
#include <signal.h>
#include <sys/time.h>

namespace {

__attribute__((constructor)) void die_soon() {
    ::signal(SIGALRM, SIG_DFL);
    const itimerval second{{0, 0}, {1, 0}};
    ::setitimer(ITIMER_REAL, &second, nullptr);
}

}  // namespace
