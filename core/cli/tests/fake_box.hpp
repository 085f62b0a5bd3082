// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A control socket that answers what a test says, in the place of a box.
#pragma once

#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "invocation.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::cli::test {

class FakeBox : public testing::Test {
protected:
    FakeBox() { socket = folder.file("control.sock"); }
    ~FakeBox() override { stop(); }

    void answer(const std::string& path, std::string body, int status = 200) {
        server.Get(path, [body = std::move(body), status](const httplib::Request&,
                                                          httplib::Response& response) {
            response.status = status;
            response.set_content(body, "application/json");
        });
    }
    void start() {
        server.set_address_family(AF_UNIX);
        ASSERT_TRUE(server.bind_to_port(socket.c_str(), 80));
        // From here on connections are queued by the kernel.
        thread = std::thread{[this] { server.listen_after_bind(); }};
        const auto deadline = std::chrono::steady_clock::now() + k_patience;
        while (!server.is_running() && std::chrono::steady_clock::now() < deadline)
            std::this_thread::yield();
        ASSERT_TRUE(server.is_running());
    }
    void stop() {
        server.stop();
        if (thread.joinable()) thread.join();
    }

    backplane::tests::TemporaryFolder folder;
    std::string socket;
    httplib::Server server;
    std::thread thread;
};

}  // namespace backplane::cli::test
