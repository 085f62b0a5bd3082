// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "supervisor/orphans.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <dirent.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace backplane::core {
namespace {

struct ChildTable {
    std::mutex mutex;
    std::multiset<pid_t> known;  // guarded by mutex
};

ChildTable& children() {
    static ChildTable table;
    return table;
}

template <typename F>
void for_each_number_in(const char* folder, F&& function) {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir{::opendir(folder), &::closedir};
    if (!dir) return;
    while (const dirent* entry = ::readdir(dir.get())) {
        pid_t number = 0;
        const char* end = entry->d_name + std::strlen(entry->d_name);
        const auto [stop, error] = std::from_chars(entry->d_name, end, number);
        if (error == std::errc{} && stop == end) function(number);
    }
}

/// The quick way, where the kernel has it (CONFIG_PROC_CHILDREN): the children of each of our
/// threads.
bool children_by_thread(std::vector<pid_t>& out) {
    bool complete = true;
    for_each_number_in("/proc/self/task", [&](pid_t thread) {
        std::ifstream list{"/proc/self/task/" + std::to_string(thread) + "/children"};
        if (!list) {
            complete = false;
            return;
        }
        for (pid_t pid = 0; list >> pid;) out.push_back(pid);
    });
    return complete && !out.empty();
}

/// The other way: every process, by its parent.
void children_by_parent(std::vector<pid_t>& out) {
    const pid_t self = ::getpid();
    for_each_number_in("/proc", [&](pid_t pid) {
        std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
        std::string line;
        if (!std::getline(file, line)) return;
        // "pid (name) state parent": the name may hold anything, also parentheses.
        const auto name_end = line.rfind(')');
        if (name_end == std::string::npos || name_end + 4 >= line.size()) return;
        pid_t parent = 0;
        std::from_chars(line.data() + name_end + 4, line.data() + line.size(), parent);
        if (parent == self) out.push_back(pid);
    });
}

bool is_known(pid_t pid) {
    auto& table = children();
    const std::lock_guard lock{table.mutex};
    return table.known.count(pid) != 0;
}

}  // namespace

bool become_subreaper() noexcept {
    return ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

KnownChild::KnownChild(pid_t pid) : pid_(pid) {
    auto& table = children();
    const std::lock_guard lock{table.mutex};
    table.known.insert(pid_);
}

KnownChild::~KnownChild() {
    auto& table = children();
    const std::lock_guard lock{table.mutex};
    if (const auto found = table.known.find(pid_); found != table.known.end())
        table.known.erase(found);
}

bool has_ended(int pidfd) noexcept {
    pollfd poll{pidfd, POLLIN, 0};
    return ::poll(&poll, 1, 0) == 1;
}

namespace {

using Descriptor = boost::asio::posix::stream_descriptor;

void wait_and_reap(boost::asio::io_context& loop, const std::shared_ptr<Descriptor>& descriptor,
                   std::shared_ptr<KnownChild> child) {
    descriptor->async_wait(
        Descriptor::wait_read, [&loop, descriptor, child = std::move(child)](
                                   const boost::system::error_code& error) mutable {
            if (error) return;
            const int pidfd = descriptor->native_handle();
            if (!has_ended(pidfd)) return wait_and_reap(loop, descriptor, std::move(child));
            siginfo_t info{};
            ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG);
            reap_orphans(loop);
        });
}

}  // namespace

void reap_later(boost::asio::io_context& loop, Fd pidfd, std::shared_ptr<KnownChild> child) {
    wait_and_reap(loop, std::make_shared<Descriptor>(loop, pidfd.release()), std::move(child));
}

void reap_orphans(boost::asio::io_context& loop) {
    std::vector<pid_t> pids;
    if (!children_by_thread(pids)) {
        pids.clear();
        children_by_parent(pids);
    }
    const pid_t our_session = ::getsid(0);
    for (const pid_t pid : pids) {
        if (is_known(pid) || ::getsid(pid) == our_session) continue;
        // A child that nobody has reaped keeps its number, so this cannot hit a stranger.
        ::kill(pid, SIGKILL);
        Fd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
        if (pidfd) reap_later(loop, std::move(pidfd), std::make_shared<KnownChild>(pid));
    }
}

}  // namespace backplane::core
