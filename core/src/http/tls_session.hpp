// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// TLS on one non-blocking socket, without a loop: each call does what can be done now and says what
// it waits for. No bytes are held beside those of a record that is on its way.
#pragma once

#include <openssl/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "http/tls_context.hpp"

namespace backplane::core {

class TlsSession {
public:
    enum class State {
        done,        ///< so many bytes, at least one; or the handshake is complete
        wait_read,   ///< again when the socket can be read
        wait_write,  ///< again when the socket can be written
        end,         ///< the client has closed
        failed,      ///< the connection is of no use any more; reason() says why
    };
    struct Outcome {
        State state = State::failed;
        std::size_t bytes = 0;
    };

    /// Throws std::bad_alloc.
    explicit TlsSession(std::shared_ptr<const TlsContext> context);
    ~TlsSession();
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    Outcome accept(int fd);
    Outcome read(int fd, std::span<char> into);
    /// The parts one after the other, as one record where they are small. After wait_… the same
    /// bytes must be offered again, more may follow them.
    Outcome write(int fd, std::span<const iovec> parts);
    /// Tells the client that nothing follows, if that can be done now.
    void say_goodbye(int fd) noexcept;
    /// Something is known that no event of the socket will announce: bytes that are decrypted and
    /// not read yet, or the end.
    bool has_pending() const noexcept;
    const std::string& reason() const noexcept { return reason_; }

private:
    Outcome outcome(int result);

    std::shared_ptr<const TlsContext> context_;
    SSL* ssl_;
    std::string reason_;
    bool established_ = false;
    bool failed_ = false;
};

}  // namespace backplane::core
