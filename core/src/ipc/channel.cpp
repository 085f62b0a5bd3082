// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "ipc/channel.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/uio.h>

namespace backplane::core::ipc {
namespace {

// More descriptors than any frame may have, so that too many are seen as such and not cut off
// silently.
constexpr std::size_t k_received_fds = k_frame_fds + 2;

void take_fds(const msghdr& message, std::vector<Fd>& out) {
    // CMSG_NXTHDR of glibc takes a non-const header but does not change it.
    auto* writable = const_cast<msghdr*>(&message);
    for (cmsghdr* part = CMSG_FIRSTHDR(writable); part != nullptr;
         part = CMSG_NXTHDR(writable, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            out.emplace_back(fd);
        }
    }
}

}  // namespace

Result<std::pair<Fd, Fd>> make_socket_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
        return failure("ipc.socketpair",
                       std::string{"cannot create a socket pair: "} + std::strerror(errno));
    }
    std::pair<Fd, Fd> pair{Fd{ends[0]}, Fd{ends[1]}};
    // A packet must fit whatever the system's default is; the kernel doubles the number and caps
    // it.
    const int bytes = static_cast<int>(4 * k_packet_bytes);
    (void)::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    (void)::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    return pair;
}

Received receive_packet(int socket, Packet& packet) {
    packet.bytes = {};
    packet.fds.clear();
    packet.problem.clear();
    iovec part{packet.buffer.data(), packet.buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(k_received_fds * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = -1;
    do {
        got = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) return Received::nothing;
        if (errno == ECONNRESET || errno == EPIPE || errno == ENOTCONN) return Received::closed;
        packet.problem = std::string{"receiving failed: "} + std::strerror(errno);
        return Received::broken;
    }
    take_fds(message, packet.fds);
    if ((message.msg_flags & MSG_CTRUNC) != 0) {
        packet.fds.clear();
        packet.problem = "more file descriptors than any frame may have";
        return Received::broken;
    }
    if ((message.msg_flags & MSG_TRUNC) != 0) {
        packet.fds.clear();
        packet.problem = "longer than " + std::to_string(k_packet_bytes) + " bytes";
        return Received::broken;
    }
    // An empty packet looks like the end of the connection, and nobody has a reason to send one.
    if (got == 0) {
        packet.fds.clear();
        return Received::closed;
    }
    packet.bytes = std::span<const std::byte>{packet.buffer}.first(static_cast<std::size_t>(got));
    return Received::packet;
}

Sent send_frame(int socket, const OutgoingFrame& frame) {
    auto encoded = encode_frame(frame);
    if (!encoded) {
        // A memory file could not be made: too many descriptors or no memory, both of which pass.
        // Too large does not.
        return encoded.error().code == "frame.too_large" ? Sent::failed : Sent::starved;
    }
    std::array<iovec, 3> parts{};
    std::size_t count = 0;
    parts[count++] = {encoded->head.data(), encoded->head.size()};
    if (!encoded->body) {
        if (!frame.json.empty())
            parts[count++] = {const_cast<char*>(frame.json.data()), frame.json.size()};
        if (!frame.payload.empty()) {
            parts[count++] = {const_cast<std::uint8_t*>(frame.payload.data()),
                              frame.payload.size()};
        }
    }
    std::array<int, k_frame_fds> fds{};
    std::size_t fd_count = 0;
    if (encoded->body) fds[fd_count++] = encoded->body.get();
    if (frame.device) fds[fd_count++] = frame.device.get();

    alignas(cmsghdr) std::array<char, CMSG_SPACE(k_frame_fds * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    if (fd_count != 0) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        std::memcpy(CMSG_DATA(header), fds.data(), fd_count * sizeof(int));
    }
    ssize_t sent = -1;
    do {
        sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) return Sent::sent;
    switch (errno) {
        case EAGAIN:
            return Sent::blocked;
        // ETOOMANYREFS: so many descriptors of this user are under way that the kernel wants them
        // read first.
        case ETOOMANYREFS:
        case ENOBUFS:
        case ENOMEM:
            return Sent::starved;
        case EPIPE:
        case ECONNRESET:
        case ENOTCONN:
            return Sent::gone;
        default:
            return Sent::failed;
    }
}

}  // namespace backplane::core::ipc
