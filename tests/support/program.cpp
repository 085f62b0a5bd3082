// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "support/program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace backplane::tests {

namespace {

std::string content(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

}  // namespace

Program::Program(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    constexpr int k_write = O_WRONLY | O_CREAT | O_APPEND;
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, (folder_ / "out").c_str(), k_write,
                                       0600);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (folder_ / "err").c_str(), k_write,
                                       0600);
    const int error = ::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error("cannot run " + arguments.front());
}

Program::~Program() {
    if (ended()) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void Program::signal(int number) const {
    if (!end_) ::kill(pid_, number);
}

bool Program::ended() {
    int status = 0;
    if (!end_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
        end_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return end_.has_value();
}

int Program::wait(std::chrono::milliseconds limit) {
    if (!eventually([this] { return ended(); }, limit))
        throw std::runtime_error("the program did not end; it wrote:\n" + out() + err());
    return *end_;
}

std::string Program::out() const {
    return content(folder_ / "out");
}
std::string Program::err() const {
    return content(folder_ / "err");
}

}  // namespace backplane::tests
