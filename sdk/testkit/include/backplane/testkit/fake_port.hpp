// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The double of a serial port (or of any stream): the driver has one end, the test the other.
//
// The kind `socket` hands bytes over at once, which fits to a clock that stands still, and still
// looks like a serial port: linking this file puts tcgetattr() and tcsetattr() of the test program
// in front of the C library's, for these descriptors only. So a test can see the line settings,
// refuse some, and send bytes with a parity error. The kind `terminal` is a pseudo terminal: the
// kernel's own line discipline, real paths, but bytes take some real time.
#pragma once

#include <termios.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace backplane::testkit {

class FakePort {
public:
    enum class Kind { socket, terminal };
    explicit FakePort(Kind kind = Kind::socket);
    ~FakePort();
    FakePort(const FakePort&) = delete;
    FakePort& operator=(const FakePort&) = delete;

    /// The end for FakeHost::set_device(). Belongs to the port.
    int device() const noexcept { return device_; }
    /// The test's end, for FakeHost::on_readable(); -1 after hang_up().
    int peer() const noexcept { return peer_; }
    /// Of a terminal: such as "/dev/pts/7".
    const std::string& path() const noexcept { return path_; }

    /// Everything that the driver has written since the port was made.
    const std::string& sent();
    /// What was written since the last call.
    std::string take_sent();

    void answer(std::string_view bytes);
    /// A byte with a parity or framing error, as a port with INPCK and PARMRK delivers it. Only of
    /// the kind socket.
    void answer_damaged(std::uint8_t byte);
    void answer_break();
    /// The cable is pulled: the driver reads what is there, then the end.
    void hang_up();

    /// The line settings that the driver asked for. Of the kind socket: as it asked for them last.
    termios line() const;
    /// The adapter does not do these: it keeps 8 data bits without parity and says nothing, as many
    /// do.
    void ignore_parity();
    /// The adapter refuses every change (EIO).
    void refuse_settings();

private:
    void drain();

    Kind kind_;
    int device_ = -1;
    int peer_ = -1;
    std::string path_;
    std::string sent_;
    std::size_t taken_ = 0;
};

}  // namespace backplane::testkit
