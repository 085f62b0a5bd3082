// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "plugin_commands.hpp"

#include <boost/json/serialize.hpp>

#include <iostream>
#include <optional>
#include <utility>
#include <vector>

#include "answers.hpp"
#include "table.hpp"
#include "util/utf8.hpp"

namespace backplane::cli {
namespace {

namespace json = boost::json;

/// A roll-back ends within 30 s, or the box says that it goes on.
constexpr std::chrono::seconds k_owner_patience{40};
constexpr std::size_t k_name_bytes = 100;

Colour colour_of_plugin(const std::string& state) {
    if (state == "running") return Colour::good;
    if (state == "put_aside" || state == "refused") return Colour::bad;
    if (state == "restarting") return Colour::attention;
    return Colour::dim;
}

bool is_degraded(const json::object& plugin) {
    return text(plugin, "state") == "put_aside" || text(plugin, "update_state") == "disabled";
}

/// "running", "running (trial)", "running (trial, pinned)".
std::string state_of(const json::object& plugin) {
    const std::string state = text(plugin, "state"), update = text(plugin, "update_state");
    std::string more;
    // What is quarantined is another build than the one that runs: the reason says which.
    if (!update.empty() && update != "good" && update != "quarantined" && update != state)
        more = update;
    if (flag(plugin, "pinned") && update != "pinned") more += more.empty() ? "pinned" : ", pinned";
    return more.empty() ? state : state + " (" + more + ")";
}

std::string quarantine_of(const json::object& plugin) {
    const std::string version = text(plugin, "quarantined");
    if (version.empty()) return {};
    const std::string reason = text(plugin, "quarantined_reason");
    return version + " was put away" + (reason.empty() ? "" : ": " + reason);
}

std::string reason_of(const json::object& plugin) {
    std::string reason = text(plugin, "reason");
    if (reason.empty()) reason = quarantine_of(plugin);
    if (reason.empty() && text(plugin, "update_state") != "good")
        reason = text(plugin, "update_reason");
    return reason;
}

ExitCode show_list(const json::array& plugins, const Output& output) {
    Table table{
        {"NAME", "KIND", "VERSION", "SOURCE", "STATE", "LAST GOOD", "PID", "CRASHES", "REASON"}};
    ExitCode code = ExitCode::ok;
    for (const json::value& value : plugins) {
        if (!value.is_object()) continue;
        const json::object& plugin = value.get_object();
        if (is_degraded(plugin)) code = ExitCode::degraded;
        // A file that was refused may have no name at all.
        std::string name = text(plugin, "name");
        if (name.empty()) name = text(plugin, "path");
        const std::uint64_t pid = count(plugin, "pid");
        table.add({{name},
                   {text(plugin, "kind")},
                   {text(plugin, "version")},
                   {text(plugin, "source")},
                   {state_of(plugin), colour_of_plugin(text(plugin, "state"))},
                   {text(plugin, "last_good")},
                   {pid == 0 ? "" : std::to_string(pid)},
                   {std::to_string(count(plugin, "crashes"))},
                   {reason_of(plugin)}});
    }
    if (output.json) return finish(code);
    if (plugins.empty()) {
        std::cout << "The box has no plug-in.\n";
    } else {
        std::cout << table.text(output.terminal);
    }
    return finish(code);
}

std::string wishes(const json::object& plugin) {
    std::string all;
    const auto add = [&](bool possible, const char* verb) {
        if (!possible) return;
        if (!all.empty()) all += ", ";
        all += verb;
    };
    add(flag(plugin, "can_roll_back"), "rollback");
    if (!text(plugin, "update_state").empty()) add(true, flag(plugin, "pinned") ? "unpin" : "pin");
    add(flag(plugin, "can_release"), "release");
    return all;
}

ExitCode show_one(const json::object& plugin, const Output& output) {
    const ExitCode code = is_degraded(plugin) ? ExitCode::degraded : ExitCode::ok;
    if (output.json) {
        std::cout << json::serialize(plugin) << '\n';
        return finish(code);
    }
    const std::uint64_t pid = count(plugin, "pid");
    std::string since = local_time(number(plugin, "update_since"), false);
    if (since == "-") since.clear();
    const std::vector<std::pair<const char*, std::string>> rows{
        {"Name", text(plugin, "name")},
        {"Title", text(plugin, "title")},
        {"Kind", text(plugin, "kind")},
        {"Version", text(plugin, "version")},
        {"Source", text(plugin, "source")},
        {"Signed by", text(plugin, "signer")},
        {"State", state_of(plugin)},
        {"Reason", text(plugin, "reason")},
        {"Update", text(plugin, "update_reason")},
        {"Since", since},
        {"Last good", text(plugin, "last_good")},
        {"Put away", quarantine_of(plugin)},
        {"Process", pid == 0 ? "" : std::to_string(pid)},
        {"Instances", std::to_string(count(plugin, "instances"))},
        {"Starts", std::to_string(count(plugin, "starts"))},
        {"Crashes", std::to_string(count(plugin, "crashes"))},
        {"File", text(plugin, "path")},
        {"You can", wishes(plugin)},
    };
    for (const auto& [name, value] : rows) {
        if (value.empty()) continue;
        std::cout << name << std::string(11 - std::string_view{name}.size(), ' ')
                  << core::to_printable(value, 1024) << '\n';
    }
    return finish(code);
}

std::optional<json::object> find(const json::array& plugins, const std::string& name) {
    for (const json::value& value : plugins)
        if (value.is_object() && text(value.get_object(), "name") == name)
            return value.get_object();
    return std::nullopt;
}

/// What has happened, in one sentence.
std::string outcome(const std::string& verb, const json::object& plugin) {
    const std::string name = printable(plugin, "name"), version = printable(plugin, "version");
    const std::string what = name + (version.empty() ? "" : " " + version);
    if (verb == "rollback") return what + " runs again; the newer build is put away.";
    if (verb == "pin") return what + " stays, whatever updates bring.";
    if (verb == "unpin") return what + " takes part in updates again.";
    const std::string reason = printable(plugin, "update_reason");
    return name + " is released" + (reason.empty() ? "." : ": " + reason);
}

ExitCode change(const BoxClient& box, const Output& output, const PluginsOptions& options) {
    const std::string target =
        "/api/v1/plugins/" + percent_encoded(options.name) + "/" + options.verb;
    const auto body = box.post(target, "{}", "application/json", k_owner_patience);
    if (!body) return fail(body.error());
    const auto answer = parse_answer(*body, "plug-in", "name");
    if (!answer) return fail(answer.error());
    if (output.json)
        std::cout << *body << (body->ends_with('\n') ? "" : "\n");
    else
        std::cout << outcome(options.verb, *answer) << '\n';
    return finish(ExitCode::ok);
}

}  // namespace

ExitCode plugins(const BoxClient& box, const Output& output, const PluginsOptions& options) {
    if (!options.verb.empty() && options.verb != "show") return change(box, output, options);
    Output asking = output;
    asking.json = output.json && options.verb.empty();  // Of one plug-in only that one is printed.
    const auto answer = ask(box, asking, "/api/v1/plugins", "plug-ins", "plugins");
    if (!answer) return fail(answer.error());
    const json::array all = list(*answer, "plugins");
    if (options.verb.empty()) return show_list(all, output);
    if (const auto plugin = find(all, options.name)) return show_one(*plugin, output);
    return fail({"update.unknown_plugin", "the box has no plug-in \"" +
                                              core::to_printable(options.name, k_name_bytes) +
                                              "\": take a name that \"backplane plugins\" shows"});
}

}  // namespace backplane::cli
