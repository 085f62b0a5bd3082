// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "ipc/channel.hpp"

#include <gmock/gmock.h>

#include <array>

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "raw_frame.hpp"

namespace backplane::core::ipc {
namespace {

std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* dir = ::opendir("/proc/self/fd");
    while (::readdir(dir) != nullptr) ++count;
    ::closedir(dir);
    return count;
}

class AChannel : public ::testing::Test {
protected:
    AChannel() {
        auto pair = make_socket_pair();
        EXPECT_TRUE(pair.has_value());
        ours_ = std::move(pair->first);
        theirs_ = std::move(pair->second);
    }
    Result<Frame> receive(Direction direction = Direction::to_core) {
        EXPECT_EQ(receive_packet(ours_.get(), packet_), Received::packet) << packet_.problem;
        return decode_frame(packet_.bytes, std::move(packet_.fds), direction);
    }
    void send_with_descriptors(std::size_t count) {
        char byte = 'x';
        iovec part{&byte, 1};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(16 * sizeof(int))> control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        for (std::size_t i = 0; i < count; ++i) {
            const int fd = ours_.get();
            std::memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(fd));
        }
        ASSERT_EQ(::sendmsg(theirs_.get(), &message, 0), 1);
    }

    Fd ours_, theirs_;
    Packet packet_;
};

TEST_F(AChannel, refuses_more_descriptors_than_any_frame_has_and_keeps_none_of_them) {
    const std::size_t before = open_descriptors();
    send_with_descriptors(16);
    EXPECT_EQ(receive_packet(ours_.get(), packet_), Received::broken);
    EXPECT_THAT(packet_.problem, ::testing::HasSubstr("more file descriptors"));
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(AChannel, refuses_a_packet_that_is_too_long) {
    const std::vector<char> bytes(k_packet_bytes + 1);
    ASSERT_EQ(::send(theirs_.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    EXPECT_EQ(receive_packet(ours_.get(), packet_), Received::broken);
    EXPECT_EQ(packet_.problem, "longer than 65536 bytes");
}

TEST_F(AChannel, sees_the_other_end_go) {
    EXPECT_EQ(receive_packet(ours_.get(), packet_), Received::nothing);
    theirs_.reset();
    EXPECT_EQ(receive_packet(ours_.get(), packet_), Received::closed);
    EXPECT_EQ(send_frame(ours_.get(), make_frame(FrameType::shut_down)), Sent::gone);
}

TEST_F(AChannel, takes_an_empty_packet_for_the_end) {
    ASSERT_EQ(::send(theirs_.get(), "", 0, 0), 0);
    EXPECT_EQ(receive_packet(ours_.get(), packet_), Received::closed);
}

TEST_F(AChannel, carries_a_large_payload_and_a_device_together) {
    auto frame = make_frame(FrameType::device_added, 3, 0, {{"descriptor", boost::json::object{}}});
    frame.device = theirs_.duplicate();
    frame.json = R"({"filler":")" + std::string(100'000, 'x') + R"("})";
    ASSERT_EQ(send_frame(theirs_.get(), frame), Sent::sent);
    const auto got = receive();
    ASSERT_TRUE(got.has_value()) << got.error().text;
    EXPECT_EQ(got->body.at("filler").as_string().size(), 100'000u);
    EXPECT_TRUE(got->device);
    EXPECT_NE(::fcntl(got->device.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(AChannel, says_when_the_other_side_does_not_read) {
    const auto frame = make_frame(FrameType::ping, 0, 1);
    auto sent = Sent::sent;
    for (int i = 0; i < 100'000 && sent == Sent::sent; ++i) sent = send_frame(ours_.get(), frame);
    EXPECT_EQ(sent, Sent::blocked);
}

}  // namespace
}  // namespace backplane::core::ipc
