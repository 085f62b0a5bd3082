// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "figures.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace backplane::perf {

namespace {

// Microseconds are what the clocks of a program and its box agree about.
double rounded(double milliseconds) {
    return std::round(milliseconds * 1000) / 1000;
}

}  // namespace

void Samples::add(const Samples& others) {
    milliseconds_.insert(milliseconds_.end(), others.milliseconds_.begin(),
                         others.milliseconds_.end());
}

double Samples::percentile(double percent) const {
    if (milliseconds_.empty()) return 0;
    std::sort(milliseconds_.begin(), milliseconds_.end());
    const double rank = std::ceil(percent / 100 * static_cast<double>(milliseconds_.size()));
    return milliseconds_[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
}

boost::json::object Samples::summary() const {
    return {{"n", size()},
            {"min_ms", rounded(percentile(0))},
            {"p50_ms", rounded(percentile(50))},
            {"p90_ms", rounded(percentile(90))},
            {"p99_ms", rounded(percentile(99))},
            {"max_ms", rounded(percentile(100))}};
}

void print_figure(const std::string& name, boost::json::object values) {
    boost::json::object line{{"figure", name}};
    for (auto& [key, value] : values) line[key] = std::move(value);
    std::printf("%s\n", boost::json::serialize(line).c_str());
    std::fflush(stdout);
}

}  // namespace backplane::perf
