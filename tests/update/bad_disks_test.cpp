// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A disk that is full or cannot be written: the drivers go on, the reason is shown, and with the disk the updates come
// back. Each test has a mount namespace of its own, in a child process.
#include <gmock/gmock.h>

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>

#include "update_fixture.hpp"

namespace backplane::tests {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;

void write(const fs::path& file, const std::string& text) {
    std::ofstream(file) << text;
}

/// True in a mount namespace of this process's own. Root needs no user namespace; others are root in theirs.
bool enter_own_mounts() {
    const uid_t user = ::getuid();
    const gid_t group = ::getgid();
    if (user == 0 && ::unshare(CLONE_NEWNS) == 0)
        return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    write("/proc/self/setgroups", "deny");
    write("/proc/self/uid_map", "0 " + std::to_string(user) + " 1\n");
    write("/proc/self/gid_map", "0 " + std::to_string(group) + " 1\n");
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

class ABadDisk : public AnUpdate {
protected:
    ABadDisk() {
        own("box", "swap_bus");
        own("box", "swap_scale");
        maker_.add(build("good", "swap_scale"));
    }
    /// The state folder on a disk of its own, with the trust folder in it.
    void mount_state(unsigned kilobytes) {
        const std::string root = [&] {
            std::ifstream in(folder_ / "state/trust/acme.root.json", std::ios::binary);
            return std::string(std::istreambuf_iterator<char>(in), {});
        }();
        const std::string size = "size=" + std::to_string(kilobytes) + "k";
        ASSERT_EQ(::mount("tmpfs", (folder_ / "state").c_str(), "tmpfs", 0, size.c_str()), 0)
            << std::strerror(errno);
        fs::create_directories(folder_ / "state/trust");
        write(folder_ / "state/trust/acme.root.json", root);
    }
    void make_writable(bool yes) {
        ASSERT_EQ(::mount("tmpfs", (folder_ / "state").c_str(), "tmpfs",
                          yes ? 0ul + MS_REMOUNT : 0ul + MS_REMOUNT + MS_RDONLY, nullptr),
                  0)
            << std::strerror(errno);
    }
    /// The server is a thread, and namespaces are entered by processes with one: so the test itself goes on in a child,
    /// with a server of its own.
    static void in_child(const std::function<void()>& body) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            if (!enter_own_mounts()) ::_exit(77);
            body();
            std::fflush(nullptr);
            ::_exit(testing::Test::HasFailure() ? 1 : 0);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            GTEST_SKIP() << "NOT TESTED: this system allows no mount namespaces here";
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child failed";
    }
};

class ADisk : public testing::Test {};

/// A body that is run with everything of the fixture inside of the child.
struct Child final : ABadDisk {
    void TestBody() override {}
    static void full() {
        Child test;
        test.fill_and_recover();
    }
    static void read_only() {
        Child test;
        test.start_read_only_and_recover();
    }
    static void run(void (*body)()) { in_child(body); }

    void fill_and_recover() {
        mount_state(20480);
        server_.script({Answer::empty()});
        start_box();
        box_->wait_for_state("swap1", "ready");
        wait_for_end_of_update();
        const auto ballast = folder_ / "state/ballast";
        std::ofstream out(ballast, std::ios::binary);
        while (out.write(std::string(4096, 'x').data(), 4096).flush()) {
        }
        out.close();
        deliver();
        const json::object bad = force();
        EXPECT_THAT(std::string(bad.at("code").as_string()), AnyOf("E_SPACE", "store.full"));
        EXPECT_THAT(std::string(bad.at("text").as_string()), HasSubstr("make room"));
        EXPECT_EQ(plugin("swap_scale").at("version").as_string(), "1.0.0");
        EXPECT_TRUE(has_succeeded(box_->action("swap1", {{"action", "read_once"}})));

        fs::remove(ballast);
        const json::object good = force();
        EXPECT_EQ(good.at("result").as_string(), "updated") << json::serialize(good);
        wait_for_version("swap_scale", "1.1.0");
    }

    void start_read_only_and_recover() {
        mount_state(20480);
        make_writable(false);
        deliver();
        start_box();
        box_->wait_for_state("swap1", "ready");
        EXPECT_EQ(plugin("swap_scale").at("version").as_string(), "1.0.0");
        EXPECT_THAT(box_->get("/api/v1/status").body, HasSubstr("updates"));
        wait_for_end_of_update();
        const json::object bad = force();
        EXPECT_THAT(std::string(bad.at("result").as_string()), AnyOf("failed", "rejected"));
        EXPECT_THAT(std::string(bad.at("text").as_string()), HasSubstr("state/updates"));
        EXPECT_TRUE(has_succeeded(box_->action("swap1", {{"action", "read_once"}})));

        make_writable(true);
        const json::object good = force();
        EXPECT_EQ(good.at("result").as_string(), "updated") << json::serialize(good);
        wait_for_version("swap_scale", "1.1.0");
    }
};

TEST_F(ADisk, that_is_full_stops_no_driver_and_the_next_attempt_with_room_works) {
    Child::run(&Child::full);
}

TEST_F(ADisk, that_is_read_only_stops_no_driver_and_updates_come_back_with_it) {
    Child::run(&Child::read_only);
}

}  // namespace
}  // namespace backplane::tests
