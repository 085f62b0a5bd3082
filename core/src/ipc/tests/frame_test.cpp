// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "ipc/frame.hpp"

#include <gmock/gmock.h>

#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "raw_frame.hpp"
#include "util/memory_file.hpp"

namespace backplane::core::ipc {
namespace {

using ::testing::HasSubstr;

std::string problem(const RawFrame& raw, std::vector<Fd> fds = {},
                    Direction direction = Direction::to_core) {
    const auto bytes = raw.bytes();
    const auto frame = decode_frame(bytes, std::move(fds), direction);
    return frame ? std::string{"none"} : frame.error().text;
}

Fd memory_file(std::string_view text) {
    auto file = sealed_memory_file("test", std::as_bytes(std::span{text}));
    EXPECT_TRUE(file.has_value());
    return std::move(*file);
}

std::vector<Fd> one(Fd fd) {
    std::vector<Fd> fds;
    fds.push_back(std::move(fd));
    return fds;
}

TEST(AFrame, is_refused_when_it_is_shorter_than_its_header) {
    const auto bytes = RawFrame{}.bytes();
    for (std::size_t size = 0; size < k_header_bytes; ++size) {
        const auto frame = decode_frame(std::span{bytes}.first(size), {}, Direction::to_core);
        ASSERT_FALSE(frame.has_value());
        EXPECT_THAT(frame.error().text, HasSubstr("a header has 32"));
    }
}

TEST(AFrame, is_refused_when_its_sizes_lie) {
    EXPECT_THAT(problem({.json_bytes = 3}),
                HasSubstr("event: has 17 bytes behind its header, which says 3"));
    EXPECT_THAT(problem({.json_bytes = 0xffff'ffff}),
                HasSubstr("JSON of 4294967295 bytes, at most 2097152"));
    EXPECT_THAT(problem({.payload_bytes = 0xffff'ffff}),
                HasSubstr("a payload of 4294967295 bytes"));
    EXPECT_THAT(problem({.payload_bytes = 1}), HasSubstr("which says 18"));
}

TEST(AFrame, is_refused_when_it_is_of_another_protocol_or_type_or_direction) {
    EXPECT_THAT(problem({.magic = std::string_view{"BPH\x02", 4}}),
                HasSubstr("protocol version 1"));
    EXPECT_THAT(problem({.type = 0}), HasSubstr("unknown type 0"));
    EXPECT_THAT(problem({.type = 255}), HasSubstr("unknown type 255"));
    EXPECT_THAT(problem({.type = static_cast<std::uint8_t>(FrameType::begin)}),
                HasSubstr("begin: not for this side"));
    EXPECT_THAT(problem({}, {}, Direction::to_host), HasSubstr("event: not for this side"));
}

TEST(AFrame, is_refused_when_it_has_what_its_type_does_not_have) {
    const auto pong = static_cast<std::uint8_t>(FrameType::pong);
    EXPECT_THAT(problem({.instance = 0}), HasSubstr("event: without an instance"));
    EXPECT_THAT(problem({.request = 1}), HasSubstr("event: with a request id"));
    EXPECT_THAT(problem({.type = pong, .request = 1}), HasSubstr("pong: with an instance"));
    EXPECT_THAT(problem({.type = pong, .instance = 0}), HasSubstr("pong: without a request id"));
    EXPECT_THAT(problem({.type = pong, .instance = 0, .request = 1, .payload = "x"}),
                HasSubstr("pong: with a payload"));
    EXPECT_THAT(problem({.flags = 4}), HasSubstr("unknown flags"));
    EXPECT_THAT(problem({.zero = 1}), HasSubstr("unknown flags"));
    EXPECT_THAT(problem({.flags = 2}), HasSubstr("event: with a device"));
}

TEST(AFrame, may_have_a_state_where_one_is_handed_over_and_nowhere_else) {
    const auto raw = [](FrameType type, std::string_view payload) {
        return RawFrame{.type = static_cast<std::uint8_t>(type), .payload = payload};
    };
    for (const FrameType type : {FrameType::probe, FrameType::start})
        EXPECT_EQ(problem(raw(type, "state"), {}, Direction::to_host), "none");
    EXPECT_EQ(problem(raw(FrameType::quiesced, "state")), "none");
    EXPECT_THAT(problem(raw(FrameType::quiesced, "state"), {}, Direction::to_host),
                HasSubstr("quiesced: not for this side"));
    for (const FrameType type : {FrameType::quiesce, FrameType::resume}) {
        EXPECT_EQ(problem(raw(type, ""), {}, Direction::to_host), "none");
        EXPECT_THAT(problem(raw(type, "state"), {}, Direction::to_host),
                    HasSubstr(std::string{to_string(type)} + ": with a payload"));
    }
}

TEST(AFrame, is_refused_with_descriptors_that_it_does_not_announce_and_closes_them) {
    Fd file = memory_file("x");
    const int number = file.get();
    EXPECT_THAT(problem({}, one(std::move(file))),
                HasSubstr("came with 1 file descriptors instead of 0"));
    EXPECT_EQ(::fcntl(number, F_GETFD), -1);
    EXPECT_THAT(problem({.flags = 1, .json_bytes = 2, .json = ""}),
                HasSubstr("came with 0 file descriptors instead of 1"));
}

TEST(AFrame, is_refused_when_its_json_is_none_or_no_object_or_too_deep) {
    EXPECT_THAT(problem({.json = "{\"a\":"}), HasSubstr("event: not JSON"));
    EXPECT_THAT(problem({.json = "{\"a\":\"\xff\"}"}), HasSubstr("event: not JSON"));
    EXPECT_THAT(problem({.json = "[1]"}), HasSubstr("event: its JSON is not an object"));
    const std::string deep = "{\"a\":" + std::string(40, '[') + std::string(40, ']') + "}";
    EXPECT_THAT(problem({.json = deep}), HasSubstr("event: not JSON"));
}

TEST(AFrame, is_refused_when_its_memory_file_can_still_be_changed) {
    const Fd file{::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    ASSERT_EQ(::write(file.get(), "{}", 2), 2);
    EXPECT_THAT(problem({.flags = 1, .json_bytes = 2, .json = ""}, one(file.duplicate())),
                HasSubstr("not in a sealed memory file"));
    ASSERT_EQ(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    EXPECT_THAT(problem({.flags = 1, .json_bytes = 2, .json = ""}, one(file.duplicate())),
                HasSubstr("not in a sealed memory file"));
}

TEST(AFrame, is_refused_when_its_memory_file_is_of_another_size_or_not_one) {
    EXPECT_THAT(problem({.flags = 1, .json_bytes = 3, .json = ""}, one(memory_file("{}"))),
                HasSubstr("another size than its header says"));
    EXPECT_THAT(problem({.flags = 1, .json_bytes = 1 << 20, .payload_bytes = 1 << 20, .json = ""},
                        one(memory_file("{}"))),
                HasSubstr("another size than its header says"));
    EXPECT_THAT(problem({.flags = 1, .json_bytes = 2}, one(memory_file("{}"))),
                HasSubstr("two bodies"));
    EXPECT_THAT(problem({.flags = 1, .json_bytes = 2, .json = ""},
                        one(Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)})),
                HasSubstr("not in a sealed memory file"));
}

TEST(AFrame, is_read_from_a_packet) {
    const auto bytes = RawFrame{.payload = "raw"}.bytes();
    const auto frame = decode_frame(bytes, {}, Direction::to_core);
    ASSERT_TRUE(frame.has_value()) << frame.error().text;
    EXPECT_EQ(frame->type, FrameType::event);
    EXPECT_EQ(frame->instance, 7u);
    EXPECT_EQ(frame->body.at("kind").as_string(), "weight");
    EXPECT_EQ(frame->payload, (std::vector<std::uint8_t>{'r', 'a', 'w'}));
    EXPECT_EQ(frame->bytes, bytes.size());
}

TEST(AFrame, is_read_from_a_memory_file) {
    const auto bytes =
        RawFrame{.flags = 1, .json_bytes = 7, .payload_bytes = 3, .json = ""}.bytes();
    const auto frame = decode_frame(bytes, one(memory_file(R"({"a":1}raw)")), Direction::to_core);
    ASSERT_TRUE(frame.has_value()) << frame.error().text;
    EXPECT_EQ(frame->body.at("a").as_int64(), 1);
    EXPECT_EQ(frame->payload, (std::vector<std::uint8_t>{'r', 'a', 'w'}));
}

TEST(AFrame, is_encoded_into_a_memory_file_only_when_it_does_not_fit_a_packet) {
    auto small = make_frame(FrameType::event, 1, 0, {{"kind", "k"}});
    small.payload.resize(k_packet_bytes - k_header_bytes - small.json.size());
    auto encoded = encode_frame(small);
    ASSERT_TRUE(encoded.has_value());
    EXPECT_FALSE(encoded->body);
    small.payload.push_back(0);
    encoded = encode_frame(small);
    ASSERT_TRUE(encoded.has_value());
    EXPECT_TRUE(encoded->body);
}

TEST(AFrame, is_not_encoded_when_the_other_side_would_refuse_its_size) {
    auto frame = make_frame(FrameType::event, 1, 0, {{"kind", "k"}});
    frame.payload.resize(k_payload_bytes + 1);
    const auto encoded = encode_frame(frame);
    ASSERT_FALSE(encoded.has_value());
    EXPECT_THAT(encoded.error().text, HasSubstr("too much for one frame"));
}

}  // namespace
}  // namespace backplane::core::ipc
