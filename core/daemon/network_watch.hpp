// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Tells when the addresses or routes of this machine change, the moment the kernel does (rtnetlink(7)).
//
// Thread: the main loop's. Where the kernel does not tell (a sandbox without netlink) nothing is told, and that is logged
// once: who needs the address asks for it now and then anyway.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>

namespace backplane::daemon {

class NetworkWatch {
public:
    /// `changed` comes once for a burst of messages; look for what it was.
    NetworkWatch(boost::asio::io_context& loop, std::function<void()> changed);
    NetworkWatch(const NetworkWatch&) = delete;
    NetworkWatch& operator=(const NetworkWatch&) = delete;

private:
    void wait();
    bool drain();

    boost::asio::posix::stream_descriptor socket_;
    std::function<void()> changed_;
};

}  // namespace backplane::daemon
