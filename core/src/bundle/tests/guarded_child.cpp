// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/tests/guarded_child.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <vector>

namespace backplane::core::bundle::tests {
namespace {

/// Every call by which a file could come into being or change its name; written to is what was
/// opened before.
std::vector<long> forbidden_calls() {
    return {
#ifdef __NR_open
        __NR_open,     __NR_creat,    __NR_mkdir,    __NR_rmdir,     __NR_link,
        __NR_symlink,  __NR_rename,   __NR_mknod,    __NR_unlink,
#endif
#ifdef __NR_renameat
        __NR_renameat,
#endif
        __NR_openat,   __NR_mkdirat,  __NR_linkat,   __NR_symlinkat, __NR_renameat2,
        __NR_mknodat,  __NR_unlinkat, __NR_truncate, __NR_chdir,
    };
}

bool forbid_files() {
    std::vector<sock_filter> program;
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    for (const long call : forbidden_calls()) {
        program.push_back(
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
        program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

std::chrono::milliseconds processor_time() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto of = [](const timeval& time) {
        return std::chrono::seconds{time.tv_sec} + std::chrono::microseconds{time.tv_usec};
    };
    return std::chrono::duration_cast<std::chrono::milliseconds>(of(usage.ru_utime) +
                                                                 of(usage.ru_stime));
}

long highest_memory_kib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

std::string all_from(int fd) {
    std::string out;
    char chunk[4096];
    for (ssize_t count = 0; (count = ::read(fd, chunk, sizeof(chunk))) > 0;) {
        out.append(chunk, static_cast<std::size_t>(count));
    }
    return out;
}

[[noreturn]] void be_the_child(int fd, const std::function<std::string()>& work) {
    if (!forbid_files()) ::_exit(3);
    const long before = highest_memory_kib();
    const auto start = processor_time();
    std::string said;
    try {
        said = work();
    } catch (const std::exception& error) {
        said = std::string{"exception: "} + error.what();
    }
    const auto took = processor_time() - start;
    const std::string report = std::to_string(highest_memory_kib() - before) + " " +
                               std::to_string(took.count()) + " " + said;
    ::_exit(::write(fd, report.data(), report.size()) == static_cast<ssize_t>(report.size()) ? 0
                                                                                             : 4);
}

}  // namespace

ChildReport run_guarded(const std::function<std::string()>& work) {
    // Free memory of the parent would be used by the child without counting as growth.
    ::malloc_trim(0);
    // libzip asks for local times, and the first one who does reads the time zone from a file.
    ::tzset();
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("fork");
    if (child == 0) be_the_child(ends[1], work);
    ::close(ends[1]);
    const std::string report = all_from(ends[0]);
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ChildReport out;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        out.died = true;
        out.said = WIFSIGNALED(status) ? std::string{"killed by "} + ::strsignal(WTERMSIG(status))
                                       : "exit code " + std::to_string(WEXITSTATUS(status));
        return out;
    }
    std::size_t at = 0;
    out.grown_kib = std::stol(report, &at);
    std::size_t next = 0;
    out.took = std::chrono::milliseconds{std::stol(report.substr(at), &next)};
    out.said = report.substr(at + next + 1);
    return out;
}

}  // namespace backplane::core::bundle::tests
