// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Timers, watches and workers of the host, in the process of the test.
#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <functional>

#include <fcntl.h>
#include <unistd.h>

#include "ipc/channel.hpp"
#include "timers.hpp"
#include "watches.hpp"
#include "workers.hpp"

namespace backplane::core::host {
namespace {

constexpr std::uint64_t k_hour_ns = 3'600'000'000'000;

class HostExtensions : public ::testing::Test {
protected:
    HostExtensions()
        : sockets_(std::move(*ipc::make_socket_pair())),
          link_(loop_, sockets_.first.release()),
          context_{.loop = loop_,
                   .link = link_,
                   .status = std::move(*ipc::StatusWriter::map(*ipc::make_status_file())),
                   .plugin_name = "test",
                   .plugin_id = "test"} {}

    bool wait(const std::function<bool()>& condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        while (!condition()) {
            if (std::chrono::steady_clock::now() >= deadline) return false;
            if (loop_.stopped()) loop_.restart();
            loop_.run_one_for(std::chrono::milliseconds{20});
        }
        return true;
    }

    boost::asio::io_context loop_{1};
    std::pair<Fd, Fd> sockets_;
    Link link_;
    Context context_;
};

class TimersOfAnInstance : public HostExtensions {
protected:
    std::shared_ptr<Timers> timers_ = std::make_shared<Timers>(context_, 1);
};

TEST_F(TimersOfAnInstance, may_be_cancelled_by_their_own_call) {
    struct State {
        Timers* timers;
        int calls = 0;
    } state{timers_.get()};
    std::uint64_t id = 0;
    ASSERT_EQ(timers_->start(
                  0, 1'000'000,
                  [](void* user, std::uint64_t timer) {
                      auto& s = *static_cast<State*>(user);
                      if (++s.calls == 3) s.timers->cancel(timer);
                  },
                  &state, &id),
              BP_OK);
    ASSERT_TRUE(wait([&] { return state.calls == 3; }));
    EXPECT_EQ(timers_->cancel(id), BP_E_INVALID);
    EXPECT_EQ(timers_->clear(), 0u);
}

TEST_F(TimersOfAnInstance, are_bounded_and_their_numbers_never_come_back) {
    const auto nothing = [](void*, std::uint64_t) {};
    std::uint64_t first = 0;
    std::uint64_t id = 0;
    ASSERT_EQ(timers_->start(k_hour_ns, 0, nothing, nullptr, &first), BP_OK);
    for (int i = 1; i < 64; ++i)
        ASSERT_EQ(timers_->start(k_hour_ns, 0, nothing, nullptr, &id), BP_OK);
    EXPECT_EQ(timers_->start(k_hour_ns, 0, nothing, nullptr, &id), BP_E_NO_SPACE);
    EXPECT_EQ(timers_->cancel(first), BP_OK);
    ASSERT_EQ(timers_->start(k_hour_ns, 0, nothing, nullptr, &id), BP_OK);
    EXPECT_GT(id, first + 63);
    EXPECT_EQ(timers_->clear(), 64u);
}

TEST_F(TimersOfAnInstance, refuse_what_cannot_be) {
    const auto nothing = [](void*, std::uint64_t) {};
    std::uint64_t id = 0;
    EXPECT_EQ(timers_->start(1, 0, nullptr, nullptr, &id), BP_E_INVALID);
    EXPECT_EQ(timers_->start(1, 0, nothing, nullptr, nullptr), BP_E_INVALID);
    EXPECT_EQ(timers_->start(~std::uint64_t{0}, 0, nothing, nullptr, &id), BP_E_INVALID);
    EXPECT_EQ(timers_->start(1, ~std::uint64_t{0}, nothing, nullptr, &id), BP_E_INVALID);
}

class WatchesOfAnInstance : public HostExtensions {
protected:
    struct Seen {
        Watches* watches;
        int calls = 0;
        std::uint32_t events = 0;
        bool unwatch = false;
    };
    static void note(void* user, std::uint64_t id, std::int32_t, std::uint32_t events) {
        auto& seen = *static_cast<Seen*>(user);
        ++seen.calls;
        seen.events |= events;
        if (seen.unwatch) seen.watches->unwatch(id);
    }
    WatchesOfAnInstance() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        read_.reset(ends[0]);
        write_.reset(ends[1]);
    }

    WatchHub hub_{loop_};
    Watches watches_{context_, hub_, 1};
    Seen seen_{&watches_};
    Fd read_, write_;
    std::uint64_t id_ = 0;
};

TEST_F(WatchesOfAnInstance, call_again_as_long_as_there_is_something_to_read) {
    ASSERT_EQ(watches_.watch(read_.get(), BP_FD_READ, &note, &seen_, &id_), BP_OK);
    ASSERT_EQ(::write(write_.get(), "x", 1), 1);
    ASSERT_TRUE(wait([&] { return seen_.calls >= 3; }));
    EXPECT_EQ(seen_.events, BP_FD_READ);
    EXPECT_EQ(::fcntl(read_.get(), F_GETFL) & O_NONBLOCK, 0)
        << "it changed the plug-in's descriptor";
}

TEST_F(WatchesOfAnInstance, report_a_hang_up_unless_they_are_paused) {
    ASSERT_EQ(watches_.watch(read_.get(), 0, &note, &seen_, &id_), BP_OK);
    write_.reset();
    loop_.poll();
    EXPECT_EQ(seen_.calls, 0);
    ASSERT_EQ(watches_.modify(id_, BP_FD_HANGUP), BP_OK);
    ASSERT_TRUE(wait([&] { return seen_.calls >= 1; }));
    EXPECT_EQ(seen_.events, BP_FD_HANGUP);
}

TEST_F(WatchesOfAnInstance, may_be_ended_by_their_own_call) {
    seen_.unwatch = true;
    ASSERT_EQ(watches_.watch(read_.get(), BP_FD_READ, &note, &seen_, &id_), BP_OK);
    ASSERT_EQ(::write(write_.get(), "x", 1), 1);
    ASSERT_TRUE(wait([&] { return seen_.calls == 1; }));
    loop_.poll();
    EXPECT_EQ(seen_.calls, 1);
    EXPECT_EQ(watches_.unwatch(id_), BP_E_INVALID);
}

TEST_F(WatchesOfAnInstance, refuse_what_cannot_be_watched) {
    const Fd file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
    EXPECT_EQ(watches_.watch(file.get(), BP_FD_READ, &note, &seen_, &id_), BP_E_INVALID);
    EXPECT_EQ(watches_.watch(-1, BP_FD_READ, &note, &seen_, &id_), BP_E_INVALID);
    EXPECT_EQ(watches_.watch(read_.get(), 64, &note, &seen_, &id_), BP_E_INVALID);
    ASSERT_EQ(watches_.watch(read_.get(), BP_FD_READ, &note, &seen_, &id_), BP_OK);
    EXPECT_EQ(watches_.watch(read_.get(), BP_FD_WRITE, &note, &seen_, &id_), BP_E_INVALID);
}

TEST_F(WatchesOfAnInstance, whose_descriptor_was_closed_first_are_reported) {
    ASSERT_EQ(watches_.watch(read_.get(), BP_FD_READ, &note, &seen_, &id_), BP_OK);
    read_.reset();
    EXPECT_EQ(watches_.unwatch(id_), BP_OK);
    ipc::Packet packet;
    ASSERT_EQ(ipc::receive_packet(sockets_.second.get(), packet), ipc::Received::packet);
    const auto frame = ipc::decode_frame(packet.bytes, {}, ipc::Direction::to_core);
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->type, ipc::FrameType::fault);
    EXPECT_THAT(std::string{frame->body.at("text").as_string()},
                ::testing::HasSubstr("before it ended its watch"));
}

struct Job {
    std::atomic<bool> worked = false;
    std::thread::id worked_on, done_on;
    int done = 0;
};

TEST_F(HostExtensions, do_work_elsewhere_and_report_it_here) {
    WorkerPool pool{2};
    int idle = 0;
    const auto works = std::make_shared<Works>(context_, pool, 1, [&] { ++idle; });
    Job job;
    ASSERT_EQ(works->submit(
                  [](void* user) {
                      auto& j = *static_cast<Job*>(user);
                      j.worked_on = std::this_thread::get_id();
                      j.worked = true;
                  },
                  [](void* user) {
                      auto& j = *static_cast<Job*>(user);
                      j.done_on = std::this_thread::get_id();
                      j.done += j.worked ? 1 : 100;
                  },
                  &job),
              BP_OK);
    EXPECT_EQ(works->pending(), 1u);
    ASSERT_TRUE(wait([&] { return idle == 1; }));
    EXPECT_EQ(job.done, 1);
    EXPECT_NE(job.worked_on, std::this_thread::get_id());
    EXPECT_EQ(job.done_on, std::this_thread::get_id());
    EXPECT_EQ(works->pending(), 0u);
}

TEST_F(HostExtensions, take_at_most_sixteen_pieces_of_work_at_a_time) {
    WorkerPool pool{2};
    const auto works = std::make_shared<Works>(context_, pool, 1, nullptr);
    std::atomic<bool> open = false;
    const auto blocked = [](void* user) { static_cast<std::atomic<bool>*>(user)->wait(false); };
    const auto done = [](void*) {};
    for (int i = 0; i < 16; ++i) ASSERT_EQ(works->submit(blocked, done, &open), BP_OK);
    EXPECT_EQ(works->submit(blocked, done, &open), BP_E_NO_SPACE);
    EXPECT_EQ(works->submit(nullptr, done, &open), BP_E_INVALID);
    open = true;
    open.notify_all();
    EXPECT_TRUE(wait([&] { return works->pending() == 0; }));
}

}  // namespace
}  // namespace backplane::core::host
