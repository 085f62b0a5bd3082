// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Measurements of a box that belongs to an Odoo server: what the server's absence costs, and how soon it is back.
#pragma once

namespace backplane::perf {

void measure_away(double scale);
void measure_return(double scale);

}  // namespace backplane::perf
