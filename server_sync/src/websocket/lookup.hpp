// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Addresses of a host name for somebody who sits on the main loop.
//
// The system's lookup cannot be interrupted, and a name server that is silent takes it half a
// minute. So it runs on a thread that is left to itself: that thread holds only what it was given,
// and what comes after the end of the subscription is dropped.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backplane/core/subscription.hpp"
#include "websocket/socket.hpp"

namespace backplane::sync {

using Addresses = std::vector<std::string>;

/// `done` comes on the main loop, never from inside the call. It has no deadline of its own: the
/// end of the subscription is one.
core::Subscription look_up(boost::asio::io_context& loop, LookUp lookup, std::string host,
                           std::function<void(core::Result<Addresses>)> done);

}  // namespace backplane::sync
