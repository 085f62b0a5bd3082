// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/listen_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class AListenSocket : public testing::Test {
protected:
    backplane::tests::TemporaryFolder folder_;
};

TEST_F(AListenSocket, says_which_port_is_in_use_and_what_helps) {
    const auto first = listen_on_tcp("127.0.0.1", 0);
    ASSERT_TRUE(first);
    const auto second = listen_on_tcp("127.0.0.1", first->port);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, "http.port_in_use");
    EXPECT_THAT(second.error().text,
                AllOf(HasSubstr("127.0.0.1 port " + std::to_string(first->port)),
                      HasSubstr("another program uses this port"), HasSubstr("--http-port")));
}

TEST_F(AListenSocket, refuses_what_is_not_an_address) {
    for (const char* address : {"", "localhost", "1.2.3", "::1::", "1.2.3.4:80"}) {
        const auto socket = listen_on_tcp(address, 0);
        ASSERT_FALSE(socket) << address;
        EXPECT_EQ(socket.error().code, "http.bad_address");
        EXPECT_THAT(socket.error().text,
                    AllOf(HasSubstr(std::string{"\""} + address + "\""), HasSubstr("0.0.0.0")));
    }
}

TEST_F(AListenSocket, says_when_the_machine_does_not_have_the_address) {
    const auto socket = listen_on_tcp("192.0.2.1", 0);
    ASSERT_FALSE(socket);
    EXPECT_EQ(socket.error().code, "http.address_unavailable");
    EXPECT_THAT(socket.error().text, AllOf(HasSubstr("192.0.2.1"), HasSubstr("http.address")));
}

TEST_F(AListenSocket, takes_the_same_port_for_all_ipv4_and_for_all_ipv6_addresses) {
    const auto v4 = listen_on_tcp("0.0.0.0", 0);
    ASSERT_TRUE(v4);
    const auto v6 = listen_on_tcp("::", v4->port);
    ASSERT_TRUE(v6) << v6.error().text;
    EXPECT_EQ(v6->port, v4->port);
    EXPECT_NE(::fcntl(v6->fd.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(AListenSocket, leaves_a_file_of_another_kind_alone) {
    const auto path = (folder_ / "data").string();
    std::ofstream{path} << "precious";
    const auto socket = listen_on_unix(path);
    ASSERT_FALSE(socket);
    EXPECT_EQ(socket.error().code, "http.bad_path");
    EXPECT_TRUE(std::filesystem::is_regular_file(path));
}

TEST_F(AListenSocket, leaves_the_socket_of_a_running_program_alone) {
    const auto path = (folder_ / "control").string();
    const auto first = listen_on_unix(path);
    ASSERT_TRUE(first);
    const auto second = listen_on_unix(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, "http.socket_in_use");
    EXPECT_THAT(second.error().text, AllOf(HasSubstr(path), HasSubstr("second backplaned")));
    EXPECT_TRUE(std::filesystem::is_socket(path));
}

TEST_F(AListenSocket, replaces_the_socket_file_of_a_program_that_has_crashed) {
    const auto path = (folder_ / "control").string();
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        const Fd dead{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
                  0);
    }
    ASSERT_TRUE(std::filesystem::is_socket(path));
    const auto socket = listen_on_unix(path);
    ASSERT_TRUE(socket) << socket.error().text;
    struct stat made {};
    ASSERT_EQ(::stat(path.c_str(), &made), 0);
    EXPECT_EQ(made.st_mode & 07777, 0660u);
}

TEST_F(AListenSocket, removes_its_file_at_the_end_but_not_that_of_a_successor) {
    const auto path = (folder_ / "control").string();
    auto first = listen_on_unix(path);
    ASSERT_TRUE(first);
    std::filesystem::rename(path, folder_ / "moved");
    {
        const auto successor = listen_on_unix(path);
        ASSERT_TRUE(successor);
        first->file.remove();
        EXPECT_TRUE(std::filesystem::exists(path));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(AListenSocket, says_when_the_path_is_too_long_or_its_folder_is_missing) {
    const auto long_path = listen_on_unix((folder_ / std::string(120, 'x')).string());
    ASSERT_FALSE(long_path);
    EXPECT_THAT(long_path.error().text, HasSubstr("107 characters"));
    const auto nowhere = listen_on_unix((folder_ / "no" / "control").string());
    ASSERT_FALSE(nowhere);
    EXPECT_THAT(nowhere.error().text, HasSubstr("check that its folder exists"));
}

TEST_F(AListenSocket, is_not_made_of_a_descriptor_that_does_not_listen) {
    const Fd file{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    const Fd idle{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    for (const int fd : {-1, file.get(), idle.get()}) {
        const auto socket = adopt_listening(fd);
        ASSERT_FALSE(socket) << fd;
        EXPECT_EQ(socket.error().code, "http.bad_fd");
        EXPECT_THAT(socket.error().text, HasSubstr("socket unit"));
    }
    EXPECT_NE(::fcntl(idle.get(), F_GETFD), -1)
        << "a refused descriptor still belongs to the caller";
}

TEST_F(AListenSocket, can_be_inherited) {
    auto made = listen_on_tcp("127.0.0.1", 0);
    ASSERT_TRUE(made);
    const int fd = made->fd.release();
    const auto adopted = adopt_listening(fd);
    ASSERT_TRUE(adopted) << adopted.error().text;
    EXPECT_EQ(adopted->fd.get(), fd);
    EXPECT_EQ(adopted->port, made->port);
}

}  // namespace
}  // namespace backplane::core
