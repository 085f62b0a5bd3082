// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What was measured, as one line of JSON on stdout: run_bench.py makes the report of these lines.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace backplane::perf {

using Clock = std::chrono::steady_clock;

/// Times of many equal things.
class Samples {
public:
    void add(Clock::duration time) {
        add_ms(std::chrono::duration<double, std::milli>(time).count());
    }
    void add_ms(double milliseconds) { milliseconds_.push_back(milliseconds); }
    void add(const Samples& others);
    std::size_t size() const noexcept { return milliseconds_.size(); }

    /// Nearest rank: the smallest value that `percent` of all values do not exceed. 0 without values.
    double percentile(double percent) const;
    /// {"n", "min_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms"}
    boost::json::object summary() const;

private:
    mutable std::vector<double> milliseconds_;
};

/// Writes one line and flushes it.
void print_figure(const std::string& name, boost::json::object values);

}  // namespace backplane::perf
