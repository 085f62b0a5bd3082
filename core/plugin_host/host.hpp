// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The plug-in host: one plug-in, its instances, one socket. Thread: the driver thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "context.hpp"
#include "instance.hpp"

namespace backplane::core::host {

struct HostOptions {
    int socket = -1;
    int library = -1;
    int status = -1;
    std::string name;
    std::string id;
    bool is_interface = false;
    std::uint64_t memory_mib = 256;
};

class Host {
public:
    Host(boost::asio::io_context& loop, const HostOptions& options, ipc::StatusWriter status);

    /// Load the plug-in, say hello, and serve until the daemon says that it is enough or is gone.
    /// The exit status.
    int run();

private:
    bool load();
    void on_frame(ipc::Frame frame);
    void create(ipc::Frame frame);
    void stop_all(bool orderly);
    void end_when_empty();

    boost::asio::io_context& loop_;
    const HostOptions options_;
    Link link_;
    Context context_;
    WatchHub hub_;
    WorkerPool pool_;
    const bp_entry* entry_ = nullptr;
    std::map<std::uint64_t, std::shared_ptr<Instance>> instances_;
    boost::asio::steady_timer drain_timer_;
    bool ending_ = false;
    bool orderly_ = false;
};

}  // namespace backplane::core::host
