// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "confinement.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <sys/prctl.h>
#include <sys/resource.h>

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

/// The one place for the sandbox: seccomp filter, Landlock rules, namespaces, by the permissions in
/// the plug-in's note. It is entered last, when all that the host itself needs from the system is
/// there, and before the library is loaded. Until the filters exist the process is confined by what
/// confine() sets and by what it was not given: no descriptor but its own, no environment.
bool enter_sandbox(std::string& /*reason*/) {
    return true;
}

}  // namespace

bool confine(std::string& reason) {
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
    return limit(RLIMIT_CORE, 0, "RLIMIT_CORE", reason) &&
           limit(RLIMIT_NOFILE, 256, "RLIMIT_NOFILE", reason) &&
           limit(RLIMIT_FSIZE, rlim_t{64} << 20, "RLIMIT_FSIZE", reason) && enter_sandbox(reason);
}

}  // namespace backplane::core::host
