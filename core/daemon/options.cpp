// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "options.hpp"

#include <CLI/CLI.hpp>

#include <filesystem>

#include "version.hpp"

namespace backplane::daemon {

ParsedOptions parse_options(int argc, char** argv) {
    ParsedOptions parsed;
    Options& options = parsed.options;
    CLI::App app{
        "backplaned: the IoT box service. Connects devices to an Odoo database and to the browsers "
        "of its users."};
    app.footer(
        "Try it without any device:\n  backplaned --demo --state-dir /tmp/backplane\nThen open "
        "http://localhost:8069/\n\n"
        "Exit codes: 0 stopped as asked, 1 could not start or failed, 2 wrong option or "
        "configuration.");
    app.set_version_flag("--version", std::string("backplaned ") + k_version);
    const auto* config =
        app.add_option("--config", options.config, "Configuration file")->capture_default_str();
    const auto* state =
        app.add_option("--state-dir", options.state_dir, "Folder for what the box remembers")
            ->capture_default_str();
    app.add_option("--plugin-dir", options.plugin_dir,
                   "Folder with the interfaces and drivers (*.so)");
    app.add_option("--trust-dir", options.trust_dir,
                   "Folder with the roots (*.root.json) and keys (*.pub) whose plug-ins are "
                   "accepted");
    app.add_option("--plugin-host", options.host_program, "Program in which plug-ins run");
    app.add_option("--control-socket", options.control_socket,
                   "Unix socket for the backplane command");
    app.add_option("--http-address", options.http_address,
                   "Address to listen on, instead of the configured ones");
    app.add_option("--http-port", options.http_port,
                   "HTTP port, instead of the configured one (8069) and of 80; 0 takes a free one");
    app.add_option("--https-port", options.https_port,
                   "HTTPS port, instead of the configured one (443); 0 takes a free one");
    app.add_option("--log-level", options.log_level, "error, warning, info or debug")
        ->check(CLI::IsMember({"error", "warning", "info", "debug"}));
    app.add_flag("--demo", options.demo,
                 "Use simulated devices, and of the real ones only those that are configured");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        parsed.exit_code = code == 0 ? 0 : 2;
        return parsed;
    }
    options.config_given = config->count() > 0;

    std::error_code ignored;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
    const std::filesystem::path folder = program.parent_path();
    if (options.plugin_dir.empty())
        options.plugin_dir = (folder.parent_path() / "lib/backplane/plugins").string();
    if (options.host_program.empty())
        options.host_program = (folder / "backplane-plugin-host").string();
    if (options.trust_dir.empty())
        options.trust_dir = state->count() ? options.state_dir + "/trust" : "/etc/backplane/trust";
    if (options.control_socket.empty())
        options.control_socket =
            state->count() ? options.state_dir + "/control.sock" : "/run/backplane/control.sock";
    return parsed;
}

}  // namespace backplane::daemon
