// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Opens sockets to listen on, and says in words what is in the way when that fails.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "backplane/core/fd.hpp"
#include "backplane/core/result.hpp"

namespace backplane::core {

/// The file of a Unix socket; removes it, but only as long as it is still the one that was made.
class SocketFile {
public:
    SocketFile() = default;
    SocketFile(std::string path, dev_t device, ino_t inode)
        : path_(std::move(path)), device_(device), inode_(inode) {}
    SocketFile(SocketFile&& other) noexcept
        : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}
    SocketFile& operator=(SocketFile&& other) noexcept {
        if (this != &other) {
            remove();
            path_ = std::exchange(other.path_, {});
            device_ = other.device_;
            inode_ = other.inode_;
        }
        return *this;
    }
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;
    ~SocketFile() { remove(); }
    void remove() noexcept;

private:
    std::string path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

/// Non-blocking, close-on-exec, listening.
struct ListenSocket {
    Fd fd;
    std::uint16_t port = 0;  ///< of a TCP socket
    std::string name;        ///< "0.0.0.0 port 8069", for messages
    SocketFile file;         ///< of a Unix socket that was made here
};

/// `address` is an IPv4 or IPv6 address (an IPv6 socket takes IPv6 only); port 0 takes a free one.
Result<ListenSocket> listen_on_tcp(const std::string& address, std::uint16_t port);

/// Mode 0660. A socket file that nobody listens on any more is replaced, anything else at `path` is
/// left alone.
Result<ListenSocket> listen_on_unix(const std::string& path);

/// A socket that already listens. Owned by the result; on failure it still belongs to the caller.
Result<ListenSocket> adopt_listening(int fd);

}  // namespace backplane::core
