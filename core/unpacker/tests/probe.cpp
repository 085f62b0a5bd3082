// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// backplane-unpack after an archive has taken it over: the same confinement, then one thing that it must not do.
// probe <confined|free> <attempt> <scratch file>. Ends with 42 when the attempt has succeeded, with 43 when it has failed.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle/unpacked.hpp"
#include "confinement.hpp"

namespace {

constexpr int k_succeeded = 42, k_failed = 43, k_unknown = 44;

const char* scratch = "";

bool opens(const char* path, int flags) {
    return ::open(path, flags, 0600) >= 0;
}

bool forks() {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    return child > 0 && ::waitpid(child, nullptr, 0) == child;
}

bool executes() {
    const char* const arguments[] = {"sh", "-c", "exit 42", nullptr};
    ::execve("/bin/sh", const_cast<char* const*>(arguments), nullptr);
    return false;
}

bool connects() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
}

/// Of a descriptor that was there before.
bool connects_what_is_open() {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    return ::connect(backplane::core::bundle::k_unpack_output_fd,
                     reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0 ||
           errno == ENOTSOCK;
}

bool maps(int protection) {
    return ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

bool makes_executable() {
    void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at != MAP_FAILED && ::mprotect(at, 4096, PROT_READ | PROT_EXEC) == 0;
}

bool reads_parent() {
    char byte = 0;
    const iovec mine{&byte, 1};
    const iovec theirs{const_cast<char**>(&scratch), 1};
    return ::process_vm_readv(::getppid(), &mine, 1, &theirs, 1, 0) == 1;
}

bool allocates() {
    const std::size_t size = std::size_t{300} << 20;
    void* at = std::malloc(size);
    if (at == nullptr) return false;
    std::memset(at, 1, size);
    return static_cast<volatile char*>(at)[size - 1] == 1;
}

bool writes_too_much() {
    const std::vector<char> piece(std::size_t{1} << 20);
    for (std::size_t i = 0; i <= backplane::core::bundle::k_unpacked_bytes >> 20; ++i)
        if (::write(backplane::core::bundle::k_unpack_output_fd, piece.data(), piece.size()) < 0)
            return false;
    return true;
}

/// Tells that it is confined, and stays until it is told to end.
bool waits() {
    char byte = 'c';
    return ::write(backplane::core::bundle::k_unpack_output_fd, &byte, 1) == 1 &&
           ::read(backplane::core::bundle::k_unpack_archive_fd, &byte, 1) == 0;
}

#if defined(__x86_64__)
/// getpid() of the 32-bit table, where the numbers mean something else.
bool calls_another_table() {
    long result = 20;
    asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return result > 0;
}
#endif

const std::map<std::string, std::function<bool()>>& attempts() {
    static const std::map<std::string, std::function<bool()>> all {
        {"open a file", [] { return opens("/etc/passwd", O_RDONLY); }},
            {"create a file", [] { return opens(scratch, O_WRONLY | O_CREAT); }},
            {"read its environment", [] { return opens("/proc/self/environ", O_RDONLY); }},
            {"write its memory by name", [] { return opens("/proc/self/mem", O_RDWR); }},
            {"look at a file",
             [] {
                 struct stat info {};
                 return ::stat("/etc/passwd", &info) == 0;
             }},
            {"change the rights of a file", [] { return ::chmod(scratch, 0777) == 0; }},
            {"remove a file", [] { return ::unlink(scratch) == 0; }},
            {"rename a file", [] { return ::rename(scratch, scratch) == 0; }},
            {"make a folder",
             [] { return ::mkdir((scratch + std::string{".d"}).c_str(), 0700) == 0; }},
            {"go to another folder", [] { return ::chdir("/") == 0; }},
            {"open a socket", [] { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0; }},
            {"open a socket of the machine", [] { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }},
            {"connect", connects}, {"connect what is open", connects_what_is_open},
            {"make a pipe",
             [] {
                 int ends[2];
                 return ::pipe(ends) == 0;
             }},
            {"copy a descriptor", [] { return ::dup(1) >= 0; }},
            {"make a memory file", [] { return ::memfd_create("probe", 0) >= 0; }},
            {"ask a device",
             [] {
                 int count = 0;
                 return ::ioctl(backplane::core::bundle::k_unpack_output_fd, FIONREAD, &count) ==
                            0 ||
                        errno == ENOTTY || errno == EINVAL;
             }},
            {"fork", forks}, {"run a program", executes},
            {"signal its parent", [] { return ::kill(::getppid(), 0) == 0; }},
            {"trace", [] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0; }},
            {"read the memory of its parent", reads_parent},
            {"map memory to be run", [] { return maps(PROT_READ | PROT_EXEC); }},
            {"map memory to be written and run",
             [] { return maps(PROT_READ | PROT_WRITE | PROT_EXEC); }},
            {"make memory executable", makes_executable},
            {"raise a limit",
             [] {
                 const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
                 return ::setrlimit(RLIMIT_CORE, &none) == 0 || errno == EPERM;
             }},
            {"change itself", [] { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0; }},
            {"leave its namespaces", [] { return ::unshare(CLONE_FS) == 0; }},
            {"become somebody else", [] { return ::setuid(::getuid()) == 0; }},
            {"ask who runs it", [] { return ::getuid() + 1 > 0; }},
            {"use rings of calls",
             [] {
                 char parameters[256] = {};
                 return ::syscall(SYS_io_uring_setup, 1, parameters) >= 0 || errno != ENOSYS;
             }},
#if defined(__x86_64__)
            {"call another table", calls_another_table},
            {"call the table of 32-bit pointers",
             [] { return ::syscall(0x40000000L | SYS_getppid) > 0 || errno == ENOSYS; }},
#endif
            // Each of these is allowed, up to its limit.
            {"use 300 MiB", allocates}, {"write more than is allowed", writes_too_much},
            {"wait", waits},
            {"compute", [] { return maps(PROT_READ | PROT_WRITE) && std::time(nullptr) > 0; }},
    };
    return all;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return k_unknown;
    scratch = argv[3];
    const auto found = attempts().find(argv[2]);
    if (found == attempts().end()) return k_unknown;
    std::string reason;
    if (argv[1] == std::string{"confined"} && !backplane::core::unpacker::confine(reason)) {
        std::fprintf(stderr, "%s\n", reason.c_str());
        return k_unknown;
    }
    ::_exit(found->second() ? k_succeeded : k_failed);
}
