// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "listening.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <sstream>
#include <utility>

#include "backplane/core/log.hpp"

namespace backplane::daemon {

using core::failure;
using core::Result;

namespace {

// systemd.exec(5), sd_listen_fds(3): inherited sockets begin at 3.
constexpr int k_first_inherited_fd = 3;
constexpr int k_most_inherited = 16;
constexpr std::uint16_t k_http_port = 80, k_https_port = 443;

struct Inherited {
    int fd = -1;
    bool tls = false;
    std::uint16_t port = 0;
};

std::uint16_t port_of(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
    if (address.ss_family == AF_INET)
        return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    return 0;
}

/// Sockets that the service manager has opened for us (80 and 443 need rights that the service does not have). One is for
/// HTTPS when its unit names it so (FileDescriptorName=https) or by its port.
std::vector<Inherited> inherited_sockets() {
    const char* pid = std::getenv("LISTEN_PID");
    const char* count = std::getenv("LISTEN_FDS");
    if (!pid || !count || std::strtol(pid, nullptr, 10) != ::getpid()) return {};
    const char* all_names = std::getenv("LISTEN_FDNAMES");
    std::istringstream names{all_names ? all_names : ""};
    std::vector<Inherited> out;
    for (long i = 0; i < std::strtol(count, nullptr, 10) && i < k_most_inherited; ++i) {
        std::string name;
        std::getline(names, name, ':');
        const int fd = k_first_inherited_fd + static_cast<int>(i);
        const std::uint16_t port = port_of(fd);
        out.push_back({fd, name == "https" || port == k_https_port, port});
    }
    return out;
}

struct Opened {
    std::vector<std::uint16_t> ports;
    std::string first_problem;
};

Opened open_all(
    const std::vector<std::string>& addresses, std::uint16_t port,
    const std::function<Result<std::uint16_t>(const std::string&, std::uint16_t)>& open) {
    Opened out;
    for (const std::string& address : addresses) {
        // With port 0 the first address takes a free port and the others follow it.
        const auto had = open(address, port == 0 && !out.ports.empty() ? out.ports.front() : port);
        if (!had) {
            if (out.first_problem.empty()) out.first_problem = had.error().text;
        } else if (std::find(out.ports.begin(), out.ports.end(), *had) == out.ports.end()) {
            out.ports.push_back(*had);
        }
    }
    return out;
}

}  // namespace

Result<Listening> listen(core::HttpServer& server, const core::Config& config,
                         const std::string& control_socket) {
    Listening out;
    bool https_inherited = false, standard_inherited = false;
    for (const Inherited& socket : inherited_sockets()) {
        if (socket.tls && !config.https.enabled) continue;
        if (const auto result = server.listen_fd(socket.fd, socket.tls); !result)
            return failure(result.error().code, result.error().text);
        https_inherited = https_inherited || socket.tls;
        standard_inherited = standard_inherited || socket.port == k_http_port;
    }

    Opened http = open_all(config.http.addresses, config.http.port,
                           [&](const std::string& address, std::uint16_t port) {
                               return server.listen_tcp(address, port);
                           });
    // A system without IPv6 has only one of the two default addresses; that is no reason not to start.
    if (http.ports.empty()) return failure("http.listen", http.first_problem);
    if (!http.first_problem.empty())
        core::log_warning("box", "http.listen_failed", {{"reason", http.first_problem}});
    out.http = std::move(http.ports);
    // Odoo's pages ask a box at the port that an address has without one (protocol page, 1.1).
    if (config.http.standard_port && !standard_inherited && config.http.port != k_http_port) {
        const Opened standard = open_all(config.http.addresses, k_http_port,
                                         [&](const std::string& address, std::uint16_t port) {
                                             return server.listen_tcp(address, port);
                                         });
        out.http.insert(out.http.end(), standard.ports.begin(), standard.ports.end());
        if (standard.ports.empty())
            core::log_info("box", "http.standard_port_failed",
                           {{"reason", standard.first_problem}});
    }

    if (config.https.enabled && !https_inherited) {
        Opened https = open_all(config.http.addresses, config.https.port,
                                [&](const std::string& address, std::uint16_t port) {
                                    return server.listen_tls(address, port);
                                });
        // The usual port needs rights that a box started by hand does not have; who has asked for one wants to know.
        if (https.ports.empty() && config.https.port_given)
            out.problems.push_back("https is not offered: " + https.first_problem);
        if (https.ports.empty())
            core::log_info("box", "https.listen_failed", {{"reason", https.first_problem}});
        out.https = std::move(https.ports);
    }

    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(control_socket).parent_path(),
                                        ignored);
    if (const auto control = server.listen_unix(control_socket); !control) {
        core::log_warning("box", "control_socket.failed", {{"reason", control.error().text}});
        out.problems.push_back("the backplane command cannot reach this box: " +
                               control.error().text);
    }
    return out;
}

}  // namespace backplane::daemon
