// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "supervisor/spawn.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace backplane::core {
namespace {

constexpr int k_first_copy = 16;

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

std::vector<std::string> sanitizer_environment() {
    std::vector<std::string> out;
    for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
        if (const char* value = ::getenv(name)) out.push_back(std::string{name} + "=" + value);
    }
    return out;
}

Result<Spawned> spawn(const SpawnRequest& request) {
    std::vector<std::string> arguments{request.program};
    arguments.insert(arguments.end(), request.arguments.begin(), request.arguments.end());
    // Built before the process exists: nothing may be allocated between fork and exec.
    auto environment = request.environment;
    const auto argv = pointers(arguments);
    const auto envp = pointers(environment);

    // Copies with high numbers: otherwise putting one in its place could close the source of the
    // next.
    std::vector<Fd> sources(request.descriptors.size());
    for (std::size_t i = 0; i < sources.size(); ++i) {
        if (request.descriptors[i] == SpawnRequest::k_null) continue;
        sources[i].reset(::fcntl(request.descriptors[i], F_DUPFD_CLOEXEC, k_first_copy));
        if (!sources[i]) return failed(request.program, errno);
    }

    SpawnPlan plan;
    int error = 0;
    int next = 0;
    for (const Fd& source : sources) {
        if (error != 0) break;
        error = source ? ::posix_spawn_file_actions_adddup2(&plan.actions, source.get(), next)
                       : ::posix_spawn_file_actions_addopen(&plan.actions, next, "/dev/null",
                                                            O_RDONLY, 0);
        ++next;
    }
    // What was opened without close-on-exec, by whatever library, ends here.
    if (error == 0) error = ::posix_spawn_file_actions_addclosefrom_np(&plan.actions, next);
    sigset_t none{};
    sigset_t all{};
    ::sigemptyset(&none);
    ::sigfillset(&all);
    if (error == 0) error = ::posix_spawnattr_setsigmask(&plan.attributes, &none);
    if (error == 0) error = ::posix_spawnattr_setsigdefault(&plan.attributes, &all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (request.own_session) flags |= POSIX_SPAWN_SETSID;
    if (error == 0) error = ::posix_spawnattr_setflags(&plan.attributes, flags);
    Spawned child;
    if (error == 0) {
        error = ::posix_spawn(&child.pid, request.program.c_str(), &plan.actions, &plan.attributes,
                              argv.data(), envp.data());
    }
    if (error != 0) return failed(request.program, error);

    // Free of races: until it is reaped, nobody else gets this number.
    child.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
    if (!child.pidfd) {
        const int why = errno;
        if (request.own_session) ::kill(-child.pid, SIGKILL);
        ::kill(child.pid, SIGKILL);
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(child.pid), &info,
                 WEXITED);  // it has been killed an instant ago
        return failed(request.program, why);
    }
    return child;
}

}  // namespace backplane::core
