// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The command line of backplaned. Everything has a default that works for the installed service; everything can be set
// so that the box runs without root from a build folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace backplane::daemon {

struct Options {
    std::string config = "/etc/backplane/backplane.yaml";
    bool config_given = false;  ///< then it must exist
    std::string state_dir = "/var/lib/backplane";
    std::string plugin_dir;  ///< default: ../lib/backplane/plugins beside the program
    std::string trust_dir;   ///< default: /etc/backplane/trust, or in a state folder that was given
    std::string host_program;  ///< default: backplane-plugin-host beside the program
    std::string
        control_socket;  ///< default: /run/backplane/control.sock, or in a state folder that was given
    std::optional<std::uint16_t> http_port;
    std::optional<std::uint16_t> https_port;
    std::optional<std::string> http_address;
    std::optional<std::string> log_level;
    bool demo = false;
};

/// Nothing to run when `exit_code` is set: --help, --version, or a mistake that has been told on stderr.
struct ParsedOptions {
    Options options;
    std::optional<int> exit_code;
};
ParsedOptions parse_options(int argc, char** argv);

}  // namespace backplane::daemon
