// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Runs one program of the box's owner for a message, without a shell and without anybody waiting for it.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "backplane/core/result.hpp"
#include "backplane/core/subscription.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::sync {

struct ProgramCall {
    std::vector<std::string>
        command;        ///< the program (looked for in the usual folders) and its arguments
    std::string input;  ///< on its standard input; at most 4096 bytes, so that nothing has to wait
    std::chrono::milliseconds deadline{20'000};  ///< then it is ended, with all that it has started
};

/// `done` once, on the main loop, never inside of the call: the exit code (128 + the signal that ended it). Errors:
/// "program.start" (there is none, or it must not be run), "program.deadline". What the program writes is thrown away: it
/// may contain the secret that it was given. Ending the subscription ends the program, and nothing is called any more.
using ProgramRunner = std::function<core::Subscription(
    ProgramCall call, std::function<void(core::Result<int>)> done)>;

/// Programs in sessions of their own. `loop` outlives the runner and all subscriptions.
ProgramRunner program_runner(boost::asio::io_context& loop);

}  // namespace backplane::sync
