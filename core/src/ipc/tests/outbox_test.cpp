// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "ipc/outbox.hpp"

#include <gmock/gmock.h>

namespace backplane::core::ipc {
namespace {

using Outcome = Outbox::Outcome;

class AnOutbox : public ::testing::Test {
protected:
    AnOutbox() {
        auto pair = make_socket_pair();
        EXPECT_TRUE(pair.has_value());
        ours_ = std::move(pair->first);
        theirs_ = std::move(pair->second);
    }
    static OutgoingFrame event(std::uint64_t number, std::size_t bytes = 1000) {
        auto frame = make_frame(FrameType::event, number, 0, {{"kind", "k"}});
        frame.payload.resize(bytes);
        return frame;
    }
    /// Until the socket takes no more.
    std::uint64_t fill(Outbox& outbox) {
        std::uint64_t number = 1;
        while (outbox.push(event(number), Importance::needed) == Outcome::sent) ++number;
        return number;
    }
    std::vector<std::uint64_t> read_all() {
        std::vector<std::uint64_t> numbers;
        Packet packet;
        while (receive_packet(theirs_.get(), packet) == Received::packet) {
            auto frame = decode_frame(packet.bytes, std::move(packet.fds), Direction::to_core);
            EXPECT_TRUE(frame.has_value());
            numbers.push_back(frame->type == FrameType::pong ? 0 : frame->instance);
        }
        return numbers;
    }

    Fd ours_, theirs_;
};

TEST_F(AnOutbox, drops_what_may_be_dropped_before_it_refuses_what_is_needed) {
    Outbox outbox{ours_.get(), {.droppable_bytes = 4'000, .droppable_frames = 100, .bytes = 8'000}};
    fill(outbox);
    std::size_t droppable = 0, needed = 0;
    while (outbox.push(event(1), Importance::droppable) != Outcome::full) ++droppable;
    while (outbox.push(event(1), Importance::needed) != Outcome::full) ++needed;
    EXPECT_EQ(droppable, 2u);
    EXPECT_EQ(needed, 4u);
    EXPECT_LE(outbox.waiting_bytes(), 8'000u);
}

TEST_F(AnOutbox, bounds_the_number_of_small_frames) {
    Outbox outbox{ours_.get(),
                  {.droppable_bytes = 1u << 30, .droppable_frames = 5, .bytes = 1u << 30}};
    fill(outbox);
    std::size_t taken = 1;
    while (outbox.push(event(1, 0), Importance::droppable) != Outcome::full) ++taken;
    EXPECT_EQ(taken, 5u);
}

TEST_F(AnOutbox, keeps_the_order_and_lets_the_urgent_overtake) {
    Outbox outbox{ours_.get(), {}};
    const auto last_of_socket = fill(outbox) - 1;
    ASSERT_EQ(outbox.push(event(1'000'001), Importance::needed), Outcome::waiting);
    ASSERT_EQ(outbox.push(make_frame(FrameType::pong, 0, 1), Importance::urgent), Outcome::waiting);
    std::vector<std::uint64_t> got = read_all();
    for (int i = 0; i < 100 && outbox.flush() != Outcome::sent; ++i) {
        const auto more = read_all();
        got.insert(got.end(), more.begin(), more.end());
    }
    const auto more = read_all();
    got.insert(got.end(), more.begin(), more.end());
    ASSERT_EQ(got.size(), last_of_socket + 3);
    EXPECT_EQ(got[last_of_socket], 0u);
    EXPECT_EQ(got[last_of_socket + 1], last_of_socket + 1);
    EXPECT_EQ(got[last_of_socket + 2], 1'000'001u);
    EXPECT_EQ(outbox.waiting_bytes(), 0u);
}

TEST_F(AnOutbox, forgets_what_waits_when_the_other_end_has_gone) {
    Outbox outbox{ours_.get(), {}};
    fill(outbox);
    theirs_.reset();
    EXPECT_EQ(outbox.flush(), Outcome::gone);
    EXPECT_EQ(outbox.waiting_bytes(), 0u);
    EXPECT_EQ(outbox.push(event(1), Importance::needed), Outcome::gone);
}

}  // namespace
}  // namespace backplane::core::ipc
