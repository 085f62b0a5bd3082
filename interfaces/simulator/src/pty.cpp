// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "pty.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace backplane::simulator {

namespace {

[[noreturn]] void fail(const char* attempt) {
    throw sdk::Failure(
        BP_E_IO, std::string("simulating a serial port: ") + attempt +
                     " failed: " + std::strerror(errno) +
                     "; check that /dev/pts is mounted and not all of kernel.pty.max are in use");
}

}  // namespace

Pty::Pty(sdk::Host& host) : ours_(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
    if (!ours_) fail("opening a pseudo terminal");
    if (::grantpt(ours_.get()) != 0) fail("setting the rights of a pseudo terminal");
    if (::unlockpt(ours_.get()) != 0) fail("unlocking a pseudo terminal");
    std::array<char, 64> name{};
    if (const int error = ::ptsname_r(ours_.get(), name.data(), name.size()); error != 0) {
        errno = error;
        fail("asking for the name of a pseudo terminal");
    }
    path_ = name.data();
    theirs_.reset(::open(path_.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!theirs_) fail("opening the other end of a pseudo terminal");
    termios settings{};
    if (::tcgetattr(theirs_.get(), &settings) != 0)
        fail("reading the settings of a pseudo terminal");
    ::cfmakeraw(&settings);
    if (::tcsetattr(theirs_.get(), TCSANOW, &settings) != 0)
        fail("setting a pseudo terminal to raw mode");

    inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (inotify_ && ::inotify_add_watch(inotify_.get(), path_.c_str(), IN_CLOSE) >= 0)
        closes_.emplace(host, inotify_.get(), BP_FD_READ,
                        [this](std::uint32_t) { other_end_closed(); });
    else
        host.log_warning("simulated serial port " + path_ +
                         " cannot be watched: a driver that locks it for itself may find it locked "
                         "when it comes back");
}

void Pty::other_end_closed() {
    alignas(inotify_event) std::array<char, 4096> events;
    while (::read(inotify_.get(), events.data(), events.size()) > 0) {
    }
    // The last close of a real port ends an exclusive lock. Our own open end keeps this one alive,
    // so we end it: otherwise nobody could open the port again after a driver's crash.
    ::ioctl(theirs_.get(), TIOCNXCL);
}

}  // namespace backplane::simulator
