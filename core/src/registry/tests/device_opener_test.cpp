// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/device_opener.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <optional>

#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using testing::HasSubstr;

class ADeviceOpener : public testing::Test {
protected:
    void open(const OpenSpec& spec, const Fd& handed_over = {}) {
        opener->open(spec, handed_over, 2s,
                     [this](Result<Fd> result) { answer.emplace(std::move(result)); });
    }
    void until_answered() {
        const auto give_up = std::chrono::steady_clock::now() + 10s;
        while (!answer && std::chrono::steady_clock::now() < give_up) {
            loop.restart();
            loop.run_one_for(100ms);
        }
        ASSERT_TRUE(answer.has_value());
    }
    std::string refusal(const OpenSpec& spec) {
        open(spec);
        until_answered();
        return answer && !*answer ? answer->error().text : "opened";
    }
    static OpenSpec node(const std::string& path) {
        OpenSpec spec;
        spec.kind = OpenSpec::Kind::device_node;
        spec.path = path;
        return spec;
    }
    static OpenSpec address(std::uint16_t port) {
        OpenSpec spec;
        spec.kind = OpenSpec::Kind::tcp;
        spec.host = "127.0.0.1";
        spec.port = port;
        return spec;
    }

    boost::asio::io_context loop;
    std::unique_ptr<DeviceOpener> opener = std::make_unique<DeviceOpener>(loop);
    std::optional<Result<Fd>> answer;
    backplane::tests::TemporaryFolder folder;
};

TEST_F(ADeviceOpener, does_not_even_touch_what_is_no_character_device) {
    const std::string fifo = folder / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_THAT(refusal(node(fifo)), HasSubstr("is not a character device"));
    // Opening a FIFO for writing without a reader fails by ENXIO: nobody has opened it meanwhile.
    EXPECT_LT(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC), 0);
    EXPECT_EQ(errno, ENXIO);
}

TEST_F(ADeviceOpener, says_what_to_look_at_when_the_node_is_not_there) {
    EXPECT_THAT(refusal(node(folder / "ttyUSB7")), HasSubstr("check the cable"));
}

TEST_F(ADeviceOpener, says_that_nobody_takes_the_connection) {
    boost::asio::io_context other;
    tcp::acceptor acceptor{other, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
    const std::uint16_t port = acceptor.local_endpoint().port();
    acceptor.close();
    EXPECT_THAT(refusal(address(port)),
                HasSubstr("cannot connect to 127.0.0.1:" + std::to_string(port)));
}

TEST_F(ADeviceOpener, calls_nobody_after_it_was_destroyed) {
    open(OpenSpec{});
    open(address(9));
    opener.reset();
    loop.restart();
    loop.run_for(50ms);
    EXPECT_FALSE(answer.has_value());
}

TEST_F(ADeviceOpener, gives_an_error_when_the_interface_has_handed_nothing_over) {
    OpenSpec spec;
    spec.kind = OpenSpec::Kind::fd;
    EXPECT_THAT(refusal(spec), HasSubstr("handed over no open descriptor"));
}

TEST_F(ADeviceOpener, never_answers_before_open_has_returned) {
    open(OpenSpec{});
    EXPECT_FALSE(answer.has_value());
    until_answered();
    ASSERT_TRUE(*answer);
    EXPECT_FALSE(**answer);
}

TEST_F(ADeviceOpener, opens_a_terminal_without_waiting_and_not_for_children) {
    int master = -1, slave = -1;
    std::array<char, 64> name{};
    ASSERT_EQ(::openpty(&master, &slave, name.data(), nullptr, nullptr), 0);
    open(node(name.data()));
    until_answered();
    ASSERT_TRUE(*answer) << answer->error().text;
    EXPECT_TRUE(::fcntl((*answer)->get(), F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(::fcntl((*answer)->get(), F_GETFD) & FD_CLOEXEC);
    ::close(master);
    ::close(slave);
}

TEST_F(ADeviceOpener, hands_out_a_connection_that_carries_bytes) {
    boost::asio::io_context other;
    tcp::acceptor acceptor{other, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
    open(address(acceptor.local_endpoint().port()));
    until_answered();
    ASSERT_TRUE(*answer) << answer->error().text;
    EXPECT_TRUE(::fcntl((*answer)->get(), F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(::fcntl((*answer)->get(), F_GETFD) & FD_CLOEXEC);
    tcp::socket peer = acceptor.accept();
    ASSERT_EQ(::write((*answer)->get(), "hi", 2), 2);
    std::array<char, 2> received{};
    ASSERT_EQ(peer.read_some(boost::asio::buffer(received)), 2u);
    EXPECT_EQ(received[0], 'h');
}

}  // namespace
}  // namespace backplane::core
