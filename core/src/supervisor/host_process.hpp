// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One process of backplane-plugin-host: started with nothing but what it needs, ended for certain.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backplane/core/fd.hpp"
#include "backplane/core/result.hpp"
#include "supervisor/orphans.hpp"

namespace backplane::core {

struct HostExit {
    bool by_signal = false;
    int value = 0;             ///< the signal or the exit status
    std::string text() const;  ///< "killed by SIGSEGV", "ended with exit status 1"
};

/// What the process gets; see docs/reference/host-protocol.md for the numbers under which it finds
/// them.
struct HostStart {
    std::string program;
    std::vector<std::string> arguments;  ///< behind those with the descriptors
    const Fd& socket;
    const Fd& library;
    const Fd& status;
    const Fd& output;
};

/// Owner of the process. Its destructor kills it with its process group; reaping is up to
/// reap_later() then.
class HostProcess {
public:
    static Result<HostProcess> start(const HostStart& start);

    HostProcess() = default;
    HostProcess(HostProcess&& other) noexcept;
    HostProcess& operator=(HostProcess&& other) noexcept;
    HostProcess(const HostProcess&) = delete;
    HostProcess& operator=(const HostProcess&) = delete;
    ~HostProcess() { kill(); }

    pid_t pid() const noexcept { return pid_; }
    bool alive() const noexcept { return pid_ > 0; }  ///< started and not yet reaped
    /// A descriptor that can be read when the process has ended; remains ours.
    int pidfd() const noexcept { return pidfd_.get(); }

    void terminate() noexcept;  ///< SIGTERM
    void kill() noexcept;       ///< SIGKILL to the process and its group
    /// Its exit when it has ended; then it is reaped and alive() is false.
    std::optional<HostExit> reap() noexcept;
    /// Gives up waiting: killed now, reaped whenever it ends.
    void abandon(boost::asio::io_context& loop);

private:
    pid_t pid_ = -1;
    Fd pidfd_;
    std::shared_ptr<KnownChild>
        known_;  // shared with the handler of reap_later(), which may outlive us
};

}  // namespace backplane::core
