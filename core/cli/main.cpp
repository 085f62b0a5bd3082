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
#include "bundle_commands.hpp"
#include "commands.hpp"
#include "doctor.hpp"
#include "exit_code.hpp"
#include "pair_commands.hpp"
#include "plugin_commands.hpp"
#include "table.hpp"
#include "update_commands.hpp"

namespace {

using backplane::cli::ExitCode;

constexpr const char* k_examples = R"(
Examples:
  backplane status                        is all well?
  backplane devices                       what is connected, and what state it is in
  backplane plugins --json | jq .         for scripts
  backplane plugins rollback acme_scale   back to the version that worked
  backplane update --force                fetch all plug-ins again, now
  backplane update --file bundle.zip      the same from a file, without a server
  backplane pair                          whom the box belongs to, or the code to type into Odoo
  backplane pair --token-file token.txt   pair it with the token that Odoo shows
  backplane logs -n 100 --level warning   the last 100 warnings and errors
  backplane logs --follow --component serial
  backplane doctor                        what is wrong, and what to do about it
  backplane doctor --bundle help.zip      the same, with all facts for whoever helps

Exit codes:
  0  ok
  1  failed: the box cannot be reached, or does not answer as it should
  2  the command line is wrong
  3  degraded: a device is unreachable, a plug-in was put aside, or the box is not paired

The control socket is found by --socket, then by the variable BACKPLANE_SOCKET, then at /run/backplane/control.sock.
)";

constexpr const char* k_pair_help = R"(
A token on the command line is visible to everybody on this machine (ps, the history of the shell)
for as long as it is there. Prefer a file or standard input:
  backplane pair --token-file token.txt
  ssh box backplane pair --token-file - < token.txt
)";

ExitCode run(int argc, char** argv) {
    std::string socket = "/run/backplane/control.sock";
    bool json = false;
    backplane::cli::LogsOptions logs_options;
    backplane::cli::PluginsOptions plugins_options;
    backplane::cli::UpdateOptions update_options;
    backplane::cli::PairOptions pair_options;
    backplane::cli::UnpairOptions unpair_options;
    backplane::cli::ConfirmOptions confirm_options;

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
    CLI::App* plugins = command("plugins", "The interfaces and drivers with their states");
    plugins->require_subcommand(0, 1);
    for (const auto& [verb, does] : std::map<std::string, std::string>{
             {"show", "Everything about one plug-in"},
             {"rollback", "Back to its last good version, and stay there"},
             {"pin", "Keep the version that runs, whatever updates bring"},
             {"unpin", "Take part in updates again"},
             {"release", "Forget its crashes, try its newest version again"}}) {
        CLI::App* wish = plugins->add_subcommand(verb, does);
        wish->add_option("name", plugins_options.name, "Name of the plug-in")->required();
        wish->callback([&plugins_options, verb = verb] { plugins_options.verb = verb; });
    }
    CLI::App* update = command("update", "Update the plug-ins now, and show how it goes");
    update->add_flag("--force", update_options.force,
                     "Fetch everything again, and give versions that were put away another try");
    CLI::Option* file = update->add_option("--file", update_options.file,
                                           "Install this bundle; - reads it from standard input");
    file->type_name("ZIP");
    CLI::Option* no_wait =
        update->add_flag("!--no-wait", update_options.wait, "Begin, and do not wait for the end");
    update->add_flag("--status", update_options.status, "Begin nothing: how did the last one go?")
        ->excludes(file)
        ->excludes(no_wait);
    update
        ->add_option("--wait-most", update_options.most_wait_s,
                     "Seconds to wait for the end of the update")
        ->check(CLI::Range(1u, 86'400u))
        ->capture_default_str();
    CLI::App* pair = command("pair", "Whom does the box belong to? Pair it with an Odoo database");
    pair->footer(k_pair_help);
    CLI::Option* token = pair->add_option(
        "--token", pair_options.token,
        "Pair with this token; others of this machine can see it while the command runs");
    CLI::Option* token_file =
        pair->add_option("--token-file", pair_options.token_file,
                         "Pair with the token in this file; - reads it from standard input")
            ->type_name("FILE")
            ->check(CLI::Validator(
                [](std::string& path) {
                    return path.empty() ? std::string("a file is needed") : std::string();
                },
                ""));
    CLI::Option* code =
        pair->add_flag("--code", pair_options.code, "Show the code that is typed into Odoo");
    pair->add_flag("--new", pair_options.new_code, "With --code: throw the code away, get another")
        ->needs(code);
    token->type_name("TOKEN")->excludes(token_file)->excludes(code);
    token_file->excludes(code);
    CLI::Option* wait = pair->add_flag("--wait", pair_options.wait,
                                       "Wait until the box is paired and its server knows it");
    pair->add_option("--wait-most", pair_options.most_wait_s, "With --wait: seconds to wait")
        ->needs(wait)
        ->check(CLI::Range(1u, 86'400u))
        ->capture_default_str();
    pair->add_option("--code-wait", pair_options.code_wait_s,
                     "With --code: seconds to wait for a code from the pairing service")
        ->needs(code)
        ->check(CLI::Range(0u, 3'600u))
        ->capture_default_str();
    CLI::App* unpair = command("unpair", "Forget the Odoo database that the box belongs to");
    unpair->add_flag("--yes", unpair_options.yes, "Do not ask");
    CLI::App* confirm = command("confirm", "What Odoo asks for and only the owner may allow");
    CLI::Option* confirm_id =
        confirm->add_option("id", confirm_options.id, "What is allowed or refused");
    CLI::Option* allow = confirm->add_flag("--allow", confirm_options.allow, "Allow it");
    confirm->add_flag("--deny", confirm_options.deny, "Refuse it")
        ->needs(confirm_id)
        ->excludes(allow);
    allow->needs(confirm_id);
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

    backplane::cli::DoctorOptions doctor_options;
    CLI::App* doctor = command("doctor", "What is wrong, and what to do about it");
    doctor->add_flag("--bundle", doctor_options.bundle,
                     "Also write a support bundle: facts, configuration and log without secrets");
    doctor->add_option("file", doctor_options.file, "Of the bundle (.zip)")->type_name("FILE");
    doctor->add_option("--state-dir", doctor_options.state_dir, "State folder of the box")
        ->capture_default_str();
    doctor->add_option("--config", doctor_options.config, "Configuration file of the box")
        ->capture_default_str();

    backplane::cli::BundleCommands bundles{app};

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        // Help and version are "errors" with exit code 0 in CLI11; its other codes are not ours.
        return app.exit(error) == 0 ? ExitCode::ok : ExitCode::usage;
    }

    if (!confirm_options.id.empty() && !confirm_options.allow && !confirm_options.deny) {
        std::cerr << "backplane: say --allow or --deny for what you have named\n";
        return ExitCode::usage;
    }
    pair_options.has_token = token->count() > 0;

    if (const auto ended = bundles.run()) return *ended;
    const backplane::cli::BoxClient box{socket};
    const backplane::cli::Output output{backplane::cli::Terminal::of_stdout(), json};
    if (status->parsed()) return show_status(box, output);
    if (devices->parsed()) return show_devices(box, output);
    if (plugins->parsed()) return backplane::cli::plugins(box, output, plugins_options);
    if (update->parsed()) return backplane::cli::update(box, output, update_options);
    if (doctor->parsed()) {
        doctor_options.bundle = doctor_options.bundle || !doctor_options.file.empty();
        return backplane::cli::doctor(box, output, doctor_options);
    }
    if (pair->parsed()) return backplane::cli::pair(box, output, pair_options);
    if (unpair->parsed()) return backplane::cli::unpair(box, output, unpair_options);
    if (confirm->parsed()) return backplane::cli::confirm(box, output, confirm_options);
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
