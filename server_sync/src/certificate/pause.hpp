// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How long to wait after so many failures: 1 minute, doubled up to 6 hours, give or take a fifth, so that boxes that
// failed together do not come back together.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

namespace backplane::sync {

inline std::chrono::milliseconds pause_after(unsigned failures) {
    static constexpr double k_first = 60'000, k_longest = 6 * 3'600'000.0;
    thread_local std::minstd_rand random{std::random_device{}()};
    const double whole =
        std::min(k_longest, k_first * std::exp2(std::min(failures == 0 ? 0u : failures - 1, 20u)));
    return std::chrono::milliseconds{static_cast<std::chrono::milliseconds::rep>(
        whole * std::uniform_real_distribution<double>{0.8, 1.2}(random))};
}

}  // namespace backplane::sync
