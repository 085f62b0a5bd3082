// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Remote help: a tunnel through which somebody outside looks into the box (protocol page, 5.14). The box has none of its
// own; its owner may name programs that begin, end and look at one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"
#include "backplane/sync/browser.hpp"
#include "messages/program.hpp"

namespace backplane::sync {

/// Programs that begin, end and look at a tunnel for remote help; empty: this box has none, and says so. "{token}" and
/// "{name}" in an argument are replaced; the token is also on standard input. The exit code 0 of `status` means "open".
/// Arguments can be seen by every user of the system: a program that can read the token should get it from its input.
struct RemoteHelp {
    std::vector<std::string> start, stop, status;
};

/// Purpose: the switch of that tunnel. It asks nobody: whether it may be turned is Messages' business. Thread: the main
/// loop's; callbacks never come inside of the call, nor after the destruction. The token is never logged.
class RemoteHelpSwitch {
public:
    RemoteHelpSwitch(RemoteHelp programs, ProgramRunner run, TimerFactory timer);
    ~RemoteHelpSwitch();

    bool exists() const noexcept;
    /// Errors: "remote_help.none", "remote_help.token" (not one word of printable characters).
    core::Result<void> check(std::string_view token) const;

    using Enabled = std::function<void(bool enabled)>;
    void look(Enabled done);
    /// Opens the tunnel with this token, or closes it when the token is empty; `name` is how helpers see the box. Errors:
    /// those of check(), "remote_help.busy", "remote_help.failed".
    void turn(std::string token, std::string name, std::function<void(core::Result<void>)> done);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
