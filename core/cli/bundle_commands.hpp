// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The command line of `backplane bundle` and `backplane trust`. None of them speaks to backplaned.
#pragma once

#include <memory>
#include <optional>

#include "exit_code.hpp"

namespace CLI {
class App;
}

namespace backplane::cli {

class BundleCommands {
public:
    /// Adds both to `app`, which outlives this.
    explicit BundleCommands(CLI::App& app);
    ~BundleCommands();
    BundleCommands(const BundleCommands&) = delete;
    BundleCommands& operator=(const BundleCommands&) = delete;

    /// Runs the one that was given; nullopt: another command was.
    std::optional<ExitCode> run();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace backplane::cli
