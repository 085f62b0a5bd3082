// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a process that has confined itself can still do. Each attempt is also made without confinement, where it must
// succeed: otherwise its failure would prove nothing.
#include <gmock/gmock.h>

#include <array>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle/unpacked.hpp"
#include "supervisor/host_process.hpp"
#include "supervisor/spawn.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

using ::testing::HasSubstr;

constexpr const char* k_succeeded = "ended with exit status 42";
constexpr const char* k_failed = "ended with exit status 43";

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool k_filtered = false;
#else
constexpr bool k_filtered = true;
#endif

class AConfinedProcess : public ::testing::Test {
protected:
    AConfinedProcess() {
        scratch_ = folder_.file("scratch");
        std::ofstream{scratch_} << "x";
        output_.reset(::memfd_create("output", MFD_CLOEXEC));
    }

    Spawned start(const std::string& how, const std::string& attempt, int input, int output) {
        SpawnRequest request;
        request.program = BP_UNPACK_PROBE;
        request.arguments = {how, attempt, scratch_};
        request.environment = sanitizer_environment();
        request.descriptors = {SpawnRequest::k_null, STDERR_FILENO, STDERR_FILENO, input, output};
        auto child = spawn(request);
        if (!child) throw std::runtime_error{child.error().text};
        return *std::move(child);
    }
    static std::string end_of(const Spawned& child) {
        siginfo_t info{};
        if (::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED) != 0)
            return "not waited for";
        return HostExit{info.si_code != CLD_EXITED, info.si_status}.text();
    }
    std::string run(const std::string& how, const std::string& attempt) {
        return end_of(start(how, attempt, SpawnRequest::k_null, output_.get()));
    }

    backplane::tests::TemporaryFolder folder_;
    std::string scratch_;
    Fd output_;
};

TEST_F(AConfinedProcess, dies_of_everything_but_computing_reading_and_writing) {
    if (!k_filtered)
        GTEST_SKIP() << "the runtime of a sanitizer needs calls that the filter forbids";
    const std::string attempts[] = {
        "open a file",
        "read its environment",
        "write its memory by name",
        "look at a file",
        "change the rights of a file",
        "rename a file",
        "remove a file",
        "create a file",
        "make a folder",
        "go to another folder",
        "open a socket",
        "open a socket of the machine",
        "connect",
        "connect what is open",
        "make a pipe",
        "copy a descriptor",
        "make a memory file",
        "ask a device",
        "fork",
        "run a program",
        "signal its parent",
        "trace",
        "read the memory of its parent",
        "map memory to be run",
        "map memory to be written and run",
        "make memory executable",
        "raise a limit",
        "change itself",
        "leave its namespaces",
        "become somebody else",
        "ask who runs it",
        "use rings of calls",
#if defined(__x86_64__)
        "call the table of 32-bit pointers",
#endif
    };
    for (const std::string& attempt : attempts) {
        EXPECT_EQ(run("confined", attempt), "killed by SIGSYS") << attempt;
        // A parent's memory at an address of the child need not be there; that the call is made is what counts.
        if (attempt != "read the memory of its parent") {
            EXPECT_EQ(run("free", attempt), k_succeeded) << attempt;
        }
    }
    std::printf("%zu attempts\n", std::size(attempts));
}

TEST_F(AConfinedProcess, dies_of_a_call_by_the_table_of_another_architecture) {
#if defined(__x86_64__)
    if (!k_filtered) GTEST_SKIP() << "there is no filter under a sanitizer";
    EXPECT_EQ(run("confined", "call another table"), "killed by SIGSYS");
#else
    GTEST_SKIP() << "this machine has one table of calls";
#endif
}

TEST_F(AConfinedProcess, opens_nothing_even_without_the_filter) {
    if (!k_filtered) GTEST_SKIP() << "a sanitizer needs descriptors of its own";
    EXPECT_NE(run("confined", "open a file"), k_succeeded);
    EXPECT_NE(run("confined", "create a file"), k_succeeded);
    EXPECT_NE(run("confined", "copy a descriptor"), k_succeeded);
}

TEST_F(AConfinedProcess, gets_no_more_memory_than_it_needs) {
    if (!k_filtered) GTEST_SKIP() << "the shadow memory of a sanitizer is terabytes";
    EXPECT_EQ(run("confined", "use 300 MiB"), k_failed);
    EXPECT_EQ(run("free", "use 300 MiB"), k_succeeded);
}

TEST_F(AConfinedProcess, writes_no_more_than_a_container_may_have) {
    EXPECT_EQ(run("confined", "write more than is allowed"), "killed by SIGXFSZ");
    EXPECT_EQ(run("free", "write more than is allowed"), k_succeeded);
}

TEST_F(AConfinedProcess, can_do_its_work) {
    EXPECT_EQ(run("confined", "compute"), k_succeeded);
}

std::string content(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream{path}.rdbuf();
    return out.str();
}

/// "Max open files 0 0": one blank between the words.
std::string limits_of(pid_t pid) {
    std::string text = content("/proc/" + std::to_string(pid) + "/limits");
    std::string out;
    for (const char c : text)
        if (c != ' ' || out.empty() || out.back() != ' ') out += c;
    return out;
}

TEST_F(AConfinedProcess, is_seen_by_the_kernel_as_one_that_has_nothing) {
    if (!k_filtered) GTEST_SKIP() << "a sanitizer needs descriptors of its own";
    std::array<int, 2> input{}, output{};
    ASSERT_EQ(::pipe2(input.data(), O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(output.data(), O_CLOEXEC), 0);
    const Fd read_end{input[0]}, confined{output[0]}, write_end{output[1]};
    Fd release{input[1]};
    const Spawned child = start("confined", "wait", read_end.get(), write_end.get());
    pollfd poll{confined.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&poll, 1, 20'000), 1) << "it does not say that it is confined";

    const std::string status = content("/proc/" + std::to_string(child.pid) + "/status");
    EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
    const std::string limits = limits_of(child.pid);
    for (const char* limit : {"Max open files 0 0", "Max processes 0 0", "Max core file size 0 0",
                              "Max cpu time 10 10", "Max file size 71303168 71303168"})
        EXPECT_THAT(limits, HasSubstr(limit));
    if (k_filtered) {
        EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
        EXPECT_THAT(limits, HasSubstr("Max address space 268435456 268435456"));
        EXPECT_THAT(limits, HasSubstr("Max data size 268435456 268435456"));
    }
    static_assert(bundle::k_unpacked_bytes == 71303168);
    release.reset();
    EXPECT_EQ(end_of(child), k_succeeded);
}

}  // namespace
}  // namespace backplane::core
