// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One run of the program `backplane`, as a shell would start it.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace backplane::cli::test {

inline constexpr auto k_patience = std::chrono::seconds{30};

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

/// One run of the program. stdout is a pipe, or a terminal of so many columns.
class Invocation {
public:
    explicit Invocation(std::vector<std::string> arguments,
                        std::vector<std::string> environment = {}, unsigned short columns = 0,
                        const std::string& input = "/dev/null") {
        int out[2] = {-1, -1}, err[2] = {-1, -1};
        if (columns > 0) {
            winsize size{24, columns, 0, 0};
            if (::openpty(&out[0], &out[1], nullptr, nullptr, &size) != 0) std::abort();
        } else if (::pipe(out) != 0) {
            std::abort();
        }
        if (::pipe(err) != 0) std::abort();
        arguments.insert(arguments.begin(), BP_CLI);
        environment.push_back("TZ=UTC");
        std::vector<char*> argv, envp;
        for (std::string& each : arguments) argv.push_back(each.data());
        for (std::string& each : environment) envp.push_back(each.data());
        argv.push_back(nullptr);
        envp.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            const int in = ::open(input.c_str(), O_RDONLY | O_CLOEXEC);
            ::dup2(in, STDIN_FILENO);
            ::dup2(out[1], STDOUT_FILENO);
            ::dup2(err[1], STDERR_FILENO);
            for (const int fd : {out[0], out[1], err[0], err[1]}) ::close(fd);
            ::execve(BP_CLI, argv.data(), envp.data());
            ::_exit(127);
        }
        ::close(out[1]);
        ::close(err[1]);
        out_ = out[0];
        err_ = err[0];
    }
    Invocation(const Invocation&) = delete;
    Invocation& operator=(const Invocation&) = delete;
    ~Invocation() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        if (out_ >= 0) ::close(out_);
        if (err_ >= 0) ::close(err_);
    }

    /// Reads until this is true or both streams have ended. False: neither happened in time.
    bool read_until(const std::function<bool(const Outcome&)>& done) {
        const auto deadline = std::chrono::steady_clock::now() + k_patience;
        while (!done(outcome_)) {
            if (out_ < 0 && err_ < 0) return false;
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                                  deadline - std::chrono::steady_clock::now())
                                  .count();
            pollfd fds[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
            if (left <= 0 || ::poll(fds, 2, static_cast<int>(left)) <= 0) return false;
            if (fds[0].revents != 0) take(out_, outcome_.out);
            if (fds[1].revents != 0) take(err_, outcome_.err);
        }
        return true;
    }

    Outcome finish() {
        (void)read_until([&](const Outcome&) { return out_ < 0 && err_ < 0; });
        if (out_ >= 0 || err_ >= 0)
            return outcome_;  // Still runs: code stays -1, and the destructor ends it.
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        outcome_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return outcome_;
    }

    void terminate() const { ::kill(pid_, SIGTERM); }

private:
    static void take(int& fd, std::string& into) {
        char buffer[65536];
        const ssize_t count =
            ::read(fd, buffer, sizeof buffer);  // A terminal whose other end has gone answers EIO.
        if (count > 0) {
            into.append(buffer, static_cast<std::size_t>(count));
        } else {
            ::close(fd);
            fd = -1;
        }
    }

    pid_t pid_ = -1;
    int out_ = -1, err_ = -1;
    Outcome outcome_;
};

}  // namespace backplane::cli::test
