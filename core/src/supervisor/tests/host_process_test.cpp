// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "supervisor/host_process.hpp"

#include <gmock/gmock.h>
#include <boost/asio/io_context.hpp>

#include <array>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "ipc/channel.hpp"

namespace backplane::core {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AHostProcess : public ::testing::Test {
protected:
    AHostProcess() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        output_read_.reset(ends[0]);
        output_write_.reset(ends[1]);
        auto sockets = ipc::make_socket_pair();
        EXPECT_TRUE(sockets.has_value());
        ours_ = std::move(sockets->first);
        theirs_ = std::move(sockets->second);
        file_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }
    Result<HostProcess> start(const std::string& program) {
        return HostProcess::start({.program = program,
                                   .arguments = {},
                                   .socket = theirs_,
                                   .library = file_,
                                   .status = file_,
                                   .output = output_write_});
    }
    /// A program that is a shell script; its name is unique to this process, because ctest runs
    /// cases in parallel.
    std::string script(const std::string& body) {
        const std::string path =
            ::testing::TempDir() + "host_process_test." + std::to_string(::getpid()) + ".sh";
        const Fd file{::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0700)};
        const std::string text = "#!/bin/sh\n" + body + "\n";
        EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
        scripts_.push_back(path);
        return path;
    }
    ~AHostProcess() override {
        for (const auto& path : scripts_) ::unlink(path.c_str());
    }
    static HostExit wait(HostProcess& process) {
        pollfd poll{process.pidfd(), POLLIN, 0};
        EXPECT_EQ(::poll(&poll, 1, 20'000), 1);
        const auto exit = process.reap();
        EXPECT_TRUE(exit.has_value());
        return exit.value_or(HostExit{});
    }
    std::string output() {
        output_write_.reset();
        std::string text;
        std::array<char, 4096> buffer{};
        for (ssize_t got = 0;
             (got = ::read(output_read_.get(), buffer.data(), buffer.size())) > 0;) {
            text.append(buffer.data(), static_cast<std::size_t>(got));
        }
        return text;
    }

    Fd output_read_, output_write_, ours_, theirs_, file_;
    std::vector<std::string> scripts_;
};

TEST_F(AHostProcess, gets_a_clean_environment_and_only_its_own_descriptors) {
    const Fd leaked{
        ::open("/dev/null", O_RDONLY)};  // without close-on-exec, as a careless library would
    ::setenv("BACKPLANE_TEST_SECRET", "42", 1);
    auto process = start(script(
        "/usr/bin/env; for f in /proc/self/fd/*; do echo \"fd:$f:\"; done; echo \"args: $*\""));
    ASSERT_TRUE(process.has_value()) << process.error().text;
    const HostExit exit = wait(*process);
    const std::string text = output();
    EXPECT_EQ(exit.text(), "ended with exit status 0") << text;
    EXPECT_THAT(text, Not(HasSubstr("BACKPLANE_TEST_SECRET")));
    EXPECT_THAT(text, HasSubstr("PATH=/usr/local/bin:/usr/bin:/bin\n"));
    EXPECT_THAT(text, HasSubstr("args: --socket 3 --library 4 --status 5\n"));
    for (int fd = 0; fd <= 5; ++fd) EXPECT_THAT(text, HasSubstr("/fd/" + std::to_string(fd) + ":"));
    EXPECT_THAT(text, Not(HasSubstr("/fd/" + std::to_string(leaked.get()) + ":")));
    ::unsetenv("BACKPLANE_TEST_SECRET");
}

TEST_F(AHostProcess, leads_a_session_and_is_killed_together_with_its_group) {
    auto process = start(script("sleep 1000 & echo started; wait"));
    ASSERT_TRUE(process.has_value());
    std::array<char, 16> buffer{};
    ASSERT_GT(::read(output_read_.get(), buffer.data(), buffer.size()), 0);
    EXPECT_EQ(::getsid(process->pid()), process->pid());
    process->kill();
    EXPECT_EQ(wait(*process).text(), "killed by SIGKILL");
    EXPECT_FALSE(process->alive());
    // The end of its output: nobody of the group holds the pipe any more.
    EXPECT_EQ(output(), "");
}

TEST_F(AHostProcess, that_cannot_be_started_is_an_error_with_the_path) {
    const auto process = start("/nowhere");
    ASSERT_FALSE(process.has_value());
    EXPECT_EQ(
        process.error().text,
        "cannot start /nowhere: No such file or directory; is backplane installed completely?");
}

TEST_F(AHostProcess, that_still_runs_is_not_reaped) {
    auto process = start(script("exec sleep 1000"));
    ASSERT_TRUE(process.has_value());
    EXPECT_FALSE(process->reap().has_value());
    EXPECT_TRUE(process->alive());
    process->kill();
    EXPECT_EQ(wait(*process).text(), "killed by SIGKILL");
}

}  // namespace

}  // namespace backplane::core
