// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Requests to a server over HTTP(S), one after the other, without anybody waiting for them.
//
// A lane is one such queue: its requests are sent in order over one connection that is kept, on a thread of its own that
// ends when nothing was asked for a while. Who must not be held up by others has a lane of their own, so a server that
// is silent to one kind of request delays no other kind.
//
// Thread: the main loop's; `done` comes there too, never from inside send(), exactly once, and not after the
// subscription has ended. Errors: "net.lookup", "net.connect", "net.tls", "net.timeout", "net.closed", "net.too_large",
// "net.redirect", "net.bad_url", "net.queue_full", each with a sentence for people. An answer of any status is an answer.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backplane/core/result.hpp"
#include "backplane/core/subscription.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::sync {

struct ServerRequest {
    std::string method = "POST";
    std::string url;  ///< whole: "https://shop.example.com/iot/setup"
    std::vector<std::pair<std::string, std::string>> headers;
    std::string content_type;  ///< of the body; empty: none is sent
    std::string body;
    bool chunked = false;                 ///< send the body without Content-Length
    std::size_t answer_bytes = 1u << 20;  ///< a longer answer is "net.too_large"
    std::chrono::milliseconds total{
        5'000};  ///< from the moment it is sent to the last byte of the answer
    unsigned redirects =
        0;  ///< to follow, only within the same origin or from http to https of the same host
};

struct ServerAnswer {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    /// First header of this name (any case), or empty.
    std::string_view header(std::string_view name) const noexcept;
};

class Requests {
public:
    using Done = std::function<void(core::Result<ServerAnswer>)>;
    virtual ~Requests() = default;
    /// Ending the subscription gives the request up: at once if it waits, else its connection is cut.
    virtual core::Subscription send(ServerRequest request, Done done) = 0;
};

struct LaneOptions {
    std::string name;        ///< of the thread and in the log, at most 15 bytes
    std::string ca_file;     ///< PEM, trusted besides the system's authorities; may be empty
    std::size_t queue = 32;  ///< requests that may wait
    std::chrono::milliseconds connect{5'000};
    std::chrono::seconds idle{30};  ///< then the connection is closed and the thread ends
    /// Addresses of a host name; may block. Empty: the system's.
    std::function<core::Result<std::vector<std::string>>(const std::string& host)> resolve;
};

std::unique_ptr<Requests> make_lane(boost::asio::io_context& loop, LaneOptions options);

/// Makes lanes that share everything but the name. Components take this, so that tests can put a fake in its place.
using LaneMaker = std::function<std::unique_ptr<Requests>(std::string name)>;

}  // namespace backplane::sync
