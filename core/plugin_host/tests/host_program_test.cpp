// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The program as the daemon sees it: a real process, frame by frame.
#include <gmock/gmock.h>

#include <array>
#include <functional>
#include <optional>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backplane/abi/base.h"
#include "exit_codes.hpp"
#include "ipc/channel.hpp"
#include "ipc/status_page.hpp"
#include "supervisor/host_process.hpp"
#include "util/memory_file.hpp"

namespace backplane::core::host {
namespace {

using ipc::Frame;
using ipc::FrameType;
using ipc::make_frame;
using ::testing::HasSubstr;
namespace json = boost::json;

class AHostProgram : public ::testing::Test {
protected:
    void start(const std::string& plugin, std::vector<std::string> arguments = {}) {
        auto sockets = ipc::make_socket_pair();
        auto status = ipc::make_status_file();
        auto library = sealed_memory_file_from(
            std::string{BP_TEST_PLUGIN_DIRECTORY} + "/" + plugin + ".so", 64u << 20);
        ASSERT_TRUE(sockets.has_value() && status.has_value() && library.has_value());
        if (arguments.empty())
            arguments = {"--kind", "driver", "--name", plugin, "--id", "org.backplane.test"};
        const Fd output{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
        auto process = HostProcess::start({.program = BP_TEST_HOST_PROGRAM,
                                           .arguments = arguments,
                                           .socket = sockets->second,
                                           .library = *library,
                                           .status = *status,
                                           .output = output});
        ASSERT_TRUE(process.has_value()) << process.error().text;
        process_ = std::move(*process);
        socket_ = std::move(sockets->first);
    }
    void start_ready(const std::string& settings_do = "nothing", const std::string& in = "start",
                     Fd device = {}) {
        start("misbehaving");
        ASSERT_TRUE(next(FrameType::hello).has_value());
        auto frame =
            make_frame(FrameType::start, 1, 0,
                       json::object{{"descriptor", json::object{}},
                                    {"settings", json::object{{"do", settings_do}, {"in", in}}}});
        frame.device = std::move(device);
        send(frame);
        ASSERT_TRUE(next(FrameType::started).has_value());
    }
    void send(const ipc::OutgoingFrame& frame) {
        ASSERT_EQ(ipc::send_frame(socket_.get(), frame), ipc::Sent::sent);
    }

    static bool wait_readable(int fd) {
        pollfd poll{fd, POLLIN, 0};
        return ::poll(&poll, 1, 20'000) == 1;
    }
    std::optional<Frame> next() {
        if (!wait_readable(socket_.get())) return std::nullopt;
        if (ipc::receive_packet(socket_.get(), packet_) != ipc::Received::packet)
            return std::nullopt;
        auto frame =
            ipc::decode_frame(packet_.bytes, std::move(packet_.fds), ipc::Direction::to_core);
        EXPECT_TRUE(frame.has_value()) << frame.error().text;
        if (!frame) return std::nullopt;
        return std::move(*frame);
    }
    /// Skips others.
    std::optional<Frame> next(FrameType type) {
        for (int i = 0; i < 100'000; ++i) {
            auto frame = next();
            if (!frame || frame->type == type) return frame;
        }
        return std::nullopt;
    }
    std::string exit_text() {
        if (!wait_readable(process_.pidfd())) return "it still runs";
        const auto exit = process_.reap();
        return exit ? exit->text() : "not reaped";
    }
    static std::string status(int code) { return "ended with exit status " + std::to_string(code); }

    HostProcess process_;
    Fd socket_;
    ipc::Packet packet_;
};

TEST_F(AHostProgram, with_wrong_arguments_ends_at_once) {
    start("echo", {"--kind", "nothing", "--name", "echo", "--id", "x"});
    EXPECT_EQ(exit_text(), status(k_exit_usage));
}

TEST_F(AHostProgram, says_hello_with_the_version_of_the_plugin) {
    start("echo");
    const auto hello = next();
    ASSERT_TRUE(hello.has_value());
    EXPECT_EQ(hello->type, FrameType::hello);
    EXPECT_EQ(hello->body.at("abi_major").as_int64(), BP_ABI_MAJOR);
}

TEST_F(AHostProgram, says_why_a_plugin_cannot_be_loaded) {
    start("unresolved");
    const auto failed = next();
    ASSERT_TRUE(failed.has_value());
    EXPECT_EQ(failed->type, FrameType::load_failed);
    EXPECT_THAT(std::string{failed->body.at("text").as_string()},
                HasSubstr("a_function_that_nobody_has"));
    EXPECT_EQ(exit_text(), status(k_exit_not_loaded));
}

TEST_F(AHostProgram, ends_when_the_daemon_has_gone) {
    start_ready();
    socket_.reset();
    EXPECT_EQ(exit_text(), status(k_exit_done));
}

TEST_F(AHostProgram, ends_when_the_daemon_has_gone_also_if_the_plugin_hangs_in_its_stop) {
    start_ready("hang", "stop");
    socket_.reset();
    EXPECT_EQ(exit_text(), "killed by SIGALRM");
}

TEST_F(AHostProgram, ends_when_it_is_sent_what_is_no_frame) {
    start_ready();
    ASSERT_EQ(::send(socket_.get(), "nonsense", 8, 0), 8);
    EXPECT_EQ(exit_text(), status(k_exit_broken_frame));
}

TEST_F(AHostProgram, answers_pings_and_says_good_bye) {
    start_ready();
    send(make_frame(FrameType::ping, 0, 77));
    const auto pong = next(FrameType::pong);
    ASSERT_TRUE(pong.has_value());
    EXPECT_EQ(pong->request, 77u);
    send(make_frame(FrameType::shut_down));
    EXPECT_TRUE(next(FrameType::stopped).has_value());
    EXPECT_TRUE(next(FrameType::bye).has_value());
    EXPECT_EQ(exit_text(), status(k_exit_done));
}

TEST_F(AHostProgram, that_is_not_read_drops_events_but_no_answers_and_tells_how_many) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const Fd emitted{ends[0]};
    start_ready("burst", "begin", Fd{ends[1]});
    send(
        make_frame(FrameType::begin, 1, 5,
                   json::object{{"name", ""}, {"data", json::object{}}, {"deadline_ms", 600'000}}));
    send(make_frame(FrameType::ping, 0, 1));
    ASSERT_TRUE(wait_readable(emitted.get()));
    // Nothing was read while the plug-in emitted more than the socket and the queue can hold. The
    // answer to the action may not be dropped, and says that all was emitted.
    std::uint64_t received = 0;
    std::optional<Frame> frame;
    while ((frame = next()) && frame->type != FrameType::dropped) {
        if (frame->type == FrameType::event) ++received;
        if (frame->type == FrameType::action_ended) {
            EXPECT_TRUE(frame->body.at("success").as_bool());
        }
    }
    ASSERT_TRUE(frame.has_value());
    EXPECT_GT(received, 0u);
    EXPECT_EQ(frame->body.at("events").to_number<std::uint64_t>(), 10'000 - received);
}

TEST_F(AHostProgram, ignores_requests_for_instances_that_are_gone) {
    start_ready();
    send(make_frame(FrameType::stop, 99));
    send(make_frame(FrameType::cancel, 99, 1));
    send(make_frame(FrameType::start_probed, 99));
    send(make_frame(FrameType::quiesce, 99));
    send(make_frame(FrameType::resume, 99));
    send(make_frame(FrameType::ping, 0, 1));
    const auto frame = next();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->type, FrameType::pong);
}

TEST_F(AHostProgram, ends_when_it_is_sent_a_state_of_version_0) {
    start("keeper");
    ASSERT_TRUE(next(FrameType::hello).has_value());
    send(make_frame(
        FrameType::start, 1, 0,
        json::object{
            {"descriptor", json::object{}}, {"settings", json::object{}}, {"state_version", 0}}));
    EXPECT_EQ(exit_text(), status(k_exit_broken_frame));
}

TEST_F(AHostProgram, calls_stop_once_and_tells_the_state_behind_everything_else) {
    start("keeper");
    ASSERT_TRUE(next(FrameType::hello).has_value());
    auto frame =
        make_frame(FrameType::start, 1, 0,
                   json::object{{"descriptor", json::object{}},
                                {"settings", json::object{{"do", "count"}, {"in", "stop"}}},
                                {"state_version", 1}});
    frame.payload = {'4', '0'};
    send(frame);
    ASSERT_TRUE(next(FrameType::started).has_value());
    send(make_frame(FrameType::resume, 1));  // it is not quiesced: nothing to do
    send(make_frame(
        FrameType::begin, 1, 5,
        json::object{{"name", "never"}, {"data", json::object{}}, {"deadline_ms", 600'000}}));
    send(make_frame(FrameType::quiesce, 1));
    send(make_frame(FrameType::quiesce, 1));
    std::vector<FrameType> order;
    std::optional<Frame> said;
    do {
        said = next();
        ASSERT_TRUE(said.has_value());
        order.push_back(said->type);
    } while (said->type != FrameType::quiesced);
    EXPECT_THAT(order, ::testing::ElementsAre(FrameType::event, FrameType::action_ended,
                                              FrameType::quiesced));
    EXPECT_EQ(said->body.at("version").to_number<int>(), 1);
    EXPECT_EQ(said->payload, (std::vector<std::uint8_t>{'4', '1'})) << "stop() has counted once";

    send(make_frame(FrameType::stop, 1));
    send(make_frame(FrameType::ping, 0, 1));
    said = next();
    ASSERT_TRUE(said.has_value());
    EXPECT_EQ(said->type, FrameType::stopped) << "and nothing else: " << to_string(said->type);
}

}  // namespace
}  // namespace backplane::core::host
