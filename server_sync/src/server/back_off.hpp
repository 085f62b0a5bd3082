// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How long to wait after a failure: the first pause, doubled with each further failure up to the longest, and of that a
// share that chance picks, so that boxes that failed together do not come back together. Each part has its own figures.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>

namespace backplane::sync {

struct BackOff {
    std::chrono::milliseconds first, longest;
    double least, most;  ///< of the whole pause; 1 is all of it

    /// After a failure that has so many failures before it, with a number from 0 to 1.
    std::chrono::milliseconds after(unsigned failures_before, double random) const {
        const double doubled = static_cast<double>(first.count()) *
                               std::exp2(static_cast<double>(std::min(failures_before, 20u)));
        const double whole = std::min(doubled, static_cast<double>(longest.count()));
        const double share = least + (most - least) * std::clamp(random, 0.0, 1.0);
        return std::chrono::milliseconds{std::llround(whole * share)};
    }
};

}  // namespace backplane::sync
