// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "password.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <iostream>
#include <string_view>
#include <utility>

#include "backplane/core/fd.hpp"

namespace backplane::cli {
namespace {

constexpr std::array k_signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr std::size_t k_password_bytes = 1024;

volatile std::sig_atomic_t caught = 0;
extern "C" void remember_signal(int number) {
    caught = number;
}

/// Echo is off, and signals that would leave it so only interrupt the reading.
class QuietTerminal {
public:
    explicit QuietTerminal(int fd) : fd_(fd) {
        caught = 0;
        struct sigaction action {};
        action.sa_handler = remember_signal;  // without SA_RESTART: read() returns
        for (std::size_t i = 0; i < k_signals.size(); ++i)
            ::sigaction(k_signals[i], &action, &before_[i]);
        changed_ = ::tcgetattr(fd_, &settings_) == 0;
        if (!changed_) return;
        termios quiet = settings_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHOE | ECHOK | ECHONL);
        ::tcsetattr(fd_, TCSAFLUSH, &quiet);
    }
    QuietTerminal(const QuietTerminal&) = delete;
    QuietTerminal& operator=(const QuietTerminal&) = delete;
    ~QuietTerminal() {
        if (changed_) ::tcsetattr(fd_, TCSAFLUSH, &settings_);
        for (std::size_t i = 0; i < k_signals.size(); ++i)
            ::sigaction(k_signals[i], &before_[i], nullptr);
        if (caught != 0) ::raise(caught);
    }

private:
    int fd_;
    bool changed_ = false;
    termios settings_{};
    std::array<struct sigaction, k_signals.size()> before_{};
};

void show(int fd, std::string_view text) {
    // A prompt that cannot be shown is no reason to stop: the answer still counts.
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

}  // namespace

core::Result<std::string> ask_password(const std::string& prompt) {
    const core::Fd terminal{::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
    if (!terminal) {
        return core::failure("terminal.none",
                             "a password is needed, but there is no terminal to type it on: run "
                             "this on a terminal, or put it into BACKPLANE_KEY_PASSWORD");
    }
    std::string line;
    {
        const QuietTerminal quiet{terminal.get()};
        show(terminal.get(), prompt);
        char c = 0;
        while (caught == 0) {
            const ssize_t count = ::read(terminal.get(), &c, 1);
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0 || c == '\n') break;
            if (line.size() < k_password_bytes) line += c;
        }
        show(terminal.get(), "\n");
    }
    return line;
}

bool ask_yes(const std::string& question) {
    if (::isatty(STDIN_FILENO) != 1) return false;
    std::cout << question << " [y/N] " << std::flush;
    std::string answer;
    return std::getline(std::cin, answer) && (answer == "y" || answer == "yes");
}

}  // namespace backplane::cli
