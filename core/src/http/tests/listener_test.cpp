// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/listener.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "backplane/core/log.hpp"
#include "http_client.hpp"

namespace backplane::core {
namespace {

using test::HttpClient;
using test::k_patience;

/// Lets this process open no further file while it lives.
class NoMoreFiles {
public:
    NoMoreFiles() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        // The lowest free number is the limit: everything below it is taken.
        const int lowest = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::close(lowest);
        rlimit tight = before_;
        tight.rlim_cur = static_cast<rlim_t>(lowest);
        ::setrlimit(RLIMIT_NOFILE, &tight);
    }
    ~NoMoreFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

class AListener : public testing::Test {
protected:
    AListener() {
        auto socket = listen_on_tcp("127.0.0.1", 0);
        if (!socket) throw std::runtime_error(socket.error().text);
        port_ = socket->port;
        listener_ = std::make_shared<Listener>(loop_, std::move(*socket),
                                               [this](Fd fd, const PeerAddress& peer) {
                                                   accepted_.push_back(std::move(fd));
                                                   peers_.push_back(peer.text());
                                               });
        listener_->start();
    }
    ~AListener() override {
        listener_->close();
        loop_.restart();
        loop_.poll();
    }
    bool run_until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + k_patience;
        while (!done() && std::chrono::steady_clock::now() < end) loop_.run_one_until(end);
        return done();
    }

    boost::asio::io_context loop_{1};
    std::vector<Fd> accepted_;
    std::vector<std::string> peers_;
    std::uint16_t port_ = 0;
    std::shared_ptr<Listener> listener_;
};

TEST_F(AListener, pauses_without_spinning_when_there_are_no_descriptors_left_and_accepts_later) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer needs a pipe of its own to look at memory, and reports nonsense "
                    "without one";
#endif
    const auto client = HttpClient::tcp(port_);
    {
        const NoMoreFiles none;
        loop_.run_one_for(k_patience);  // the connection is reported, accept4() fails
        EXPECT_EQ(loop_.poll(), 0u) << "the waiting connection must not be reported again at once";
        EXPECT_TRUE(accepted_.empty());
    }
    EXPECT_TRUE(run_until([this] { return accepted_.size() == 1; }));
}

TEST_F(AListener, goes_on_after_a_handler_that_throws) {
    listener_->close();
    auto socket = listen_on_tcp("127.0.0.1", 0);
    ASSERT_TRUE(socket);
    const auto port = socket->port;
    int calls = 0;
    const auto fragile =
        std::make_shared<Listener>(loop_, std::move(*socket), [&](Fd, const PeerAddress&) {
            if (++calls == 1) throw std::runtime_error("no memory");
        });
    fragile->start();
    const auto a = HttpClient::tcp(port);
    const auto b = HttpClient::tcp(port);
    EXPECT_TRUE(run_until([&] { return calls == 2; }));
    fragile->close();
}

TEST_F(AListener, hands_on_descriptors_that_do_not_block_and_are_closed_on_exec) {
    const auto client = HttpClient::tcp(port_);
    ASSERT_TRUE(run_until([this] { return accepted_.size() == 1; }));
    EXPECT_NE(::fcntl(accepted_[0].get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(accepted_[0].get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(peers_[0], "127.0.0.1");
}

}  // namespace
}  // namespace backplane::core
