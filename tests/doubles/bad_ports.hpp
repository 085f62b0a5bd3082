// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Ports of the loopback device behind which there is no proper server: nobody, somebody who is too
// busy, somebody who talks nonsense.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "backplane/core/fd.hpp"

namespace backplane::tests {

/// Taken, but nobody listens: connections are refused.
class RefusingPort {
public:
    RefusingPort();
    std::uint16_t port() const noexcept { return port_; }

private:
    std::uint16_t port_ = 0;  // before the socket, which sets it
    core::Fd socket_;
};

/// Somebody listens who has too much to do to accept: a further connection is never made.
class BusyPort {
public:
    BusyPort();
    std::uint16_t port() const noexcept { return port_; }

private:
    std::uint16_t port_ = 0;  // before the socket, which sets it
    core::Fd socket_;
    std::vector<core::Fd> waiting_;  ///< that fill its queue
};

/// Reads the head of one request from each connection, and then does what it was given with it: one
/// connection after the other.
class RawServer {
public:
    /// `talk(text)` sends, `talk("")` waits a moment; false when the other side has gone or the
    /// server ends. The connection ends with `serve`.
    using Talk = std::function<bool(std::string_view)>;
    explicit RawServer(std::function<void(const Talk&)> serve);
    ~RawServer();
    RawServer(const RawServer&) = delete;
    RawServer& operator=(const RawServer&) = delete;
    std::uint16_t port() const noexcept { return port_; }

private:
    std::uint16_t port_ = 0;  // before the socket, which sets it
    core::Fd socket_;
    std::jthread thread_;
};

}  // namespace backplane::tests
