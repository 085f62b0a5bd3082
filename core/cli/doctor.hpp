// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane doctor`: what is wrong with this box, and what to do about it; and the bundle of facts for whoever helps.
//
// Everything also works while the box does not run: then it says so, and goes on with what the machine itself tells.
// Every question has a deadline of its own.
#pragma once

#include <string>
#include <vector>

#include "box_client.hpp"
#include "commands.hpp"
#include "exit_code.hpp"

namespace backplane::cli {

struct DoctorOptions {
    std::string state_dir = "/var/lib/backplane";
    std::string config = "/etc/backplane/backplane.yaml";
    bool bundle = false;
    std::string file;  ///< of the bundle; empty: a name with host and time, in this folder
};

/// One thing that was looked at.
struct Check {
    enum class State { ok, note, problem, unknown };
    std::string id;  ///< stable, for scripts: "box", "clock", …
    State state = State::ok;
    std::string text;  ///< what was found, and what to do about it
};
std::string_view to_string(Check::State state) noexcept;

std::vector<Check> examine(const BoxClient& box, const DoctorOptions& options);

/// `failed` when the box cannot be reached or the bundle cannot be written, `degraded` when there is a problem.
ExitCode doctor(const BoxClient& box, const Output& output, const DoctorOptions& options);

}  // namespace backplane::cli
