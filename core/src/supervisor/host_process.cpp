// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "supervisor/host_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace backplane::core {
namespace {

constexpr int k_socket = 3;
constexpr int k_library = 4;
constexpr int k_status = 5;
constexpr int k_first_closed = 6;

/// The environment of the process, built before it exists: nothing may be allocated between fork
/// and exec.
std::vector<std::string> environment() {
    std::vector<std::string> out{"PATH=/usr/local/bin:/usr/bin:/bin"};
    const char* lang = ::getenv("LANG");
    out.push_back(std::string{"LANG="} + (lang != nullptr ? lang : "C.UTF-8"));
    for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
        if (const char* value = ::getenv(name)) out.push_back(std::string{name} + "=" + value);
    }
    return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

/// posix_spawn's descriptions of what the child does before exec, freed whatever happens.
struct SpawnPlan {
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    SpawnPlan() {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }
};

Unexpected<Error> failed(const std::string& program, int error) {
    return failure("supervisor.spawn_failed",
                   "cannot start " + program + ": " + std::strerror(error) +
                       (error == ENOENT ? "; is backplane installed completely?" : ""));
}

}  // namespace

std::string HostExit::text() const {
    if (!by_signal) return "ended with exit status " + std::to_string(value);
    const char* name = ::sigabbrev_np(value);
    return name != nullptr ? std::string{"killed by SIG"} + name
                           : "killed by signal " + std::to_string(value);
}

Result<HostProcess> HostProcess::start(const HostStart& start) {
    std::vector<std::string> arguments{start.program,
                                       "--socket",
                                       std::to_string(k_socket),
                                       "--library",
                                       std::to_string(k_library),
                                       "--status",
                                       std::to_string(k_status)};
    arguments.insert(arguments.end(), start.arguments.begin(), start.arguments.end());
    auto env = environment();
    const auto argv = pointers(arguments);
    const auto envp = pointers(env);

    // Copies with high numbers: otherwise putting one in its place could close the source of the
    // next.
    std::array<Fd, 4> sources;
    const std::array<int, 4> originals{start.output.get(), start.socket.get(), start.library.get(),
                                       start.status.get()};
    for (std::size_t i = 0; i < sources.size(); ++i) {
        sources[i].reset(::fcntl(originals[i], F_DUPFD_CLOEXEC, 16));
        if (!sources[i]) return failed(start.program, errno);
    }

    SpawnPlan plan;
    int error =
        ::posix_spawn_file_actions_addopen(&plan.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    const auto put = [&](const Fd& from, int to) {
        if (error == 0) error = ::posix_spawn_file_actions_adddup2(&plan.actions, from.get(), to);
    };
    put(sources[0], STDOUT_FILENO);
    put(sources[0], STDERR_FILENO);
    put(sources[1], k_socket);
    put(sources[2], k_library);
    put(sources[3], k_status);
    // What was opened without close-on-exec, by whatever library, ends here.
    if (error == 0)
        error = ::posix_spawn_file_actions_addclosefrom_np(&plan.actions, k_first_closed);
    sigset_t none{};
    sigset_t all{};
    ::sigemptyset(&none);
    ::sigfillset(&all);
    if (error == 0) error = ::posix_spawnattr_setsigmask(&plan.attributes, &none);
    if (error == 0) error = ::posix_spawnattr_setsigdefault(&plan.attributes, &all);
    constexpr short flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (error == 0) error = ::posix_spawnattr_setflags(&plan.attributes, flags);
    pid_t pid = -1;
    if (error == 0) {
        error = ::posix_spawn(&pid, start.program.c_str(), &plan.actions, &plan.attributes,
                              argv.data(), envp.data());
    }
    if (error != 0) return failed(start.program, error);

    HostProcess process;
    process.pid_ = pid;
    process.known_ = std::make_shared<KnownChild>(pid);
    // Free of races: until we reap it, nobody else gets this number.
    process.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process.pidfd_) {
        const int why = errno;
        process.kill();
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(pid), &info,
                 WEXITED);  // it has been killed an instant ago
        process.pid_ = -1;
        return failed(start.program, why);
    }
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
