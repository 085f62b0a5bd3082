// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "supervisor/host_process.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <sys/wait.h>

#include "supervisor/spawn.hpp"

namespace backplane::core {
namespace {

constexpr int k_socket = 3;
constexpr int k_library = 4;
constexpr int k_status = 5;

std::vector<std::string> environment() {
    std::vector<std::string> out{"PATH=/usr/local/bin:/usr/bin:/bin"};
    const char* lang = ::getenv("LANG");
    out.push_back(std::string{"LANG="} + (lang != nullptr ? lang : "C.UTF-8"));
    for (auto& each : sanitizer_environment()) out.push_back(std::move(each));
    return out;
}

}  // namespace

std::string HostExit::text() const {
    if (!by_signal) return "ended with exit status " + std::to_string(value);
    const char* name = ::sigabbrev_np(value);
    return name != nullptr ? std::string{"killed by SIG"} + name
                           : "killed by signal " + std::to_string(value);
}

Result<HostProcess> HostProcess::start(const HostStart& start) {
    SpawnRequest request;
    request.program = start.program;
    request.arguments = {"--socket",  std::to_string(k_socket),
                         "--library", std::to_string(k_library),
                         "--status",  std::to_string(k_status)};
    request.arguments.insert(request.arguments.end(), start.arguments.begin(),
                             start.arguments.end());
    request.environment = environment();
    request.descriptors = {SpawnRequest::k_null, start.output.get(),  start.output.get(),
                           start.socket.get(),   start.library.get(), start.status.get()};
    request.own_session = true;
    auto child = spawn(request);
    if (!child) return Unexpected<Error>{child.error()};
    HostProcess process;
    process.pid_ = child->pid;
    process.pidfd_ = std::move(child->pidfd);
    process.known_ = std::make_shared<KnownChild>(process.pid_);
    return process;
}

HostProcess::HostProcess(HostProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      known_(std::move(other.known_)) {}

HostProcess& HostProcess::operator=(HostProcess&& other) noexcept {
    if (this != &other) {
        kill();
        pid_ = std::exchange(other.pid_, -1);
        pidfd_ = std::move(other.pidfd_);
        known_ = std::move(other.known_);
    }
    return *this;
}

void HostProcess::terminate() noexcept {
    if (alive()) ::kill(pid_, SIGTERM);
}

void HostProcess::kill() noexcept {
    if (!alive()) return;
    // Not reaped, so the number is still its own; it leads its session and group, so the group is
    // its own, too.
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
}

std::optional<HostExit> HostProcess::reap() noexcept {
    if (!alive()) return std::nullopt;
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG | WNOWAIT) !=
            0 ||
        info.si_pid == 0) {
        return std::nullopt;
    }
    // The zombie still holds the number of the group: now what it has forked can be killed without
    // doubt.
    ::kill(-pid_, SIGKILL);
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG);
    pid_ = -1;
    known_.reset();
    return HostExit{info.si_code != CLD_EXITED, info.si_status};
}

void HostProcess::abandon(boost::asio::io_context& loop) {
    if (!alive()) return;
    kill();
    pid_ = -1;
    reap_later(loop, std::move(pidfd_), std::move(known_));
}

}  // namespace backplane::core
