// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "box_client.hpp"

#include <httplib.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "backplane/core/fd.hpp"
#include "util/utf8.hpp"

namespace backplane::cli {
namespace {

constexpr std::size_t k_answer_bytes = 32u << 20;
constexpr std::size_t k_most_processes = 100'000;

/// Process id of a running backplaned, or empty.
std::string pid_of_daemon() {
    std::error_code error;
    std::size_t seen = 0;
    for (std::filesystem::directory_iterator entries{"/proc", error}, end; !error && entries != end;
         entries.increment(error)) {
        const std::string pid = entries->path().filename().string();
        if (pid.empty() || pid[0] < '1' || pid[0] > '9') continue;
        if (++seen > k_most_processes) break;
        std::ifstream file{entries->path() / "comm"};
        std::string name;
        if (std::getline(file, name) && name == "backplaned") return pid;
    }
    return {};
}

std::string advice_when_nobody_listens() {
    if (const std::string pid = pid_of_daemon(); !pid.empty()) {
        return "backplaned runs (process " + pid +
               ") but with another socket: give it with --socket PATH, or in BACKPLANE_SOCKET";
    }
    return "backplaned does not run: start it with \"systemctl start backplaned\", and see why it "
           "ended with \"journalctl -u "
           "backplaned\"";
}

core::Unexpected<core::Error> unreachable(const std::string& socket, const std::string& what,
                                          const std::string& advice) {
    return core::failure("box.unreachable",
                         "cannot reach the box through " + socket + ": " + what + ": " + advice);
}

}  // namespace

core::Result<void> BoxClient::reachable() const {
    // httplib reports every failed connection as the same error; the difference is what helps a
    // person.
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_.empty() || socket_.size() >= sizeof address.sun_path ||
        socket_.find('\0') != std::string::npos) {
        return unreachable(
            socket_, "this is not the path of a socket",
            "give one of at most " + std::to_string(sizeof address.sun_path - 1) + " bytes");
    }
    std::memcpy(address.sun_path, socket_.c_str(), socket_.size() + 1);
    const core::Fd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!probe) return unreachable(socket_, std::generic_category().message(errno), "try again");
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return {};
    switch (const int error = errno; error) {
        case ENOENT:
        case ENOTDIR:
            return unreachable(socket_, "there is no such socket", advice_when_nobody_listens());
        case ECONNREFUSED:
            return unreachable(socket_, "nobody listens there", advice_when_nobody_listens());
        case EACCES:
        case EPERM:
            return unreachable(
                socket_, "you may not use it",
                "run this as root, or have yourself added to the group that owns the socket");
        case EAGAIN:
            return unreachable(socket_, "the box is too busy to accept a connection",
                               "try again in a moment");
        default:
            return unreachable(socket_, std::generic_category().message(error),
                               advice_when_nobody_listens());
    }
}

core::Result<std::string> BoxClient::get(const std::string& target,
                                         std::chrono::seconds patience) const {
    if (auto ok = reachable(); !ok) return core::Unexpected<core::Error>{ok.error()};
    httplib::Client client{socket_};
    client.set_address_family(AF_UNIX);
    client.set_connection_timeout(std::chrono::seconds{5});
    client.set_read_timeout(patience);
    client.set_write_timeout(std::chrono::seconds{5});

    std::string body;
    bool too_large = false;
    // Without a name of its own httplib sends the path of the socket as the host.
    const auto answer =
        client.Get(target, httplib::Headers{{"Host", "localhost"}, {"Accept", "application/json"}},
                   [&](const char* data, std::size_t size) {
                       too_large = body.size() + size > k_answer_bytes;
                       if (!too_large) body.append(data, size);
                       return !too_large;
                   });
    const std::string asked = target.substr(0, target.find('?'));
    if (too_large) {
        return core::failure("box.answer", "the box at " + socket_ + " answered " + asked +
                                               " with more than 32 MiB: this is not backplaned");
    }
    if (!answer) {
        return unreachable(socket_,
                           "it accepts connections, but " + asked +
                               " got no complete answer within " +
                               std::to_string(patience.count()) + " s (" +
                               httplib::to_string(answer.error()) + ")",
                           "try again, and look at \"journalctl -u backplaned\" if it stays so");
    }
    if (answer->status != 200) {
        return core::failure(
            "box.answer",
            "the box at " + socket_ + " answered " + asked + " with HTTP " +
                std::to_string(answer->status) +
                (body.empty() ? "" : " (" + core::to_printable(body, 200) + ")") +
                ": if it says 404, backplaned is older than this program: update both together");
    }
    return body;
}

std::string percent_encoded(const std::string& text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (plain) {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += '%';
            out += "0123456789ABCDEF"[byte >> 4];
            out += "0123456789ABCDEF"[byte & 0xF];
        }
    }
    return out;
}

}  // namespace backplane::cli
