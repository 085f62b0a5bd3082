// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One frame of the host protocol (docs/reference/host-protocol.md): what it may be, how it is
// written and checked.
//
// The decoder is the gate behind which bytes of a plug-in's process are believed to be well-formed.
// It is fuzzed (ipc/fuzz). It allocates only after it has checked a size, and it closes every
// descriptor that it does not hand out.
#pragma once

#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/fd.hpp"
#include "backplane/core/result.hpp"

namespace backplane::core::ipc {

inline constexpr std::size_t k_header_bytes = 32;
inline constexpr std::size_t k_packet_bytes = std::size_t{64} << 10;
inline constexpr std::size_t k_json_bytes = std::size_t{2} << 20;
inline constexpr std::size_t k_payload_bytes = std::size_t{32} << 20;
inline constexpr std::size_t k_frame_fds = 2;
inline constexpr unsigned k_json_depth = 34;
/// JSON that a plug-in hands over; two levels less, because it is wrapped before it is sent.
inline constexpr unsigned k_plugin_json_depth = k_json_depth - 2;

inline constexpr std::size_t k_text_bytes = 4096;
inline constexpr std::size_t k_object_bytes = std::size_t{32} << 10;
/// What an instance leaves to its successor.
inline constexpr std::size_t k_state_bytes = std::size_t{1} << 20;
inline constexpr std::size_t k_result_bytes = std::size_t{1} << 20;
inline constexpr std::size_t k_kind_bytes = 128;
inline constexpr std::size_t k_key_bytes = 1024;
inline constexpr std::size_t k_code_bytes = 64;

/// The numbers are the protocol.
enum class FrameType : std::uint8_t {
    probe = 1,
    start = 2,
    start_probed = 3,
    stop = 4,
    begin = 5,
    cancel = 6,
    set_log_level = 7,
    ping = 8,
    shut_down = 9,
    quiesce = 10,
    resume = 11,

    hello = 64,
    load_failed = 65,
    probed = 66,
    started = 67,
    stopped = 68,
    device_report = 69,
    device_described = 70,
    event = 71,
    action_ended = 72,
    device_added = 73,
    device_removed = 74,
    bus_settled = 75,
    log = 76,
    fault = 77,
    slow_call = 78,
    dropped = 79,
    pong = 80,
    bye = 81,
    quiesced = 82,
};
std::string_view to_string(FrameType type) noexcept;

enum class Direction : std::uint8_t { to_host, to_core };

/// A frame as it was received, its form checked. Its meaning is not: see JsonFields.
struct Frame {
    FrameType type{};
    std::uint64_t instance = 0;
    std::uint64_t request = 0;
    boost::json::object body;
    std::vector<std::uint8_t> payload;
    Fd device;
    std::size_t bytes = 0;  ///< header, JSON and payload together
};

/// `fds` came with the packet. The error text says what is wrong with the frame, to be put behind
/// "sent a broken frame: ".
Result<Frame> decode_frame(std::span<const std::byte> packet, std::vector<Fd> fds,
                           Direction direction);

/// A frame that is still to be sent. It stays in this form, so that a waiting payload costs memory
/// but no descriptor.
struct OutgoingFrame {
    FrameType type{};
    std::uint64_t instance = 0;
    std::uint64_t request = 0;
    std::string json;  ///< one object, or empty
    std::vector<std::uint8_t> payload;
    Fd device;

    std::size_t bytes() const noexcept { return k_header_bytes + json.size() + payload.size(); }
};

OutgoingFrame make_frame(FrameType type, std::uint64_t instance = 0, std::uint64_t request = 0);
OutgoingFrame make_frame(FrameType type, std::uint64_t instance, std::uint64_t request,
                         const boost::json::object& body);

/// The packet and the descriptors for it: `body` is the memory file, if the body is in one.
struct EncodedFrame {
    std::vector<std::byte>
        head;  ///< the header; behind it lie the JSON and the payload, unless `body` is set
    Fd body;
};
Result<EncodedFrame> encode_frame(const OutgoingFrame& frame);

}  // namespace backplane::core::ipc
