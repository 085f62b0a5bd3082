// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How long to wait after so many failures: 1 minute, doubled up to 6 hours, give or take a fifth.
#pragma once

#include <chrono>
#include <random>

#include "server/back_off.hpp"

namespace backplane::sync {

inline std::chrono::milliseconds pause_after(unsigned failures) {
    static constexpr BackOff k_pause{std::chrono::minutes{1}, std::chrono::hours{6}, 0.8, 1.2};
    thread_local std::minstd_rand random{std::random_device{}()};
    return k_pause.after(failures == 0 ? 0 : failures - 1,
                         std::uniform_real_distribution<double>{}(random));
}

}  // namespace backplane::sync
