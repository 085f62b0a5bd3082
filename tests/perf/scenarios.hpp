// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What is measured: each scenario starts a box of its own, the released program with its own plug-ins, does one thing to
// it through its front doors and prints figures.
#pragma once

#include <string>
#include <vector>

namespace backplane::perf {

struct Scenario {
    const char* name;
    const char* title;          ///< what it measures
    void (*run)(double scale);  ///< `scale` times the usual number of samples
};

const std::vector<Scenario>& scenarios();

/// Starts a box with a scale, prints its port and keeps it until stdin ends: for clients of others.
void serve();

}  // namespace backplane::perf
