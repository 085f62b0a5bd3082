// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Children of this process: which are ours, and what becomes of those that a plug-in has left to
// us.
//
// The kernel keeps one table of children for a process, hence the one table in here. A plug-in host
// begins a session of its own, and nobody can join a session from outside; so a child of ours in
// another session that is not a known host was forked by a plug-in. Children that other parts of
// the program start stay in our session and are left alone.
#pragma once

#include <sys/types.h>

#include <memory>

#include "backplane/core/fd.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::core {

/// From now on orphans of our children become our children (PR_SET_CHILD_SUBREAPER). Done once;
/// false with errno set.
bool become_subreaper() noexcept;

/// Whether the process behind this descriptor has ended. A wait on the loop alone does not prove it: Asio
/// uses the memory of a closed descriptor for the next one, and an event of the old one that was on its
/// way (the end of the host before) then wakes the wait of the new one.
bool has_ended(int pidfd) noexcept;

/// While it lives, reap_orphans() leaves this child alone.
class KnownChild {
public:
    explicit KnownChild(pid_t pid);
    KnownChild(const KnownChild&) = delete;
    KnownChild& operator=(const KnownChild&) = delete;
    ~KnownChild();

private:
    pid_t pid_;
};

/// Kill every orphan that plug-ins have left to us, wait for each on the loop, reap it, and look
/// again. Does not wait.
void reap_orphans(boost::asio::io_context& loop);

/// Reap this child, which has been killed, whenever it ends, and look for what it leaves behind.
void reap_later(boost::asio::io_context& loop, Fd pidfd, std::shared_ptr<KnownChild> child);

}  // namespace backplane::core
