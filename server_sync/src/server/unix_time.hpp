// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The wall clock as the protocol writes it: seconds since 1970, with a fraction.
#pragma once

#include <chrono>

namespace backplane::sync {

inline double unix_time() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

}  // namespace backplane::sync
