// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "box_client.hpp"

#include <boost/json/parse.hpp>

#include <httplib.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

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

httplib::Client client_of(const std::string& socket, std::chrono::seconds patience) {
    httplib::Client client{socket};
    client.set_address_family(AF_UNIX);
    client.set_connection_timeout(std::chrono::seconds{5});
    client.set_read_timeout(patience);
    client.set_write_timeout(patience);
    return client;
}

// Without a name of its own httplib sends the path of the socket as the host.
const httplib::Headers k_headers{{"Host", "localhost"}, {"Accept", "application/json"}};

/// What an answer with this status means: the box's own words, or that it is none of ours.
core::Unexpected<core::Error> refusal(const std::string& socket, const std::string& asked,
                                      int status, const std::string& body) {
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(body, error);
    if (!error && value.is_object()) {
        const auto* const code = value.get_object().if_contains("code");
        const auto* const message = value.get_object().if_contains("message");
        if (code && message && code->is_string() && message->is_string())
            return core::failure(std::string(code->get_string()),
                                 std::string(message->get_string()));
    }
    return core::failure(
        "box.answer",
        "the box at " + socket + " answered " + asked + " with HTTP " + std::to_string(status) +
            (body.empty() ? "" : " (" + core::to_printable(body, 200) + ")") +
            ": if it says 404, backplaned is older than this program: update both together");
}

/// Lines of server-sent events, put together from pieces.
class EventLines {
public:
    using Event = std::function<bool(std::string_view, std::string_view)>;
    explicit EventLines(const Event& event) : event_(event) {}

    /// False: enough, or too much.
    bool take(std::string_view piece) {
        buffer_.append(piece);
        std::size_t begin = 0;
        for (std::size_t end; (end = buffer_.find('\n', begin)) != std::string::npos;
             begin = end + 1) {
            if (!line(std::string_view{buffer_}.substr(begin, end - begin))) {
                enough_ = true;
                return false;
            }
        }
        buffer_.erase(0, begin);
        return buffer_.size() <= k_event_bytes && data_.size() <= k_event_bytes;
    }
    bool enough() const { return enough_; }

private:
    static constexpr std::size_t k_event_bytes = 4u << 20;

    bool line(std::string_view text) {
        if (text.starts_with(":")) return event_("", "");
        if (text.starts_with("event: ")) kind_ = text.substr(7);
        if (text.starts_with("data: ")) data_ += text.substr(6);
        if (!text.empty() || (kind_.empty() && data_.empty())) return true;
        const std::string kind = std::exchange(kind_, {}), data = std::exchange(data_, {});
        return event_(kind, data);
    }

    const Event& event_;
    std::string buffer_, kind_, data_;
    bool enough_ = false;
};

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
    httplib::Client client = client_of(socket_, patience);

    std::string body;
    bool too_large = false;
    const auto answer = client.Get(target, k_headers, [&](const char* data, std::size_t size) {
        too_large = body.size() + size > k_answer_bytes;
        if (!too_large) body.append(data, size);
        return !too_large;
    });
    const std::string asked = target.substr(0, target.find('?'));
    if (too_large) {
        return core::failure("box.answer", "the box at " + socket_ + " answered " + asked +
                                               " with more than 32 MiB: this is not backplaned");
    }
    if (!answer) return no_answer(asked, patience, httplib::to_string(answer.error()));
    if (answer->status != 200) return refusal(socket_, asked, answer->status, body);
    return body;
}

core::Unexpected<core::Error> BoxClient::no_answer(const std::string& asked,
                                                   std::chrono::seconds patience,
                                                   const std::string& why) const {
    return unreachable(socket_,
                       "it accepts connections, but " + asked + " got no complete answer within " +
                           std::to_string(patience.count()) + " s (" + why + ")",
                       "try again, and look at \"journalctl -u backplaned\" if it stays so");
}

core::Result<std::string> BoxClient::post(const std::string& target, const std::string& body,
                                          const std::string& type,
                                          std::chrono::seconds patience) const {
    if (auto ok = reachable(); !ok) return core::Unexpected<core::Error>{ok.error()};
    httplib::Client client = client_of(socket_, patience);
    const auto answer = client.Post(target, k_headers, body, type);
    const std::string asked = target.substr(0, target.find('?'));
    if (!answer) return no_answer(asked, patience, httplib::to_string(answer.error()));
    if (answer->status != 200 && answer->status != 202)
        return refusal(socket_, asked, answer->status, answer->body);
    return answer->body;
}

core::Result<void> BoxClient::follow(
    const std::string& target, std::chrono::seconds silence,
    const std::function<bool(std::string_view kind, std::string_view data)>& event) const {
    if (auto ok = reachable(); !ok) return ok;
    httplib::Client client = client_of(socket_, silence);
    EventLines lines{event};
    int status = 0;
    const auto answer = client.Get(
        target, k_headers,
        [&](const httplib::Response& head) {
            status = head.status;
            return status == 200;
        },
        [&](const char* data, std::size_t size) {
            return lines.take({data, size});
        });
    if (lines.enough()) return {};
    const std::string asked = target.substr(0, target.find('?'));
    if (status != 200 && status != 0) return refusal(socket_, asked, status, "");
    return unreachable(socket_,
                       "the stream of events of " + asked + " has ended" +
                           (answer ? "" : " (" + httplib::to_string(answer.error()) + ")"),
                       "look at \"journalctl -u backplaned\"");
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
