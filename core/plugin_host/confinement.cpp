// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "confinement.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace backplane::core::host {
namespace {

bool limit(__rlimit_resource what, rlim_t most, const char* name, std::string& reason) {
    rlimit now{};
    if (::getrlimit(what, &now) == 0 && now.rlim_max < most) most = now.rlim_max;
    const rlimit wanted{most, most};
    if (::setrlimit(what, &wanted) == 0) return true;
    reason = std::string{"cannot set "} + name + ": " + std::strerror(errno);
    return false;
}

/// Memory of its own: heap, stacks of threads, what is mapped privately and can be written. Address
/// space would be the wrong measure: every thread reserves far more of it than it ever uses.
bool limit_memory([[maybe_unused]] std::uint64_t mib, [[maybe_unused]] std::string& reason) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;  // the shadow memory of a sanitizer is terabytes
#else
    return limit(RLIMIT_DATA, rlim_t{mib} << 20, "RLIMIT_DATA", reason);
#endif
}

/// When the machine has no memory left, the kernel ends the plug-in before the box. What counts no
/// other way, such as memory files, ends here. A kernel without this file has no such order.
void die_first() {
    const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    constexpr std::string_view score = "500";
    (void)!::write(fd, score.data(), score.size());
    ::close(fd);
}

/// The one place for the sandbox: seccomp filter, Landlock rules, namespaces, by the permissions in
/// the plug-in's note. It is entered last, when all that the host itself needs from the system is
/// there, and before the library is loaded. Until the filters exist the process is confined by what
/// confine() sets and by what it was not given: no descriptor but its own, no environment.
bool enter_sandbox(std::string& /*reason*/) {
    return true;
}

}  // namespace

bool confine(std::uint64_t memory_mib, std::string& reason) {
    // The third line after the socket and the daemon's own kill: it counts for the thread that has
    // spawned us, and that one lives as long as the daemon.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        reason = std::string{"cannot ask to end with the parent: "} + std::strerror(errno);
        return false;
    }
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        reason = std::string{"cannot give up new privileges: "} + std::strerror(errno);
        return false;
    }
    die_first();
    return limit_memory(memory_mib, reason) && limit(RLIMIT_CORE, 0, "RLIMIT_CORE", reason) &&
           limit(RLIMIT_NOFILE, 256, "RLIMIT_NOFILE", reason) &&
           limit(RLIMIT_FSIZE, rlim_t{64} << 20, "RLIMIT_FSIZE", reason) && enter_sandbox(reason);
}

}  // namespace backplane::core::host
