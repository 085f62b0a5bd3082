// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/testkit/fake_port.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include <gmock/gmock.h>

namespace {

using backplane::testkit::FakePort;
using namespace std::string_literals;

std::string read_some(const FakePort& port) {
    char buffer[64];
    pollfd ready{port.device(), POLLIN, 0};
    if (::poll(&ready, 1, 10'000) <= 0) return "nothing came";
    const ssize_t got = ::read(port.device(), buffer, sizeof buffer);
    return got < 0 ? "error " + std::to_string(errno)
                   : std::string(buffer, static_cast<std::size_t>(got));
}

void set_flags(const FakePort& port, tcflag_t input, tcflag_t control) {
    termios settings{};
    ASSERT_EQ(::tcgetattr(port.device(), &settings), 0);
    ::cfmakeraw(&settings);
    settings.c_iflag |= input;
    settings.c_cflag = (settings.c_cflag & ~static_cast<tcflag_t>(CSIZE)) | control;
    ASSERT_EQ(::tcsetattr(port.device(), TCSANOW, &settings), 0);
}

TEST(AFakePort, carries_bytes_both_ways_and_remembers_what_was_sent) {
    FakePort port;
    ASSERT_EQ(::write(port.device(), "Ehello", 6), 6);
    EXPECT_EQ(port.take_sent(), "Ehello");
    ASSERT_EQ(::write(port.device(), "W", 1), 1);
    EXPECT_EQ(port.take_sent(), "W");
    EXPECT_EQ(port.sent(), "EhelloW");
    port.answer("\2 1.234\r");
    EXPECT_EQ(read_some(port), "\2 1.234\r");
}

TEST(AFakePort, ends_after_the_bytes_that_came_before_it_was_hung_up) {
    FakePort port;
    port.answer("rest");
    port.hang_up();
    port.answer("unheard");
    EXPECT_EQ(read_some(port), "rest");
    EXPECT_EQ(read_some(port), "");
}

TEST(AFakePort, shows_the_line_settings_of_the_driver) {
    FakePort port;
    set_flags(port, 0, CS7 | PARENB);
    EXPECT_EQ(port.line().c_cflag & CSIZE, tcflag_t{CS7});
    EXPECT_TRUE(port.line().c_cflag & PARENB);
}

TEST(AFakePort, marks_damaged_bytes_as_the_kernel_does) {
    FakePort port;
    set_flags(port, INPCK | PARMRK, CS7 | PARENB);
    port.answer_damaged('1');
    port.answer("\xff"s);
    port.answer_break();
    EXPECT_EQ(read_some(port),
              "\xff\0"
              "1\xff\xff\xff\0\0"s);
}

TEST(AFakePort, hides_damage_from_a_driver_that_does_not_look) {
    FakePort port;
    set_flags(port, 0, CS8);
    port.answer_damaged('1');
    port.answer("\xff"s);
    EXPECT_EQ(read_some(port), "1\xff");
}

TEST(AFakePort, keeps_eight_bits_when_it_ignores_parity) {
    FakePort port;
    port.ignore_parity();
    termios settings = port.line();
    settings.c_cflag = CS7 | PARENB;
    EXPECT_EQ(::tcsetattr(port.device(), TCSANOW, &settings), -1);
    EXPECT_EQ(port.line().c_cflag & (CSIZE | PARENB), tcflag_t{CS8});
}

TEST(AFakePort, is_a_real_terminal_when_asked_for_one) {
    FakePort port(FakePort::Kind::terminal);
    ASSERT_TRUE(::isatty(port.device()));
    EXPECT_THAT(port.path(), testing::StartsWith("/dev/pts/"));
    set_flags(port, 0, CS8);
    port.answer("abc");
    EXPECT_EQ(read_some(port), "abc");
    port.hang_up();
    // The kernel says it in one of two ways, depending on who closes first.
    EXPECT_THAT(read_some(port), testing::AnyOf("", "error " + std::to_string(EIO)));
}

}  // namespace
