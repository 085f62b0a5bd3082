// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The blocking half of a lane: one request after the other, over a connection that is kept between
// them.
//
// A server may close a kept connection whenever it likes, also at the moment when the next request is
// on its way. Then nothing of an answer comes, and the request is sent once more over a new
// connection; what this box sends may be repeated (its parts see to that).
#pragma once

#include <memory>
#include <optional>
#include <stop_token>

#include "server/line.hpp"
#include "server/requests.hpp"
#include "server/server_url.hpp"

namespace backplane::sync {

class HttpClient;

class Conversation {
public:
    /// `line` outlives this object.
    Conversation(LaneOptions options, Line& line);
    ~Conversation();
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    /// Thread: a worker's; blocks, until `line` is cut at the latest (and `stop` requested). Throws
    /// std::bad_alloc and the like.
    core::Result<ServerAnswer> ask(const ServerRequest& request, std::stop_token stop);

private:
    struct Attempt;

    Attempt ask_at(const ServerUrl& url, const ServerRequest& request, const std::stop_token& stop);
    Attempt ask_over(HttpClient& client, const ServerUrl& url, const ServerRequest& request);
    void keep_or_drop(const Attempt& attempt);

    LaneOptions options_;
    Line& line_;
    std::unique_ptr<HttpClient> client_;  ///< connected to origin_, as far as we know
    std::string origin_;
};

}  // namespace backplane::sync
