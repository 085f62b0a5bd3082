// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Speed, parity and the like, and how they get onto a serial port.
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "backplane/host.hpp"

namespace backplane::sdk::serial {

enum class Parity { none, even, odd };
enum class FlowControl { none, hardware, software };

struct LineSettings {
    unsigned baud = 9600;
    unsigned data_bits = 8;
    Parity parity = Parity::none;
    unsigned stop_bits = 1;
    FlowControl flow = FlowControl::none;

    /// What one character takes on the line.
    std::chrono::nanoseconds character_time() const {
        const unsigned bits = 1 + data_bits + (parity == Parity::none ? 0 : 1) + stop_bits;
        return std::chrono::nanoseconds{1'000'000'000ull * bits / (baud ? baud : 1)};
    }

    /// These settings with whatever of "baud", "data_bits", "parity", "stop_bits" and
    /// "flow_control" the user set.
    LineSettings changed_by(const json::object& settings) const {
        LineSettings out = *this;
        const auto number = [&](const char* name, unsigned& value) {
            if (const json::value* found = settings.if_contains(name)) {
                if (!found->is_int64() || found->get_int64() <= 0 ||
                    found->get_int64() > 10'000'000)
                    throw Failure(BP_E_INVALID, std::string("the setting ") + name +
                                                    " must be a positive number");
                value = static_cast<unsigned>(found->get_int64());
            }
        };
        const auto choice = [&](const char* name, auto& value,
                                std::initializer_list<const char*> names) {
            const json::value* found = settings.if_contains(name);
            if (!found) return;
            int index = 0;
            for (const char* candidate : names) {
                if (found->is_string() && found->get_string() == candidate) {
                    value = static_cast<std::decay_t<decltype(value)>>(index);
                    return;
                }
                ++index;
            }
            throw Failure(BP_E_INVALID, std::string("the setting ") + name +
                                            " has no such value as " + json::serialize(*found));
        };
        number("baud", out.baud);
        number("data_bits", out.data_bits);
        number("stop_bits", out.stop_bits);
        choice("parity", out.parity, {"none", "even", "odd"});
        choice("flow_control", out.flow, {"none", "hardware", "software"});
        return out;
    }
};

/// "9600 7E1"
inline std::string to_string(const LineSettings& line) {
    return std::to_string(line.baud) + " " + std::to_string(line.data_bits) +
           "NEO"[static_cast<int>(line.parity)] + std::to_string(line.stop_bits);
}

/// What became of the wish.
struct AppliedLine {
    bool terminal = false;  ///< false: a socket or the like, which has no line settings
    bool marks =
        false;  ///< damaged bytes and breaks come marked (FF 00 x), a plain FF comes doubled
    std::vector<std::string>
        not_applied;  ///< what this port cannot do, such as "7 data bits": not an error
};

namespace detail {

struct Speed {
    unsigned baud;
    speed_t code;
};
inline constexpr std::array<Speed, 17> k_speeds{{{300, B300},
                                                 {600, B600},
                                                 {1200, B1200},
                                                 {1800, B1800},
                                                 {2400, B2400},
                                                 {4800, B4800},
                                                 {9600, B9600},
                                                 {19200, B19200},
                                                 {38400, B38400},
                                                 {57600, B57600},
                                                 {115200, B115200},
                                                 {230400, B230400},
                                                 {460800, B460800},
                                                 {500000, B500000},
                                                 {576000, B576000},
                                                 {921600, B921600},
                                                 {1000000, B1000000}}};

inline speed_t speed_code(unsigned baud) {
    std::string known;
    for (const Speed& speed : k_speeds) {
        if (speed.baud == baud) return speed.code;
        known += (known.empty() ? "" : ", ") + std::to_string(speed.baud);
    }
    throw Failure(BP_E_INVALID, "a serial port cannot be set to " + std::to_string(baud) +
                                    " baud: choose the speed that the device is set to, one of " +
                                    known);
}

}  // namespace detail

/// Puts the port into raw mode with these settings and takes it for us alone. Throws Failure when
/// the port refuses altogether; what it merely cannot do (a pseudo terminal has no parity) stands
/// in the answer.
inline AppliedLine apply(int fd, const LineSettings& line) {
    const speed_t speed = detail::speed_code(line.baud);
    static constexpr std::array<tcflag_t, 4> k_sizes{CS5, CS6, CS7, CS8};
    if (line.data_bits < 5 || line.data_bits > 8)
        throw Failure(BP_E_INVALID,
                      "a character has 5 to 8 data bits, not " + std::to_string(line.data_bits));
    if (line.stop_bits < 1 || line.stop_bits > 2)
        throw Failure(BP_E_INVALID,
                      "a character has 1 or 2 stop bits, not " + std::to_string(line.stop_bits));

    termios wanted{};
    if (::tcgetattr(fd, &wanted) != 0) {
        if (errno == ENOTTY || errno == EINVAL) return {false, false, {to_string(line)}};
        throw Failure(BP_E_IO, std::string("the settings of the serial port cannot be read: ") +
                                   std::strerror(errno));
    }
    ::cfmakeraw(&wanted);
    ::cfsetspeed(&wanted, speed);
    wanted.c_cflag &= ~static_cast<tcflag_t>(CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS);
    wanted.c_cflag |= CLOCAL | CREAD | k_sizes[line.data_bits - 5];
    if (line.parity != Parity::none) wanted.c_cflag |= PARENB;
    if (line.parity == Parity::odd) wanted.c_cflag |= PARODD;
    if (line.stop_bits == 2) wanted.c_cflag |= CSTOPB;
    if (line.flow == FlowControl::hardware) wanted.c_cflag |= CRTSCTS;
    wanted.c_iflag &= ~static_cast<tcflag_t>(IGNPAR | IXON | IXOFF | IGNBRK | BRKINT);
    // Without these two a byte with a parity or framing error looks like any other.
    wanted.c_iflag |= INPCK | PARMRK;
    if (line.flow == FlowControl::software) wanted.c_iflag |= IXON | IXOFF;
    // With VMIN 0 a read of nothing would look like the end of the file.
    wanted.c_cc[VMIN] = 1;
    wanted.c_cc[VTIME] = 0;

    // EINVAL comes when the size or the parity could not be had; everything else has been applied
    // even so.
    if (::tcsetattr(fd, TCSANOW, &wanted) != 0 && errno != EINVAL)
        throw Failure(BP_E_IO, "the serial port does not take the settings " + to_string(line) +
                                   ": " + std::strerror(errno) +
                                   ". Unplug the adapter and plug it in again");
    termios got{};
    if (::tcgetattr(fd, &got) != 0)
        throw Failure(BP_E_IO, std::string("the settings of the serial port cannot be read: ") +
                                   std::strerror(errno));
    if ((got.c_lflag & (ICANON | ECHO)) != 0)
        throw Failure(
            BP_E_IO,
            "the serial port stays in line mode with echo: its driver ignores its settings");

    AppliedLine out{true, (got.c_iflag & (INPCK | PARMRK)) == (INPCK | PARMRK), {}};
    const auto compare = [&](tcflag_t mask, const std::string& what) {
        if ((got.c_cflag & mask) != (wanted.c_cflag & mask)) out.not_applied.push_back(what);
    };
    if (::cfgetospeed(&got) != speed)
        out.not_applied.push_back(std::to_string(line.baud) + " baud");
    compare(CSIZE, std::to_string(line.data_bits) + " data bits");
    compare(PARENB | PARODD, line.parity == Parity::none   ? "no parity"
                             : line.parity == Parity::even ? "even parity"
                                                           : "odd parity");
    compare(CSTOPB, std::to_string(line.stop_bits) + " stop bits");
    compare(CRTSCTS, "hardware flow control");
    (void)::ioctl(fd, TIOCEXCL);  // nobody else opens it by accident; given back by SerialPort
    return out;
}

}  // namespace backplane::sdk::serial
