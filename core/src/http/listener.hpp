// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Accepts connections on one listening socket and hands them on.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>

#include "backplane/core/fd.hpp"
#include "http/listen_socket.hpp"
#include "http/peer_address.hpp"

namespace backplane::core {

/// Owner: the server. Thread: the loop's. Failure: a temporary one (no file descriptors left) makes
/// a pause, because the connection stays in the queue and would be reported as ready again at once,
/// for ever.
class Listener : public std::enable_shared_from_this<Listener> {
public:
    /// The descriptor is non-blocking and close-on-exec.
    using OnConnection = std::function<void(Fd, const PeerAddress&)>;

    Listener(boost::asio::io_context& loop, ListenSocket socket, OnConnection on_connection);

    void start();
    /// No call comes after this one.
    void close();

private:
    void wait();
    void accept_waiting();
    void pause(int error);

    boost::asio::posix::stream_descriptor socket_;
    boost::asio::steady_timer retry_;
    std::string name_;
    SocketFile file_;
    OnConnection on_connection_;
    bool pausing_ = false;
};

}  // namespace backplane::core
