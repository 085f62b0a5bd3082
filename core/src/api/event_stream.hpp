// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// GET /api/v1/events: the event ring as server-sent events, one cursor for each client.
#pragma once

#include <boost/asio/io_context.hpp>

#include "backplane/core/event_ring.hpp"
#include "backplane/core/http.hpp"

namespace backplane::core {

/// Everything after `Last-Event-ID` (or the query's `after`) that is still in the ring, then what comes. `device=` keeps
/// one device's events. A client that lags more than its backlog is cut off and comes back with its Last-Event-ID.
void serve_event_stream(boost::asio::io_context& loop, EventRing& events,
                        const HttpExchangePtr& exchange);

}  // namespace backplane::core
