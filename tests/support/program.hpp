// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A program that a test runs: what it wrote, and how it ended.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "support/box_process.hpp"

namespace backplane::tests {

class Program {
public:
    /// Looks in PATH when the first argument has no slash.
    explicit Program(std::vector<std::string> arguments);
    ~Program();  ///< kills it if it still runs
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number) const;
    bool ended();
    /// The exit code, or -signal. Throws when it does not end within the limit.
    int wait(std::chrono::milliseconds limit = 20s);
    std::string out() const;
    std::string err() const;

private:
    TemporaryFolder folder_;
    pid_t pid_ = -1;
    std::optional<int> end_;
};

}  // namespace backplane::tests
