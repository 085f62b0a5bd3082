// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/worker_thread.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>

namespace backplane::sync {

void begin_worker_thread(const std::string& name) noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::array<char, 16> shortened{};
    std::copy_n(name.begin(), std::min(name.size(), shortened.size() - 1), shortened.begin());
    if (!name.empty()) pthread_setname_np(pthread_self(), shortened.data());
}

}  // namespace backplane::sync
