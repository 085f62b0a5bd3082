// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Opens a device as its descriptor says, so that drivers never open anything themselves.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <memory>

#include "backplane/core/fd.hpp"
#include "backplane/core/result.hpp"
#include "registry/descriptor.hpp"

namespace backplane::core {

/// One opening at a time. Destroying it cancels; then nothing is called.
class DeviceOpener {
public:
    using Done = std::function<void(Result<Fd>)>;

    explicit DeviceOpener(boost::asio::io_context& loop);
    ~DeviceOpener();

    /// `handed_over` is the interface's descriptor for kind fd (a duplicate of it is given out). `done` is called later,
    /// never from inside open(). An empty Fd is a success for kind none.
    void open(const OpenSpec& spec, const Fd& handed_over, std::chrono::milliseconds limit,
              Done done);

private:
    struct Connecting;
    boost::asio::io_context& loop_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    std::shared_ptr<Connecting> connecting_;
};

}  // namespace backplane::core
