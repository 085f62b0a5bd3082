// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The program `backplane`: command line in, exit code out.
#include <CLI/CLI.hpp>

#include <clocale>
#include <exception>
#include <iostream>
#include <map>
#include <string>

#include "box_client.hpp"
#include "commands.hpp"
#include "exit_code.hpp"
#include "table.hpp"

namespace {

using backplane::cli::ExitCode;

constexpr const char* k_examples = R"(
Examples:
  backplane status                        is all well?
  backplane devices                       what is connected, and what state it is in
  backplane plugins --json | jq .         for scripts
  backplane logs -n 100 --level warning   the last 100 warnings and errors
  backplane logs --follow --component serial

Exit codes:
  0  ok
  1  failed: the box cannot be reached, or does not answer as it should
  2  the command line is wrong
  3  degraded: a device is unreachable, or a plug-in was put aside

The control socket is found by --socket, then by the variable BACKPLANE_SOCKET, then at /run/backplane/control.sock.
)";

ExitCode run(int argc, char** argv) {
    std::string socket = "/run/backplane/control.sock";
    bool json = false;
    backplane::cli::LogsOptions logs_options;

    CLI::App app{"Asks the box (backplaned) on this machine how it is.", "backplane"};
    app.set_version_flag("--version", "backplane " BP_VERSION);
    app.add_option("--socket", socket, "Control socket of backplaned")
        ->envname("BACKPLANE_SOCKET")
        ->type_name("PATH")
        ->capture_default_str();
    app.footer(k_examples);
    app.require_subcommand(1);
    app.fallthrough();

    const auto command = [&](const char* name, const char* description) {
        CLI::App* added = app.add_subcommand(name, description);
        added->add_flag("--json", json, "Print the answer of the box as it is (JSON)");
        return added;
    };
    const CLI::App* status = command("status", "Is all well? Version, devices, plug-ins, problems");
    const CLI::App* devices = command("devices", "The devices with their drivers and states");
    const CLI::App* plugins = command("plugins", "The interfaces and drivers with their states");
    CLI::App* logs = command("logs", "The last records of the log");
    logs->add_flag("-f,--follow", logs_options.follow, "Go on with new records until interrupted");
    logs->add_option("--level", logs_options.level, "Only this level and the more serious ones")
        ->check(CLI::IsMember({"error", "warning", "info", "debug"}));
    logs->add_option("--component", logs_options.component, "Only this component or plug-in")
        ->type_name("NAME");
    logs->add_option("-n,--lines", logs_options.count, "How many of the last records")
        ->check(CLI::Range(1u, 5000u))
        ->capture_default_str();
    logs->add_option("--lost-after", logs_options.lost_box_s,
                     "With --follow: seconds to wait for a box that went away")
        ->check(CLI::Range(0u, 86'400u))
        ->capture_default_str();

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        // Help and version are "errors" with exit code 0 in CLI11; its other codes are not ours.
        return app.exit(error) == 0 ? ExitCode::ok : ExitCode::usage;
    }

    const backplane::cli::BoxClient box{socket};
    const backplane::cli::Output output{backplane::cli::Terminal::of_stdout(), json};
    if (status->parsed()) return show_status(box, output);
    if (devices->parsed()) return show_devices(box, output);
    if (plugins->parsed()) return show_plugins(box, output);
    return show_logs(box, output, logs_options);
}

}  // namespace

int main(int argc, char** argv) {
    // For the width of characters only: numbers and texts stay as they are.
    std::setlocale(LC_CTYPE, "C.UTF-8");
    try {
        return static_cast<int>(run(argc, argv));
    } catch (const std::exception& error) {
        std::cerr << "backplane: " << error.what() << '\n';
        return static_cast<int>(ExitCode::failed);
    }
}
