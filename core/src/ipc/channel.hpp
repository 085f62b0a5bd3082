// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Frames over a SOCK_SEQPACKET socket: one packet in, one packet out, without ever waiting.
//
// Asio 1.81 has no class for such sockets; who uses this waits with
// posix::stream_descriptor::async_wait().
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backplane/core/fd.hpp"
#include "backplane/core/result.hpp"
#include "ipc/frame.hpp"

namespace backplane::core::ipc {

/// Two connected ends, non-blocking and close-on-exec.
Result<std::pair<Fd, Fd>> make_socket_pair();

enum class Received {
    packet,
    nothing,  ///< now; wait until the socket can be read
    closed,   ///< the other end has gone
    broken,   ///< what came cannot be a frame; `problem` says why
};

/// Room for one packet, used again and again.
struct Packet {
    std::vector<std::byte> buffer = std::vector<std::byte>(k_packet_bytes);
    std::span<const std::byte> bytes;
    std::vector<Fd> fds;
    std::string problem;
};
Received receive_packet(int socket, Packet& packet);

enum class Sent {
    sent,
    blocked,  ///< the other end does not read fast enough; wait until the socket can be written
    starved,  ///< the system is short of descriptors or memory: try again after a pause
    gone,     ///< the other end has gone
    failed,   ///< this frame cannot be sent at all
};
Sent send_frame(int socket, const OutgoingFrame& frame);

}  // namespace backplane::core::ipc
