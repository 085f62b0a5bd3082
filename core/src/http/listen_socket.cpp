// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/listen_socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace backplane::core {
namespace {

std::string error_text(int error) {
    return std::generic_category().message(error);
}

Unexpected<Error> tcp_failure(const std::string& name, std::uint16_t port, int error) {
    const std::string attempt = "cannot listen for HTTP on " + name + ": ";
    switch (error) {
        case EADDRINUSE:
            return failure(
                "http.port_in_use",
                attempt + "another program uses this port; stop it (\"ss -ltnp sport = :" +
                    std::to_string(port) +
                    "\" shows which it is) or choose another one with http.port or --http-port");
        case EACCES:
            return failure("http.no_permission",
                           attempt +
                               "ports below 1024 need a permission; use the socket unit of the "
                               "service manager, "
                               "or choose a port from 1024 on with http.port or --http-port");
        case EADDRNOTAVAIL:
        case EAFNOSUPPORT:
            return failure("http.address_unavailable",
                           attempt + "this machine does not have this address (" +
                               error_text(error) +
                               "); \"ip address\" shows those it has, correct http.address");
        default:
            return failure("http.listen_failed", attempt + error_text(error));
    }
}

Unexpected<Error> unix_failure(const std::string& path, const std::string& what, int error) {
    return failure(error == EACCES || error == EPERM ? "http.no_permission" : "http.listen_failed",
                   "cannot listen on the socket " + path + ": " + what +
                       " failed: " + error_text(error) +
                       "; check that its folder exists and that this user may write to it");
}

/// What a connection attempt says about the program behind a socket file.
enum class Occupant { nobody, somebody, unknown };

Occupant occupant_of(const sockaddr_un& address, socklen_t length, int& error) {
    const Fd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!probe) {
        error = errno;
        return Occupant::unknown;
    }
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0)
        return Occupant::somebody;
    error = errno;
    if (error == ECONNREFUSED || error == ENOENT) return Occupant::nobody;
    return error == EAGAIN ? Occupant::somebody
                           : Occupant::unknown;  // EAGAIN: it listens, its queue is full
}

/// Clears the way for bind(): nothing at the path, or a socket that nobody listens on.
Result<void> remove_stale(const std::string& path, const sockaddr_un& address, socklen_t length) {
    struct stat found {};
    if (::lstat(path.c_str(), &found) != 0) {
        if (errno == ENOENT) return {};
        return unix_failure(path, "looking for an old socket", errno);
    }
    if (!S_ISSOCK(found.st_mode)) {
        return failure(
            "http.bad_path",
            "cannot listen on the socket " + path +
                ": there is a file of another kind; move it away or choose another path");
    }
    int error = 0;
    switch (occupant_of(address, length, error)) {
        case Occupant::somebody:
            return failure("http.socket_in_use",
                           "cannot listen on the socket " + path +
                               ": another program listens on it, perhaps a second backplaned; "
                               "stop it or choose another path");
        case Occupant::unknown:
            return unix_failure(path, "asking who uses the old socket", error);
        case Occupant::nobody:
            break;
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return unix_failure(path, "removing the old socket", errno);
    return {};
}

}  // namespace

void SocketFile::remove() noexcept {
    if (path_.empty()) return;
    struct stat now {};
    // Somebody may have put a socket of his own there since; that one is not ours to remove.
    if (::lstat(path_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_)
        ::unlink(path_.c_str());
    path_.clear();
}

Result<ListenSocket> listen_on_tcp(const std::string& address, std::uint16_t port) {
    const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
    const std::string bare = bracketed ? address.substr(1, address.size() - 2) : address;
    const std::string name =
        (bracketed || address.find(':') == std::string::npos ? address : "[" + address + "]") +
        " port " + std::to_string(port);
    boost::system::error_code bad;
    const auto ip = boost::asio::ip::make_address(bare, bad);
    if (bad) {
        return failure("http.bad_address",
                       "cannot listen for HTTP on \"" + address +
                           "\": this is not an IP address; use 0.0.0.0 for all IPv4 addresses of "
                           "this machine, :: for all IPv6 addresses");
    }

    sockaddr_storage where{};
    socklen_t length = 0;
    if (ip.is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        in.sin_addr.s_addr = htonl(ip.to_v4().to_uint());
        std::memcpy(&where, &in, length = sizeof in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        const auto bytes = ip.to_v6().to_bytes();
        std::memcpy(in.sin6_addr.s6_addr, bytes.data(), bytes.size());
        in.sin6_scope_id = static_cast<std::uint32_t>(ip.to_v6().scope_id());
        std::memcpy(&where, &in, length = sizeof in);
    }

    ListenSocket socket;
    socket.fd.reset(
        ::socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
    if (!socket.fd) return tcp_failure(name, port, errno);
    const int on = 1;
    // A restart must not wait for the connections of the previous run to be forgotten.
    if (::setsockopt(socket.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
        return tcp_failure(name, port, errno);
    }
    // So that 0.0.0.0 and :: can both be listened on with the same port.
    if (ip.is_v6() &&
        ::setsockopt(socket.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
        return tcp_failure(name, port, errno);
    }
    if (::bind(socket.fd.get(), reinterpret_cast<const sockaddr*>(&where), length) != 0 ||
        ::listen(socket.fd.get(), SOMAXCONN) != 0) {
        return tcp_failure(name, port, errno);
    }
    length = sizeof where;
    if (::getsockname(socket.fd.get(), reinterpret_cast<sockaddr*>(&where), &length) != 0) {
        return tcp_failure(name, port, errno);
    }
    // Port numbers of both families lie at the same place.
    sockaddr_in bound{};
    std::memcpy(&bound, &where, sizeof bound);
    socket.port = ntohs(bound.sin_port);
    socket.name = name;
    return socket;
}

Result<ListenSocket> listen_on_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path ||
        path.find('\0') != std::string::npos) {
        return failure("http.bad_path",
                       "cannot listen on the socket \"" + path +
                           "\": the path of a socket has 1 to 107 characters; choose another one");
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    const auto length = static_cast<socklen_t>(sizeof address);
    if (auto clear = remove_stale(path, address, length); !clear)
        return Unexpected<Error>{clear.error()};

    ListenSocket socket;
    socket.name = path;
    socket.fd.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.fd) return unix_failure(path, "making a socket", errno);
    if (::bind(socket.fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
        return unix_failure(path, "making the socket file", errno);
    }
    struct stat made {};
    if (::lstat(path.c_str(), &made) != 0)
        return unix_failure(path, "looking at the socket file", errno);
    socket.file = SocketFile{path, made.st_dev, made.st_ino};
    // Before listen(): until then nobody can connect, so there is no moment with a mode that is too
    // wide.
    if (::chmod(path.c_str(), 0660) != 0)
        return unix_failure(path, "setting the mode of the socket file", errno);
    if (::listen(socket.fd.get(), SOMAXCONN) != 0) return unix_failure(path, "listening", errno);
    return socket;
}

Result<ListenSocket> adopt_listening(int fd) {
    const auto refuse = [fd](const std::string& why) {
        return failure("http.bad_fd", "cannot serve HTTP on the inherited file descriptor " +
                                          std::to_string(fd) + ": " + why +
                                          "; check the socket unit of the service manager");
    };
    int listening = 0;
    socklen_t length = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0) {
        return refuse(errno == ENOTSOCK || errno == EBADF ? "it is not a socket"
                                                          : error_text(errno));
    }
    int type = 0;
    length = sizeof type;
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM ||
        listening == 0) {
        return refuse("it is not a listening stream socket");
    }
    sockaddr_storage where{};
    length = sizeof where;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&where), &length) != 0)
        return refuse(error_text(errno));
    if (where.ss_family != AF_INET && where.ss_family != AF_INET6 && where.ss_family != AF_UNIX) {
        return refuse("it is neither a TCP nor a Unix socket");
    }
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return refuse(error_text(errno));
    }
    ListenSocket socket;
    socket.fd.reset(fd);
    if (where.ss_family != AF_UNIX) {
        sockaddr_in bound{};
        std::memcpy(&bound, &where, sizeof bound);
        socket.port = ntohs(bound.sin_port);
    }
    socket.name = "inherited file descriptor " + std::to_string(fd);
    return socket;
}

}  // namespace backplane::core
