// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "ipc/frame.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/memory_file.hpp"

namespace backplane::core::ipc {
namespace json = boost::json;
namespace {

struct WireHeader {
    std::array<char, 4> magic;
    std::uint8_t type;
    std::uint8_t flags;
    std::uint16_t zero;
    std::uint32_t json_bytes;
    std::uint32_t payload_bytes;
    std::uint64_t instance;
    std::uint64_t request;
};
static_assert(sizeof(WireHeader) == k_header_bytes);

constexpr std::array<char, 4> k_magic{'B', 'P', 'H', 1};
constexpr std::uint8_t k_flag_memory_file = 1;
constexpr std::uint8_t k_flag_device = 2;

enum class Member : std::uint8_t { none, optional, required };

/// What a frame of one type may consist of: the tables of the reference page.
struct Rule {
    FrameType type;
    std::string_view name;
    Direction direction;
    Member instance = Member::none;
    bool request = false;
    bool payload = false;
    bool device = false;
};

constexpr std::array k_rules{
    Rule{FrameType::probe, "probe", Direction::to_host, Member::required, false, true, true},
    Rule{FrameType::start, "start", Direction::to_host, Member::required, false, true, true},
    Rule{FrameType::start_probed, "start_probed", Direction::to_host, Member::required},
    Rule{FrameType::stop, "stop", Direction::to_host, Member::required},
    Rule{FrameType::begin, "begin", Direction::to_host, Member::required, true, true},
    Rule{FrameType::cancel, "cancel", Direction::to_host, Member::required, true},
    Rule{FrameType::set_log_level, "set_log_level", Direction::to_host},
    Rule{FrameType::ping, "ping", Direction::to_host, Member::none, true},
    Rule{FrameType::shut_down, "shut_down", Direction::to_host},
    Rule{FrameType::quiesce, "quiesce", Direction::to_host, Member::required},
    Rule{FrameType::resume, "resume", Direction::to_host, Member::required},
    Rule{FrameType::hello, "hello", Direction::to_core},
    Rule{FrameType::load_failed, "load_failed", Direction::to_core},
    Rule{FrameType::probed, "probed", Direction::to_core, Member::required},
    Rule{FrameType::started, "started", Direction::to_core, Member::required},
    Rule{FrameType::stopped, "stopped", Direction::to_core, Member::required},
    Rule{FrameType::device_report, "device_report", Direction::to_core, Member::required},
    Rule{FrameType::device_described, "device_described", Direction::to_core, Member::required},
    Rule{FrameType::event, "event", Direction::to_core, Member::required, false, true},
    Rule{FrameType::action_ended, "action_ended", Direction::to_core, Member::required, true},
    Rule{FrameType::device_added, "device_added", Direction::to_core, Member::required, false,
         false, true},
    Rule{FrameType::device_removed, "device_removed", Direction::to_core, Member::required},
    Rule{FrameType::bus_settled, "bus_settled", Direction::to_core, Member::required},
    Rule{FrameType::log, "log", Direction::to_core, Member::optional},
    Rule{FrameType::fault, "fault", Direction::to_core, Member::optional},
    Rule{FrameType::slow_call, "slow_call", Direction::to_core, Member::optional},
    Rule{FrameType::dropped, "dropped", Direction::to_core},
    Rule{FrameType::pong, "pong", Direction::to_core, Member::none, true},
    Rule{FrameType::bye, "bye", Direction::to_core},
    Rule{FrameType::quiesced, "quiesced", Direction::to_core, Member::required, false, true},
};

const Rule* rule_of(std::uint8_t type) noexcept {
    const auto* rule = std::find_if(k_rules.begin(), k_rules.end(), [type](const Rule& r) {
        return static_cast<std::uint8_t>(r.type) == type;
    });
    return rule == k_rules.end() ? nullptr : rule;
}

Unexpected<Error> broken(std::string text) {
    return failure("frame.broken", std::move(text));
}

/// Reads exactly the body out of a memory file that nobody can change under our hands.
Result<void> read_memory_file(const Fd& file, std::span<std::uint8_t> out) {
    constexpr int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    const int seals = ::fcntl(file.get(), F_GET_SEALS);
    if (seals < 0 || (seals & needed) != needed)
        return broken("its body is not in a sealed memory file");
    struct stat info {};
    if (::fstat(file.get(), &info) != 0 || info.st_size < 0 ||
        static_cast<std::uintmax_t>(info.st_size) != out.size()) {
        return broken("its memory file has another size than its header says");
    }
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t got =
            ::pread(file.get(), out.data() + done, out.size() - done, static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return broken("its memory file cannot be read");
        done += static_cast<std::size_t>(got);
    }
    return {};
}

Result<void> check_header(const WireHeader& header, const Rule& rule, std::size_t fds) {
    const auto is = [&](std::string_view text) {
        return broken(std::string{rule.name} + ": " + std::string{text});
    };
    if (header.zero != 0 || (header.flags & ~(k_flag_memory_file | k_flag_device)) != 0) {
        return is("unknown flags");
    }
    if (rule.instance == Member::required && header.instance == 0) return is("without an instance");
    if (rule.instance == Member::none && header.instance != 0) return is("with an instance");
    if (rule.request != (header.request != 0))
        return is(rule.request ? "without a request id" : "with a request id");
    if (header.json_bytes > k_json_bytes) {
        return is("JSON of " + std::to_string(header.json_bytes) + " bytes, at most " +
                  std::to_string(k_json_bytes) + " are allowed");
    }
    if (!rule.payload && header.payload_bytes != 0) return is("with a payload");
    if (header.payload_bytes > k_payload_bytes) {
        return is("a payload of " + std::to_string(header.payload_bytes) + " bytes, at most " +
                  std::to_string(k_payload_bytes) + " are allowed");
    }
    if (!rule.device && (header.flags & k_flag_device) != 0) return is("with a device");
    const std::size_t expected = ((header.flags & k_flag_memory_file) != 0 ? 1u : 0u) +
                                 ((header.flags & k_flag_device) != 0 ? 1u : 0u);
    if (fds != expected) {
        return is("came with " + std::to_string(fds) + " file descriptors instead of " +
                  std::to_string(expected));
    }
    return {};
}

}  // namespace

std::string_view to_string(FrameType type) noexcept {
    const Rule* rule = rule_of(static_cast<std::uint8_t>(type));
    return rule == nullptr ? std::string_view{"unknown"} : rule->name;
}

Result<Frame> decode_frame(std::span<const std::byte> packet, std::vector<Fd> fds,
                           Direction direction) {
    if (packet.size() < k_header_bytes) {
        return broken("only " + std::to_string(packet.size()) + " bytes, a header has " +
                      std::to_string(k_header_bytes));
    }
    if (packet.size() > k_packet_bytes)
        return broken("longer than " + std::to_string(k_packet_bytes) + " bytes");
    WireHeader header{};
    std::memcpy(&header, packet.data(), sizeof(header));
    if (header.magic != k_magic)
        return broken("it does not begin like a frame of protocol version 1");
    const Rule* rule = rule_of(header.type);
    if (rule == nullptr) return broken("unknown type " + std::to_string(header.type));
    if (rule->direction != direction)
        return broken(std::string{rule->name} + ": not for this side to send");
    if (auto checked = check_header(header, *rule, fds.size()); !checked) {
        return Unexpected<Error>{checked.error()};
    }

    Frame frame;
    frame.type = rule->type;
    frame.instance = header.instance;
    frame.request = header.request;
    const std::size_t json_bytes = header.json_bytes;
    const std::size_t payload_bytes = header.payload_bytes;
    frame.bytes = k_header_bytes + json_bytes + payload_bytes;

    std::span<const std::byte> inline_body = packet.subspan(k_header_bytes);
    std::vector<std::uint8_t> from_file;
    std::string_view json_text;
    if ((header.flags & k_flag_memory_file) != 0) {
        if (!inline_body.empty()) return broken(std::string{rule->name} + ": two bodies");
        from_file.resize(json_bytes + payload_bytes);
        if (auto read = read_memory_file(fds.front(), from_file); !read) {
            return broken(std::string{rule->name} + ": " + read.error().text);
        }
        json_text = {reinterpret_cast<const char*>(from_file.data()), json_bytes};
    } else {
        if (inline_body.size() != json_bytes + payload_bytes) {
            return broken(std::string{rule->name} + ": has " + std::to_string(inline_body.size()) +
                          " bytes behind its header, which says " +
                          std::to_string(json_bytes + payload_bytes));
        }
        json_text = {reinterpret_cast<const char*>(inline_body.data()), json_bytes};
        const auto* payload =
            reinterpret_cast<const std::uint8_t*>(inline_body.data()) + json_bytes;
        frame.payload.assign(payload, payload + payload_bytes);
    }
    if (!json_text.empty()) {
        json::parse_options options;
        options.max_depth = k_json_depth;
        json::error_code error;
        json::value value = json::parse(json_text, error, {}, options);
        if (error) return broken(std::string{rule->name} + ": not JSON: " + error.message());
        if (!value.is_object())
            return broken(std::string{rule->name} + ": its JSON is not an object");
        frame.body = std::move(value.get_object());
    }
    if (!from_file.empty()) {
        from_file.erase(from_file.begin(),
                        from_file.begin() + static_cast<std::ptrdiff_t>(json_bytes));
        frame.payload = std::move(from_file);
    }
    if ((header.flags & k_flag_device) != 0) frame.device = std::move(fds.back());
    return frame;
}

OutgoingFrame make_frame(FrameType type, std::uint64_t instance, std::uint64_t request) {
    OutgoingFrame frame;
    frame.type = type;
    frame.instance = instance;
    frame.request = request;
    return frame;
}

OutgoingFrame make_frame(FrameType type, std::uint64_t instance, std::uint64_t request,
                         const json::object& body) {
    OutgoingFrame frame = make_frame(type, instance, request);
    frame.json = json::serialize(body);
    return frame;
}

Result<EncodedFrame> encode_frame(const OutgoingFrame& frame) {
    if (frame.json.size() > k_json_bytes || frame.payload.size() > k_payload_bytes) {
        return failure("frame.too_large", "cannot send " + std::string{to_string(frame.type)} +
                                              ": " + std::to_string(frame.bytes()) +
                                              " bytes are too much for one frame");
    }
    EncodedFrame out;
    WireHeader header{};
    header.magic = k_magic;
    header.type = static_cast<std::uint8_t>(frame.type);
    header.json_bytes = static_cast<std::uint32_t>(frame.json.size());
    header.payload_bytes = static_cast<std::uint32_t>(frame.payload.size());
    header.instance = frame.instance;
    header.request = frame.request;
    if (frame.device) header.flags |= k_flag_device;
    if (frame.bytes() > k_packet_bytes) {
        header.flags |= k_flag_memory_file;
        auto body = sealed_memory_file_of("backplane-frame",
                                          std::array{std::as_bytes(std::span{frame.json}),
                                                     std::as_bytes(std::span{frame.payload})});
        if (!body) return Unexpected<Error>{body.error()};
        out.body = std::move(*body);
    }
    out.head.resize(sizeof(header));
    std::memcpy(out.head.data(), &header, sizeof(header));
    return out;
}

}  // namespace backplane::core::ipc
