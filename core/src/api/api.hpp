// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The box's own HTTP interface: /healthz, /readyz, /metrics and /api/v1/… (docs/reference/http-api.md).
//
// It is what the homepage, the CLI and monitoring use. Reading needs nothing; what changes something is a POST with a
// JSON body, which no page of another origin can send without asking first.
#pragma once

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backplane/core/event_ring.hpp"
#include "backplane/core/http.hpp"
#include "backplane/core/log_levels.hpp"
#include "backplane/core/update.hpp"
#include "registry/registry.hpp"

namespace backplane::core {

struct ApiContext {
    boost::asio::io_context& loop;
    Registry& registry;
    EventRing& events;
    std::string version;
    std::string identifier;  ///< of the box
    std::string hostname;    ///< how its owner calls it
    std::chrono::system_clock::time_point started_at;
    std::chrono::steady_clock::time_point started_at_steady;
    std::function<std::vector<std::uint16_t>()> ports;
    std::function<HttpStatistics()> http_statistics;
    std::function<std::vector<std::string>()> problems;  ///< of the box as a whole, for status
    std::function<std::vector<std::uint16_t>()> https_ports = {};  ///< none: not offered
    Updates* updates = nullptr;  ///< of plug-ins, outlives the API; null: the routes answer 503
    /// How long a roll-back and the like may take before its answer says that it goes on.
    std::chrono::milliseconds owner_patience{30'000};
    /// More of /metrics: whole families, without the end mark.
    std::function<std::string()> more_metrics = {};
    LogLevels* log_levels = nullptr;  ///< outlives the API; null: the routes answer 503
};

/// The limits of a server that carries this API: a bundle of plug-ins is larger than what others may send.
HttpLimits with_room_for_bundles(HttpLimits limits = {});

class Api {
public:
    explicit Api(ApiContext context);
    ~Api();
    void install(HttpRouter& router);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::core
