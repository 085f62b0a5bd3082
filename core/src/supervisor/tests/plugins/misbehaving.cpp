// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A driver with every bad habit. Which one it shows, and where, stands in its settings: {"do":
// "crash", "in": "start"}.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit.hpp"

namespace {

/// The host's own socket: a plug-in can find it, so the daemon must survive what it writes there.
int host_socket() {
    for (int fd = 3; fd < 64; ++fd) {
        int type = 0;
        socklen_t size = sizeof(type);
        if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
            return fd;
    }
    return -1;
}

class Misbehaving {
public:
    explicit Misbehaving(kit::HostApi host)
        : host_(host), settings_(kit::view(host.settings->get(host.host))) {}

    bp_status created() { return at("create"); }
    bp_status start() { return at("start"); }
    void stop() { at("stop"); }
    bp_status probe() { return at("probe"); }
    void cancel_probe() { at("cancel_probe"); }
    void interrupt() {}
    bp_status begin(const bp_action& action) {
        action_ = action.id;
        return at("begin");
    }
    void cancel(std::uint64_t) {}

private:
    bool wants(std::string_view key, std::string_view value) const {
        return settings_.find("\"" + std::string{key} + "\":\"" + std::string{value} + "\"") !=
               std::string::npos;
    }

    bp_status at(std::string_view place) {
        if (!wants("in", place)) return BP_OK;
        if (wants("do", "crash")) std::raise(SIGSEGV);
        if (wants("do", "crash_after_words")) {
            host_.say("these are my last words");
            std::raise(SIGSEGV);
        }
        if (wants("do", "hang")) {
            for (;;) ::pause();
        }
        if (wants("do", "exit")) ::_exit(0);
        if (wants("do", "throw")) throw std::runtime_error{"this crosses the boundary"};
        if (wants("do", "fail"))
            return host_.fail(BP_E_IO, "the scale sent nonsense: check its settings");
        if (wants("do", "print")) {
            std::printf("printed to stdout\n");
            std::fflush(stdout);
            std::fprintf(stderr, "printed to stderr\n");
        }
        if (wants("do", "complete_twice")) {
            host_.complete(action_, BP_OK, "1");
            host_.complete(action_, BP_OK, "2");
        }
        if (wants("do", "complete_unknown")) {
            host_.complete(action_ + 1000, BP_OK, "1");
            host_.complete(action_, BP_OK, "1");
        }
        if (wants("do", "bad_json")) {
            const auto first = host_.complete(action_, BP_OK, "{nonsense");
            host_.complete(action_, BP_OK, first == BP_E_INVALID ? "\"refused\"" : "\"taken\"");
        }
        if (wants("do", "wrong_thread")) {
            bp_status status = BP_OK;
            std::thread{[&] { status = host_.emit("late", "{}"); }}.join();
            host_.complete(action_, status == BP_E_BAD_STATE ? BP_OK : BP_E_INTERNAL,
                           "\"noticed\"");
        }
        if (wants("do", "leave_behind")) {
            std::uint64_t id = 0;
            host_.timer->start(
                host_.host, 3'600'000'000'000, 0, [](void*, std::uint64_t) {}, nullptr, &id);
            host_.timer->start(
                host_.host, 3'600'000'000'000, 0, [](void*, std::uint64_t) {}, nullptr, &id);
            int ends[2];
            if (::pipe2(ends, O_CLOEXEC) == 0) {
                host_.fd->watch(
                    host_.host, ends[0], BP_FD_READ,
                    [](void*, std::uint64_t, std::int32_t, std::uint32_t) {}, nullptr, &id);
            }
        }
        if (wants("do", "slow")) std::this_thread::sleep_for(std::chrono::milliseconds{80});
        if (wants("do", "flood")) {
            std::uint64_t id = 0;
            host_.timer->start(host_.host, 0, 1'000'000, &Misbehaving::flood, this, &id);
        }
        if (wants("do", "burst")) {
            for (int i = 0; i < 10'000; ++i) host_.emit("noise", "{}");
            host_.complete(action_, BP_OK, "null");
            // Says so on the device, because nobody reads the socket.
            (void)!::write(host_.device->fd(host_.host), "x", 1);
        }
        if (wants("do", "log_flood")) {
            for (int i = 0; i < 3000; ++i) host_.say("and another line");
        }
        if (wants("do", "garbage"))
            (void)::send(host_socket(), "this is not a frame, not even nearly", 36, 0);
        if (wants("do", "close_socket")) ::shutdown(host_socket(), SHUT_RDWR);
        if (wants("do", "fds")) send_descriptors();
        if (wants("do", "orphan")) orphan();
        if (wants("do", "hard_work")) {
            host_.worker->submit(
                host_.host,
                [](void*) {
                    for (;;) ::pause();
                },
                [](void*) {}, nullptr);
        }
        if (wants("do", "early_event")) host_.emit("early", "{}");
        return BP_OK;
    }

    static void flood(void* user, std::uint64_t) {
        const auto& self = *static_cast<Misbehaving*>(user);
        for (int i = 0; i < 500; ++i) self.host_.emit("noise", "{}");
    }

    /// Eight descriptors where none belongs.
    static void send_descriptors() {
        char byte = 'x';
        iovec part{&byte, 1};
        alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))]{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(8 * sizeof(int));
        const std::vector<int> fds(8, 0);
        std::memcpy(CMSG_DATA(header), fds.data(), 8 * sizeof(int));
        (void)::sendmsg(host_socket(), &message, 0);
    }

    /// A grandchild in a session of its own, which says its number and would live for ever.
    void orphan() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return;
        if (::fork() == 0) {
            if (::fork() == 0) {
                ::setsid();
                const pid_t self = ::getpid();
                (void)!::write(ends[1], &self, sizeof(self));
                for (;;) ::pause();
            }
            ::_exit(0);
        }
        pid_t grandchild = 0;
        (void)!::read(ends[0], &grandchild, sizeof(grandchild));
        host_.emit("orphan", R"({"pid":)" + std::to_string(grandchild) + "}");
    }

    kit::HostApi host_;
    std::string settings_;
    std::uint64_t action_ = 0;
};

}  // namespace

KIT_PLUGIN(Misbehaving);
