// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "confinement.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bundle/unpacked.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BP_UNPACKER_SANITIZED 1
#else
#define BP_UNPACKER_SANITIZED 0
#endif

// A sanitizer looks through a pipe whether memory can be read.
constexpr unsigned k_more_files = BP_UNPACKER_SANITIZED ? 64 : 0;

namespace backplane::core::unpacker {
namespace {

// The archive where it lies, the largest build, and as much again for those who unpack.
[[maybe_unused]] constexpr rlim_t k_memory_bytes = rlim_t{256} << 20;
constexpr rlim_t k_cpu_s = 10;

bool failed(const char* what, std::string& reason) {
    reason = std::string{"cannot "} + what + ": " + std::strerror(errno);
    return false;
}

bool limit(__rlimit_resource what, rlim_t most, const char* name, std::string& reason) {
    rlimit now{};
    if (::getrlimit(what, &now) == 0 && now.rlim_max < most) most = now.rlim_max;
    const rlimit wanted{most, most};
    return ::setrlimit(what, &wanted) == 0 || failed(name, reason);
}

bool limit_memory([[maybe_unused]] std::string& reason) {
#if BP_UNPACKER_SANITIZED
    return true;  // the shadow memory of a sanitizer is terabytes
#else
    return limit(RLIMIT_AS, k_memory_bytes, "set RLIMIT_AS", reason) &&
           limit(RLIMIT_DATA, k_memory_bytes, "set RLIMIT_DATA", reason);
#endif
}

#if !BP_UNPACKER_SANITIZED

#if defined(__x86_64__)
constexpr std::uint32_t k_architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t k_architecture = AUDIT_ARCH_AARCH64;
#elif defined(__arm__)
constexpr std::uint32_t k_architecture = AUDIT_ARCH_ARM;
#else
#error "say here which system calls this architecture has"
#endif

// mmap() in the one form that the C library of this architecture uses.
#ifdef __NR_mmap2
constexpr std::uint32_t k_mmap = __NR_mmap2;
#else
constexpr std::uint32_t k_mmap = __NR_mmap;
#endif

/// By number: those that an architecture does not have are left out.
constexpr std::uint32_t k_allowed[] = {
    __NR_read,
    __NR_write,
    __NR_munmap,
    __NR_mremap,
    __NR_brk,
    __NR_madvise,
    __NR_futex,
    __NR_clock_gettime,
    __NR_getrandom,
    __NR_fstat,
    __NR_lseek,
    __NR_close,
    __NR_exit,
    __NR_exit_group,
    __NR_rt_sigaction,
    __NR_rt_sigprocmask,
    __NR_rt_sigreturn,
#ifdef __NR_pread64
    __NR_pread64,
#endif
#ifdef __NR_futex_time64  // 32 bits
    __NR_futex_time64,
#endif
#ifdef __NR_clock_gettime64
    __NR_clock_gettime64,
#endif
#ifdef __NR_fstat64
    __NR_fstat64,
#endif
#ifdef __NR__llseek
    __NR__llseek,
#endif
#ifdef __NR_sigreturn
    __NR_sigreturn,
#endif
// The library of the zip asks for the time; where the kernel cannot answer that without a call, these are the calls.
#ifdef __NR_time
    __NR_time,
#endif
#ifdef __NR_gettimeofday
    __NR_gettimeofday,
#endif
};

constexpr std::uint32_t low_word_of_argument(std::size_t number) {
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    return static_cast<std::uint32_t>(offsetof(seccomp_data, args) +
                                      number * sizeof(std::uint64_t));
}

bool enter_filter(std::string& reason) {
    const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_filter kill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    std::vector<sock_filter> program{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k_architecture, 1, 0),
        kill,
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        // Memory that can be run is refused, other memory is not.
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k_mmap, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low_word_of_argument(2)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        kill,
        allow,
    };
    for (const std::uint32_t call : k_allowed) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
        program.push_back(allow);
    }
    program.push_back(kill);
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 ||
           failed("install the filter of system calls", reason);
}

#else

/// Sanitizers map memory to be run, ask for the limits and the names of files, and look at their own process: with a filter
/// that lets all that pass, what is tested would not be what runs elsewhere.
bool enter_filter(std::string& /*reason*/) {
    return true;
}

#endif

/// The library of the zip asks for local times, and the first one who does reads the time zone from a file.
bool settle_time_zone(std::string& reason) {
    if (::clearenv() != 0 || ::setenv("TZ", "UTC0", 1) != 0)
        return failed("empty the environment", reason);
    ::tzset();
    return true;
}

}  // namespace

bool confine(std::string& reason) {
    if (!settle_time_zone(reason)) return false;
    // It counts for the thread that has started us, and that one waits for us.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return failed("end with the parent", reason);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return failed("give up new privileges", reason);
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return failed("close the process to others", reason);
    return limit(RLIMIT_CORE, 0, "set RLIMIT_CORE", reason) &&
           limit(RLIMIT_NPROC, 0, "set RLIMIT_NPROC", reason) &&
           limit(RLIMIT_FSIZE, bundle::k_unpacked_bytes, "set RLIMIT_FSIZE", reason) &&
           limit(RLIMIT_CPU, k_cpu_s, "set RLIMIT_CPU", reason) &&
           // Those that are open stay so; there will be no others.
           limit(RLIMIT_NOFILE, k_more_files, "set RLIMIT_NOFILE", reason) && limit_memory(reason) &&
           enter_filter(reason);
}

}  // namespace backplane::core::unpacker
