// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doctor.hpp"

#include <boost/json/serialize.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <future>
#include <iostream>
#include <system_error>

#include "answers.hpp"
#include "backplane/core/config.hpp"
#include "backplane/core/fd.hpp"
#include "doctor_collect.hpp"
#include "util/redaction.hpp"
#include "util/utf8.hpp"

namespace backplane::cli {

namespace json = boost::json;
using namespace std::chrono_literals;
using State = Check::State;

namespace {

// No box of this program was set up before; far behind it no clock is right either.
constexpr double k_earliest = 1'767'225'600;  // 2026-01-01
constexpr double k_latest = k_earliest + 30.0 * 365 * 86'400;
constexpr std::uint64_t k_low_disk = 50u << 20, k_scarce_disk = 300u << 20;
// A bundle is there within 10 s, whatever hangs: no question is begun after the first of these, each ends within the
// second, and what is collected is collected meanwhile.
constexpr auto k_time_for_questions = 6s;
constexpr auto k_question_limit = 3s;
constexpr std::chrono::milliseconds k_bundle_limit{8'000};
constexpr std::size_t k_most_listed = 20;

using Checks = std::vector<Check>;
using Items = std::vector<std::pair<std::string, std::string>>;

void add(Checks& checks, std::string id, State state, std::string text) {
    // Words of the box, of devices and of servers are in there.
    checks.push_back(
        {std::move(id), state, core::to_printable(core::redacted(std::string_view{text}), 2048)});
}

std::optional<json::object> answer_of(const BoxClient& box, const char* target,
                                      const char* member) {
    const auto body = box.get(target, k_question_limit);
    if (!body) return std::nullopt;
    auto answer = parse_answer(*body, target, member);
    if (!answer) return std::nullopt;
    return std::move(*answer);
}

void check_clock(Checks& checks, const std::optional<json::object>& status) {
    const double now = static_cast<double>(std::time(nullptr));
    if (now < k_earliest || now > k_latest)
        return add(checks, "clock", State::problem,
                   "the clock of this machine says " + local_time(now, false) +
                       ", which cannot be: certificates do not count with it; set it, or let it be "
                       "set over the network (timedatectl set-ntp true)");
    if (status) {
        const double began = number(*status, "started_at"), runs = number(*status, "uptime_s");
        if (began > 0 && std::abs(now - began - runs) > 300)
            return add(checks, "clock", State::note,
                       "the clock was set by " + duration(std::abs(now - began - runs)) +
                           " since the box started: times in older records of the log are off");
    }
    timex answer{};
    const bool unsynchronised = ::adjtimex(&answer) == TIME_ERROR;
    add(checks, "clock", unsynchronised ? State::note : State::ok,
        "the clock says " + local_time(now, false) +
            (unsynchronised ? ", and nothing keeps it right: let it be set over the network "
                              "(timedatectl set-ntp true)"
                            : ""));
}

void check_configuration(Checks& checks, const DoctorOptions& options) {
    std::error_code error;
    if (!std::filesystem::exists(options.config, error))
        return add(checks, "configuration", State::note,
                   "there is no " + options.config + ": everything is at its default");
    if (::access(options.config.c_str(), R_OK) != 0)
        return add(checks, "configuration", State::unknown,
                   "you may not read " + options.config + ": run this as root to have it checked");
    const auto config = core::load_config(options.config, true);
    if (config) return add(checks, "configuration", State::ok, options.config + " can be read");
    add(checks, "configuration", State::problem,
        "the box does not start with this configuration: " + config.error().text);
}

void check_disk(Checks& checks, const std::string& folder) {
    struct statvfs disk {};
    if (::statvfs(folder.c_str(), &disk) != 0)
        return add(checks, "disk", State::unknown,
                   "cannot look at the state folder " + folder + ": " +
                       std::generic_category().message(errno) +
                       ": give the one of the box with --state-dir");
    const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
    const std::string mib = std::to_string(free >> 20) + " MiB";
    if ((disk.f_flag & ST_RDONLY) != 0)
        return add(checks, "disk", State::problem,
                   "the disk of " + folder +
                       " is read-only: the box forgets what it learns; check the disk");
    if (free < k_low_disk)
        return add(checks, "disk", State::problem,
                   "only " + mib + " are left for " + folder + ": make room on this disk");
    add(checks, "disk", free < k_scarce_disk ? State::note : State::ok,
        mib + " are left for " + folder);
}

/// Empty: somebody listens. Otherwise why not.
std::string connects_to(const sockaddr* address, socklen_t size, std::chrono::milliseconds limit) {
    const core::Fd fd{::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd) return std::generic_category().message(errno);
    if (::connect(fd.get(), address, size) == 0) return {};
    if (errno != EINPROGRESS) return std::generic_category().message(errno);
    pollfd watched{fd.get(), POLLOUT, 0};
    if (::poll(&watched, 1, static_cast<int>(limit.count())) <= 0) return "no answer in time";
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    return error == 0 ? std::string{} : std::generic_category().message(error);
}

std::string listens(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string why = connects_to(reinterpret_cast<const sockaddr*>(&address), sizeof address, 1s);
    if (why.empty()) return {};
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    six.sin6_addr = in6addr_loopback;
    return connects_to(reinterpret_cast<const sockaddr*>(&six), sizeof six, 1s).empty() ? "" : why;
}

void check_ports(Checks& checks, const json::object& status) {
    const json::object http = member(status, "http");
    std::string open, closed;
    for (const char* const kind : {"ports", "https_ports"})
        for (const json::value& value : list(http, kind)) {
            const auto port = value.is_int64() ? value.get_int64() : 0;
            if (port <= 0 || port > 65'535) continue;
            std::string& to = listens(static_cast<std::uint16_t>(port)).empty() ? open : closed;
            to += (to.empty() ? "" : ", ") + std::to_string(port);
        }
    if (!closed.empty())
        return add(
            checks, "ports", State::problem,
            "nobody can connect to port " + closed +
                " from this machine: is it bound to another address in the configuration, or "
                "does a firewall forbid it?");
    if (open.empty())
        return add(checks, "ports", State::problem,
                   "the box listens on no port: browsers cannot reach it; see the problems above");
    add(checks, "ports", State::ok, "the box answers on port " + open);
}

void check_plugins(Checks& checks, const BoxClient& box) {
    const auto answer = answer_of(box, "/api/v1/plugins", "plugins");
    if (!answer)
        return add(checks, "plugins", State::unknown, "the box does not tell its plug-ins");
    const std::size_t before = checks.size();
    std::size_t running = 0;
    for (const json::value& value : list(*answer, "plugins")) {
        if (!value.is_object() || checks.size() - before >= k_most_listed) continue;
        const json::object& plugin = value.get_object();
        const std::string state = text(plugin, "state"), name = text(plugin, "name");
        running += state == "running" || state == "idle";
        if (state == "refused" || state == "put_aside" || state == "disabled")
            add(checks, "plugin", state == "disabled" ? State::note : State::problem,
                (name.empty() ? text(plugin, "path") : name) +
                    (state == "put_aside" ? " was put aside: "
                     : state == "refused" ? " was refused: "
                                          : " is not used: ") +
                    text(plugin, "reason"));
        if (const std::string version = text(plugin, "quarantined"); !version.empty())
            add(checks, "plugin", State::problem,
                name + ": its version " + version +
                    " was put away: " + text(plugin, "quarantined_reason") +
                    ": \"backplane plugins release " + name + "\" tries it again");
    }
    add(checks, "plugins", State::ok, std::to_string(running) + " plug-ins are ready for use");
}

void check_devices(Checks& checks, const BoxClient& box) {
    const auto answer = answer_of(box, "/api/v1/devices", "devices");
    if (!answer) return add(checks, "devices", State::unknown, "the box does not tell its devices");
    const std::size_t before = checks.size();
    std::size_t ready = 0;
    for (const json::value& value : list(*answer, "devices")) {
        if (!value.is_object() || checks.size() - before >= k_most_listed) continue;
        const json::object& device = value.get_object();
        const std::string state = text(device, "state");
        ready += state == "ready";
        if (state != "unreachable" && state != "unsupported") continue;
        const std::string reason = text(device, "reason");
        add(checks, "device", state == "unreachable" ? State::problem : State::note,
            text(device, "name") + " (" + text(device, "identifier") + ") " +
                (state == "unreachable" ? "cannot be reached" : "is not supported") +
                (reason.empty() ? "" : ": " + reason));
    }
    add(checks, "devices", State::ok, std::to_string(ready) + " devices are ready");
}

struct Host {
    std::string name, port;
};
Host host_of(const std::string& url) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string::npos) return {};
    std::string authority = url.substr(scheme + 3);
    authority = authority.substr(0, authority.find_first_of("/?#"));
    Host host{authority, url.starts_with("https") ? "443" : "80"};
    const std::size_t bracket = authority.rfind(']');
    const std::size_t colon = authority.rfind(':');
    if (colon != std::string::npos && (bracket == std::string::npos || colon > bracket)) {
        host.name = authority.substr(0, colon);
        host.port = authority.substr(colon + 1);
    }
    if (host.name.size() > 2 && host.name.front() == '[' && host.name.back() == ']')
        host.name = host.name.substr(1, host.name.size() - 2);
    return host;
}

/// Looks the name up and connects, as anybody would from this machine.
void check_server_from_here(Checks& checks, const Host& host) {
    // "" it works; "n…" the name is not known; "c…" nobody answers.
    const auto found = within(k_question_limit, [host]() -> std::string {
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* first = nullptr;
        if (const int error = ::getaddrinfo(host.name.c_str(), host.port.c_str(), &hints, &first);
            error != 0)
            return std::string("n") + ::gai_strerror(error);
        std::string why = "no address";
        int tried = 0;
        for (const addrinfo* each = first; each && tried < 4 && !why.empty();
             each = each->ai_next, ++tried)
            why = connects_to(each->ai_addr, each->ai_addrlen, 1500ms);
        ::freeaddrinfo(first);
        return why.empty() ? why : "c" + why;
    });
    if (!found)
        return add(checks, "server.name", State::problem,
                   "looking up " + host.name +
                       " takes too long: check the name server (DNS) of this network");
    if (found->starts_with("n"))
        return add(checks, "server.name", State::problem,
                   "the name " + host.name + " cannot be looked up: " + found->substr(1) +
                       ": check the network, its name server (DNS), and the address of the server");
    add(checks, "server.name", State::ok, "the name " + host.name + " is known");
    if (found->empty())
        return add(checks, "server.connection", State::ok,
                   host.name + " accepts connections on port " + host.port);
    add(checks, "server.connection", State::problem,
        "cannot connect to " + host.name + " on port " + host.port + ": " + found->substr(1) +
            ": does a firewall or a proxy stand in between?");
}

void check_odoo(Checks& checks, const BoxClient& box) {
    const auto answer = answer_of(box, "/api/v1/odoo", "pairing");
    if (!answer) return;
    const json::object pairing = member(*answer, "pairing"), server = member(*answer, "server");
    const std::string url = text(server, "url");
    if (url.empty()) {
        const std::string reason = text(pairing, "reason");
        return add(checks, "pairing", State::note,
                   "not paired with a database" + (reason.empty() ? "" : ": " + reason));
    }
    add(checks, "pairing", State::ok, "paired with " + url);
    if (const Host host = host_of(url); !host.name.empty()) check_server_from_here(checks, host);

    const json::object registration = member(*answer, "registration");
    const std::string registered = text(registration, "state");
    add(checks, "registration",
        registered == "registered" ? State::ok
        : registered == "failing"  ? State::problem
                                   : State::note,
        registered == "registered"
            ? "the database knows this box and its devices"
            : "the database was not told of this box yet: " + (text(registration, "reason").empty()
                                                                   ? registered
                                                                   : text(registration, "reason")));
    const json::object bus = member(*answer, "bus");
    const std::string connected = text(bus, "state");
    add(checks, "bus",
        connected == "connected" || connected == "polling" ? State::ok
        : connected == "waiting"                           ? State::problem
                                                           : State::note,
        "messages of the database: " + connected +
            (text(bus, "reason").empty() ? "" : ": " + text(bus, "reason")));
    const json::object certificate = member(*answer, "certificate");
    const std::string code = text(certificate, "code"), until = text(certificate, "not_after");
    if (!code.empty() || flag(certificate, "expires_soon"))
        add(checks, "certificate", State::problem,
            (code.empty() ? std::string("the certificate ends soon, on ") + until
                          : code + ": " + text(certificate, "text")));
    else
        add(checks, "certificate", State::ok,
            text(certificate, "source") + (until.empty() ? "" : ", good until " + until));
}

std::string default_file() {
    std::array<char, 256> name{};
    ::gethostname(name.data(), name.size() - 1);
    std::string host;
    for (const char c : std::string(name.data()))
        if (host.size() < 63 && (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-'))
            host += c;
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char time[32] = "";
    std::strftime(time, sizeof time, "%Y%m%d-%H%M%S", &parts);
    return "backplane-support-" + (host.empty() ? "box" : host) + "-" + time + ".zip";
}

json::array as_json(const Checks& checks) {
    json::array out;
    for (const Check& check : checks)
        out.push_back(json::object{
            {"id", check.id}, {"state", to_string(check.state)}, {"text", check.text}});
    return out;
}

Colour colour_of(State state) {
    switch (state) {
        case State::ok:
            return Colour::good;
        case State::note:
            return Colour::attention;
        case State::problem:
            return Colour::bad;
        case State::unknown:
            break;
    }
    return Colour::dim;
}

core::Result<void> check_name(const std::string& file) {
    if (file.empty() || file.ends_with(".zip")) return {};
    return core::failure("doctor.bundle", "cannot write the support bundle " + file +
                                              ": it is a zip: give a name that ends in .zip");
}

}  // namespace

std::string_view to_string(State state) noexcept {
    switch (state) {
        case State::ok:
            return "ok";
        case State::note:
            return "note";
        case State::problem:
            return "problem";
        case State::unknown:
            break;
    }
    return "unknown";
}

Checks examine(const BoxClient& box, const DoctorOptions& options) {
    const auto begin = std::chrono::steady_clock::now();
    Checks checks;
    const auto body = box.get("/api/v1/status", k_question_limit);
    std::optional<json::object> status;
    if (!body) {
        add(checks, "box", State::problem, body.error().text);
    } else if (auto answer = parse_answer(*body, "status", "state"); !answer) {
        add(checks, "box", State::problem, answer.error().text);
    } else {
        status = std::move(*answer);
        add(checks, "box", State::ok,
            "backplaned " + text(*status, "version") + " runs for " +
                duration(number(*status, "uptime_s")));
        for (const json::value& problem : list(*status, "problems"))
            if (problem.is_string() && checks.size() < k_most_listed)
                add(checks, "problem", State::problem, std::string(problem.get_string()));
    }
    check_configuration(checks, options);
    check_clock(checks, status);
    check_disk(checks, options.state_dir);
    if (!status) return checks;
    const std::pair<const char*, std::function<void()>> questions[] = {
        {"ports", [&] { check_ports(checks, *status); }},
        {"plugins", [&] { check_plugins(checks, box); }},
        {"devices", [&] { check_devices(checks, box); }},
        {"pairing", [&] { check_odoo(checks, box); }}};
    for (const auto& [id, ask_it] : questions) {
        if (std::chrono::steady_clock::now() - begin < k_time_for_questions)
            ask_it();
        else
            add(checks, id, State::unknown,
                "left out: the box is too slow to answer all questions");
    }
    return checks;
}

ExitCode doctor(const BoxClient& box, const Output& output, const DoctorOptions& options) {
    std::future<Items> collecting;
    if (options.bundle) {
        if (const auto valid = check_name(options.file); !valid) return fail(valid.error());
        collecting =
            std::async(std::launch::async, [&] { return collect(box, options, k_bundle_limit); });
    }
    const Checks checks = examine(box, options);
    const auto is_problem = [](const Check& check) { return check.state == State::problem; };
    const bool unreachable =
        !checks.empty() && checks.front().id == "box" && is_problem(checks.front());
    const bool degraded = std::any_of(checks.begin(), checks.end(), is_problem);

    std::string file;
    if (options.bundle) {
        Items items = collecting.get();
        items.emplace_back("doctor.json", json::serialize(as_json(checks)) + "\n");
        file = options.file.empty() ? default_file() : options.file;
        if (const auto written = write_zip(file, items); !written) return fail(written.error());
    }
    if (output.json) {
        json::object answer{{"state", degraded ? "degraded" : "ok"}, {"checks", as_json(checks)}};
        if (!file.empty()) answer["bundle"] = file;
        std::cout << json::serialize(answer) << '\n';
    } else {
        for (const Check& check : checks) {
            std::string state{to_string(check.state)};
            state.resize(9, ' ');
            std::cout << output.terminal.paint(colour_of(check.state), state) << check.id << ": "
                      << check.text << '\n';
        }
        if (!file.empty())
            std::cout << "\nThe support bundle is in " << core::to_printable(file, 4096)
                      << ". It holds no passwords, tokens or receipts; look into it before you "
                         "give it away.\n";
    }
    // A bundle was what was asked for: that there is one is a success.
    if (unreachable && !options.bundle) return finish(ExitCode::failed);
    return finish(degraded ? ExitCode::degraded : ExitCode::ok);
}

}  // namespace backplane::cli
