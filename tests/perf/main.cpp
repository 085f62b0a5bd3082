// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// backplane_bench: one scenario, or a box for a client of somebody else. run_bench.py runs them all and writes the report.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "scenarios.hpp"

namespace {

int usage() {
    std::fprintf(
        stderr,
        "backplane_bench SCENARIO [FACTOR]   measure; FACTOR times the usual number of samples "
        "(0.01 to 100)\n"
        "backplane_bench serve               a box with a scale, until the end of the input\n\n");
    for (const auto& scenario : backplane::perf::scenarios())
        std::fprintf(stderr, "  %-14s %s\n", scenario.name, scenario.title);
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) return usage();
    const double factor = argc == 3 ? std::atof(argv[2]) : 1;
    if (!(factor >= 0.01 && factor <= 100)) return usage();
    std::signal(SIGPIPE, SIG_IGN);
    try {
        if (std::strcmp(argv[1], "serve") == 0) return backplane::perf::serve(), 0;
        for (const auto& scenario : backplane::perf::scenarios())
            if (std::strcmp(argv[1], scenario.name) == 0) return scenario.run(factor), 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "backplane_bench %s: %s\n", argv[1], error.what());
        return 1;
    }
    return usage();
}
