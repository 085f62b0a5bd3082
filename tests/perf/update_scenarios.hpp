// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Measurements of updates: a box, a server that delivers signed bundles, plug-ins that count.
#pragma once

namespace backplane::perf {

void measure_swap(double scale);
void measure_swap_all(double scale);

}  // namespace backplane::perf
