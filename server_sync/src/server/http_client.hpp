// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// An HTTP(S) client for one address of one server that talks only to the right one: what lanes and
// downloads have in common. Included only where requests are made, since it brings the HTTP library.
//
// Thread: a worker's; its calls block until the line is cut at the latest.
#pragma once

#include <httplib.h>

#include <chrono>
#include <memory>
#include <string>

#include "backplane/core/result.hpp"
#include "server/line.hpp"
#include "server/net_errors.hpp"
#include "server/server_url.hpp"

namespace backplane::sync {

struct HttpClientOptions {
    std::string ca_file;  ///< PEM, trusted besides the system's authorities; may be empty
    std::chrono::milliseconds connect;  ///< for the TCP connection
    std::chrono::milliseconds talk;  ///< without a byte; who watches the line cuts it before that
    bool keep_alive = false;
};

class HttpClient {
public:
    /// Connects with the first request. `line` hears of each socket, and outlives this object.
    /// Error: "net.tls", no other address of the server will help.
    static core::Result<HttpClient> make(const ServerUrl& url, const std::string& address,
                                         const HttpClientOptions& options, Line& line);

    httplib::ClientImpl* operator->() noexcept { return client_.get(); }

    /// Did a request with this error reach somebody? Otherwise another address may be tried.
    static bool connected(httplib::Error error) noexcept;
    /// Why it failed: "net.connect", "net.tls" or "net.closed".
    Refusal why(const ServerUrl& url, httplib::Error error, const Line& line) const;

private:
    HttpClient() = default;
    std::unique_ptr<httplib::ClientImpl> client_;
    httplib::SSLClient* tls_ = nullptr;  ///< the same object, when it is one
    std::chrono::milliseconds patience_{};
};

}  // namespace backplane::sync
