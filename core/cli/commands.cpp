// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "commands.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <optional>
#include <thread>
#include <vector>

#include "answers.hpp"
#include "pair_commands.hpp"
#include "util/utf8.hpp"

namespace backplane::cli {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// A box that can wait holds a question for new records this long; one that cannot ignores it.
constexpr seconds k_wait{25};
constexpr std::chrono::milliseconds k_poll{500};

Colour colour_of_device(const std::string& state) {
    if (state == "ready") return Colour::good;
    if (state == "unreachable") return Colour::bad;
    if (state == "unsupported" || state == "gone") return Colour::dim;
    return Colour::attention;
}

Colour colour_of_level(const std::string& level) {
    if (level == "error") return Colour::bad;
    if (level == "warning") return Colour::attention;
    if (level == "debug") return Colour::dim;
    return Colour::none;
}

void print_record(const json::object& record, const Terminal& terminal) {
    const std::string level = printable(record, "level");
    std::string padded = level;
    padded.resize(std::max<std::size_t>(padded.size(), 7), ' ');
    std::cout << local_time(number(record, "time"), true) << ' '
              << terminal.paint(colour_of_level(level), padded) << " ["
              << printable(record, "component") << "] "
              << core::to_printable(text(record, "text"), k_line_bytes) << '\n';
}

std::string logs_target(const LogsOptions& options, std::uint64_t after, unsigned limit,
                        bool wait) {
    std::string target =
        "/api/v1/logs?after=" + std::to_string(after) + "&limit=" + std::to_string(limit);
    if (!options.level.empty()) target += "&level=" + percent_encoded(options.level);
    if (!options.component.empty()) target += "&component=" + percent_encoded(options.component);
    if (wait) target += "&wait=" + std::to_string(k_wait.count());
    return target;
}

void print_records(const json::object& answer, const std::string& body, const Output& output,
                   bool even_none) {
    const json::array records = list(answer, "records");
    if (output.json) {
        if (even_none || !records.empty()) std::cout << body << (body.ends_with('\n') ? "" : "\n");
    } else {
        for (const json::value& record : records) {
            if (record.is_object()) print_record(record.get_object(), output.terminal);
        }
    }
    std::cout.flush();
}

}  // namespace

ExitCode show_status(const BoxClient& box, const Output& output) {
    const auto answer = ask(box, output, "/api/v1/status", "status", "state");
    if (!answer) return fail(answer.error());
    const std::string state = printable(*answer, "state");
    const ExitCode code = state == "degraded" ? ExitCode::degraded : ExitCode::ok;
    if (output.json) return finish(code);

    const json::object devices = member(*answer, "devices");
    const json::object plugins = member(*answer, "plugins");
    std::cout << "Backplane " << printable(*answer, "version") << ", box "
              << printable(*answer, "identifier") << ", running for "
              << duration(number(*answer, "uptime_s")) << "\n\n"
              << "State     "
              << output.terminal.paint(state == "ok" ? Colour::good : Colour::bad, state) << '\n'
              << "HTTP      port " << joined(list(member(*answer, "http"), "ports")) << '\n'
              << "Devices   " << count(devices, "ready") << " of " << count(devices, "total")
              << " ready";
    if (count(devices, "unsupported") > 0)
        std::cout << ", " << count(devices, "unsupported") << " unsupported";
    std::cout << '\n';
    if (const json::array waiting = list(devices, "not_ready"); !waiting.empty()) {
        std::cout << "          not ready: " << joined(waiting) << '\n';
    }
    std::cout << "Plug-ins  " << count(plugins, "running") << " of " << count(plugins, "total")
              << " running\n";
    if (const json::array aside = list(plugins, "put_aside"); !aside.empty()) {
        std::cout << "          put aside: " << joined(aside) << '\n';
    }
    if (const json::array refused = list(plugins, "refused"); !refused.empty()) {
        std::cout << "          refused: " << joined(refused) << '\n';
    }
    if (const json::object update = member(*answer, "update"); !update.empty()) {
        const std::string phase = printable(update, "phase"), result = printable(update, "result");
        std::cout << "Updates   "
                  << (phase != "idle"  ? phase
                      : result.empty() ? "none has run yet"
                                       : result);
        if (const double contact = number(update, "last_contact"); contact > 0)
            std::cout << ", server reached " << local_time(contact, false);
        std::cout << '\n';
    }
    show_server_line(box, output.terminal);
    const char* heading = "Problems  ";
    for (const json::value& problem : list(*answer, "problems")) {
        if (!problem.is_string()) continue;
        std::cout << heading
                  << core::to_printable({problem.get_string().data(), problem.get_string().size()},
                                        1024)
                  << '\n';
        heading = "          ";
    }
    return finish(code);
}

ExitCode show_devices(const BoxClient& box, const Output& output) {
    const auto answer = ask(box, output, "/api/v1/devices", "devices", "devices");
    if (!answer) return fail(answer.error());
    Table table{{"IDENTIFIER", "NAME", "TYPE", "DRIVER", "STATE", "SINCE", "REASON"}};
    ExitCode code = ExitCode::ok;
    const json::array devices = list(*answer, "devices");
    for (const json::value& value : devices) {
        if (!value.is_object()) continue;
        const json::object& device = value.get_object();
        const std::string state = text(device, "state");
        if (state == "unreachable") code = ExitCode::degraded;
        std::string driver = text(device, "driver");
        if (const std::string version = text(device, "driver_version");
            !driver.empty() && !version.empty())
            driver += ' ' + version;
        std::string type = text(device, "type");
        if (const std::string subtype = text(device, "subtype"); !subtype.empty())
            type += '/' + subtype;
        table.add({{text(device, "identifier")},
                   {text(device, "name")},
                   {type},
                   {driver},
                   {state, colour_of_device(state)},
                   {local_time(number(device, "since"), false)},
                   {text(device, "reason")}});
    }
    if (output.json) return finish(code);
    if (devices.empty()) {
        std::cout << "The box sees no device.\n";
    } else {
        std::cout << table.text(output.terminal);
    }
    return finish(code);
}

ExitCode show_logs(const BoxClient& box, const Output& output, const LogsOptions& options) {
    auto body = box.get(logs_target(options, 0, options.count, false), k_patience);
    if (!body) return fail(body.error());
    auto answer = parse_answer(*body, "log", "records");
    if (!answer) return fail(answer.error());
    print_records(*answer, *body, output, true);
    if (!options.follow) return finish(ExitCode::ok);

    std::uint64_t after = count(*answer, "last_seq");
    std::optional<steady_clock::time_point> lost_since;
    while (std::cout) {
        const auto asked = steady_clock::now();
        body = box.get(logs_target(options, after, 5000, true), k_wait + k_patience);
        const auto now = steady_clock::now();
        if (body) {
            lost_since.reset();
            answer = parse_answer(*body, "log", "records");
            if (!answer) return fail(answer.error());
            const std::uint64_t last = count(*answer, "last_seq");
            if (last < after) {
                // The box has started anew and counts from one again.
                after = 0;
                continue;
            }
            print_records(*answer, *body, output, false);
            const bool more = last > after && !list(*answer, "records").empty();
            after = last;
            if (more) continue;
        } else {
            if (body.error().code != "box.unreachable") return fail(body.error());
            if (!lost_since) {
                lost_since = now;
                std::cerr << "backplane: lost the box, waiting for it to come back\n";
            }
            if (now - *lost_since >= seconds{options.lost_box_s}) return fail(body.error());
        }
        // After a long poll the time is over already; a box that cannot wait is asked twice a
        // second.
        if (now - asked < k_poll) std::this_thread::sleep_for(k_poll - (now - asked));
    }
    return finish(ExitCode::ok);
}

}  // namespace backplane::cli
