// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/testkit/fake_port.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <stdexcept>
#include <system_error>

namespace backplane::testkit {
namespace {

struct Line {
    termios settings{};
    bool ignores_parity = false;
    bool refuses = false;
};

struct Lines {
    std::mutex mutex;
    std::map<int, Line> by_fd;  // guarded by mutex
};

Lines& lines() {
    static Lines all;
    return all;
}

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// The C library's own, for all descriptors that are not doubles.
template <typename Function>
Function* original(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

int get_settings(int fd, termios* out) {
    {
        const std::lock_guard lock(lines().mutex);
        if (const auto found = lines().by_fd.find(fd); found != lines().by_fd.end()) {
            *out = found->second.settings;
            return 0;
        }
    }
    static const auto next = original<int(int, termios*)>("tcgetattr");
    return next(fd, out);
}

int set_settings(int fd, int when, const termios* wanted) {
    {
        const std::lock_guard lock(lines().mutex);
        if (const auto found = lines().by_fd.find(fd); found != lines().by_fd.end()) {
            Line& line = found->second;
            if (line.refuses) {
                errno = EIO;
                return -1;
            }
            line.settings = *wanted;
            const bool odd_frame = (wanted->c_cflag & (CSIZE | PARENB)) != CS8;
            if (line.ignores_parity && odd_frame) {
                // What the kernel and the C library do together: everything else is applied, and
                // the call fails.
                line.settings.c_cflag =
                    (wanted->c_cflag & ~static_cast<tcflag_t>(CSIZE | PARENB)) | CS8;
                errno = EINVAL;
                return -1;
            }
            return 0;
        }
    }
    static const auto next = original<int(int, int, const termios*)>("tcsetattr");
    return next(fd, when, wanted);
}

}  // namespace

FakePort::FakePort(Kind kind) : kind_(kind) {
    if (kind == Kind::socket) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
            fail("socketpair");
        device_ = ends[0];
        peer_ = ends[1];
        Line line;
        line.settings.c_cflag = CS8 | CREAD;
        line.settings.c_lflag = ICANON | ECHO | ISIG;  // as the kernel hands a port out
        ::cfsetspeed(&line.settings, B9600);
        const std::lock_guard lock(lines().mutex);
        lines().by_fd[device_] = line;
        return;
    }
    peer_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    char name[64] = {};
    if (peer_ < 0 || ::grantpt(peer_) != 0 || ::unlockpt(peer_) != 0 ||
        ::ptsname_r(peer_, name, sizeof name) != 0)
        fail("making a pseudo terminal");
    path_ = name;
    device_ = ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (device_ < 0) fail("opening a pseudo terminal");
}

FakePort::~FakePort() {
    hang_up();
    {
        const std::lock_guard lock(lines().mutex);
        lines().by_fd.erase(device_);
    }
    ::close(device_);
}

void FakePort::drain() {
    char buffer[4096];
    while (peer_ >= 0) {
        const ssize_t got = ::read(peer_, buffer, sizeof buffer);
        if (got <= 0) return;
        sent_.append(buffer, static_cast<std::size_t>(got));
    }
}

const std::string& FakePort::sent() {
    drain();
    return sent_;
}

std::string FakePort::take_sent() {
    drain();
    std::string out = sent_.substr(taken_);
    taken_ = sent_.size();
    return out;
}

void FakePort::answer(std::string_view bytes) {
    if (peer_ < 0) return;  // a cable that is pulled carries nothing
    std::string plain;
    // On a port that marks damaged bytes, a plain FF comes doubled.
    const bool doubles = kind_ == Kind::socket && (line().c_iflag & PARMRK);
    for (const char byte : bytes) {
        plain += byte;
        if (doubles && byte == '\xff') plain += byte;
    }
    const ssize_t put = ::write(peer_, plain.data(), plain.size());
    if (put != static_cast<ssize_t>(plain.size())) fail("FakePort: the driver does not read");
}

void FakePort::answer_damaged(std::uint8_t byte) {
    if (kind_ != Kind::socket)
        throw std::logic_error("a pseudo terminal cannot have parity errors");
    if (peer_ < 0) return;
    const tcflag_t input = line().c_iflag;
    std::string bytes;
    if (!(input & INPCK))
        bytes = std::string(1, static_cast<char>(byte));  // nobody checks: the damage goes unseen
    else if (input & PARMRK)
        bytes = std::string("\xff\0", 2) + static_cast<char>(byte);
    else if (!(input & IGNPAR))
        bytes = std::string(1, '\0');
    if (::write(peer_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        fail("FakePort: the driver does not read");
}

void FakePort::answer_break() {
    answer_damaged(0);
}

void FakePort::hang_up() {
    if (peer_ < 0) return;
    drain();
    ::close(peer_);
    peer_ = -1;
}

termios FakePort::line() const {
    termios out{};
    if (get_settings(device_, &out) != 0) fail("tcgetattr");
    return out;
}

void FakePort::ignore_parity() {
    const std::lock_guard lock(lines().mutex);
    lines().by_fd.at(device_).ignores_parity = true;
}

void FakePort::refuse_settings() {
    const std::lock_guard lock(lines().mutex);
    lines().by_fd.at(device_).refuses = true;
}

}  // namespace backplane::testkit

// The program's own symbols go before the C library's.
extern "C" int tcgetattr(int fd, termios* out) noexcept {
    return backplane::testkit::get_settings(fd, out);
}
extern "C" int tcsetattr(int fd, int when, const termios* wanted) noexcept {
    return backplane::testkit::set_settings(fd, when, wanted);
}
