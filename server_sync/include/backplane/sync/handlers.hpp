// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Where bundles come from when a box belongs to an Odoo database: its server's /iot/get_handlers.
//
// What comes is bytes of a stranger. This class sees to it that they come from the right server,
// and neither too many nor too slowly; what is in them is the verification's business.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backplane/core/update.hpp"

namespace boost::asio {
class io_context;
}

namespace backplane::sync {

/// How much patience a download gets.
struct HandlerLimits {
    std::uint64_t bytes = 32ULL * 1024 * 1024;   ///< of the answer's body
    std::chrono::milliseconds connect{5'000};    ///< for the name, and for each of its addresses
    std::chrono::milliseconds total{120'000};    ///< from fetch() to the last byte
    std::uint64_t slow_bytes_per_s = 1024;       ///< less than this …
    std::chrono::milliseconds slow_for{30'000};  ///< … for this long ends it
    std::chrono::milliseconds look_every{50};    ///< at the pace; so often progress is told
    unsigned redirects = 3;
};

/// Who is asked, and as whom.
struct HandlerServer {
    std::string url;         ///< "https://shop.example.com"; empty: no server is known
    std::string identifier;  ///< the box's, as it stands in the database
    std::string mac;         ///< servers up to Odoo 18 know the box by it; may be empty
    std::string database;    ///< for servers with several; may be empty
};

struct HandlerDownloadOptions {
    /// The server that the box belongs to at this moment: asked at each fetch(), name() and
    /// warning(), on the main loop.
    std::function<HandlerServer()> server;
    std::string ca_file;  ///< PEM, trusted besides the system's authorities; may be empty
    HandlerLimits limits;
    /// Addresses of a host name; may block. Empty: the system's.
    std::function<core::Result<std::vector<std::string>>(const std::string& host)> resolve;
};

/// Purpose: the BundleSource of an Odoo server. Owner: the box; `loop` outlives it. Thread: that of
/// `loop`; the exchange with the server is on a thread of its own, which this object owns.
/// Failure: E_NET (nobody there, wrong certificate, connection lost), E_SERVER (an answer that is
/// no bundle), E_SIZE, E_SLOW. Destroying it ends a running download at once and silently.
///
/// https is required unless the configured address says http://, which its owner has then decided.
class HandlerDownload final : public core::BundleSource {
public:
    HandlerDownload(boost::asio::io_context& loop, HandlerDownloadOptions options);
    ~HandlerDownload() override;
    HandlerDownload(const HandlerDownload&) = delete;
    HandlerDownload& operator=(const HandlerDownload&) = delete;

    std::string name() const override;
    void fetch(core::BundleRequest request, Progress progress, Done done) override;

    /// What people should know about this server all the time, in one sentence; mostly empty.
    std::string warning() const;

private:
    class Impl;
    std::shared_ptr<Impl> impl_;  ///< the only owner; what waits in the loop holds weak references
};

}  // namespace backplane::sync
