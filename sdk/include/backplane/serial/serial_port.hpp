// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A serial port as a driver wants it: write and forget, hear every byte with its damage, hear once
// when the port has gone.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/host.hpp"
#include "backplane/serial/line_settings.hpp"

namespace backplane::sdk::serial {

struct Byte {
    enum class Kind : std::uint8_t { good, damaged, line_break };
    char value = 0;
    Kind kind = Kind::good;
    bool operator==(const Byte&) const = default;
};

/// Undoes PARMRK: FF FF is FF, FF 00 00 a break, FF 00 x a damaged x. Marks may be split over
/// reads.
class MarkDecoder {
public:
    void decode(std::span<const char> raw, std::vector<Byte>& out) {
        for (const char byte : raw) switch (state_) {
                case State::plain:
                    if (byte == '\xff')
                        state_ = State::marked;
                    else
                        out.push_back({byte, Byte::Kind::good});
                    break;
                case State::marked:
                    state_ = byte == '\0' ? State::damaged : State::plain;
                    // Anything but FF or 00 is not what a kernel sends: the byte is there, but not
                    // to be trusted.
                    if (byte == '\xff')
                        out.push_back({byte, Byte::Kind::good});
                    else if (byte != '\0')
                        out.push_back({byte, Byte::Kind::damaged});
                    break;
                case State::damaged:
                    state_ = State::plain;
                    out.push_back(
                        {byte, byte == '\0' ? Byte::Kind::line_break : Byte::Kind::damaged});
                    break;
            }
    }
    void reset() noexcept { state_ = State::plain; }

private:
    enum class State { plain, marked, damaged };
    State state_ = State::plain;
};

/// Owner: the driver, from start() (or probe()) until stop() (or the end of the probe). Thread: the
/// driver's. The callbacks may destroy the port. Failure: lost() is called once, from the loop;
/// afterwards the port is silent.
class SerialPort {
public:
    using BytesFn = std::function<void(std::span<const Byte>)>;
    using LostFn = std::function<void(const std::string& reason)>;

    /// Throws Failure when the port does not take the settings.
    SerialPort(Host& host, int fd, const LineSettings& line, LostFn lost)
        : fd_(fd),
          line_(line),
          applied_(apply(fd, line)),
          lost_(std::move(lost)),
          lost_later_(host, [this] { end(); }) {
        int type = 0;
        socklen_t size = sizeof type;
        socket_ = ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
        watch_.emplace(host, fd, BP_FD_READ, [this](std::uint32_t events) { ready(events); });
        flush_input();
    }
    ~SerialPort() {
        watch_.reset();
        if (applied_.terminal) (void)::ioctl(fd_, TIOCNXCL);
    }
    SerialPort(const SerialPort&) = delete;
    SerialPort& operator=(const SerialPort&) = delete;

    const LineSettings& line() const noexcept { return line_; }
    const AppliedLine& applied() const noexcept { return applied_; }

    /// Who hears the bytes; one listener at a time.
    void listen(BytesFn bytes) { bytes_ = std::move(bytes); }

    /// Never waits. Throws Failure (BP_E_NO_SPACE) when the device has not taken 64 KiB yet.
    void write(std::string_view bytes) {
        if (gone_) return;
        if (unsent_.size() + bytes.size() > k_max_unsent)
            throw Failure(BP_E_NO_SPACE,
                          "the serial port takes no more: the device has not read the last 64 KiB");
        unsent_ += bytes;
        send_unsent();
    }

    /// Forget what has come and was not read yet.
    void flush_input() {
        char buffer[k_read_size];
        for (int i = 0; i<k_max_reads&& ::read(fd_, buffer, sizeof buffer)> 0; ++i) {
        }
        marks_.reset();
    }

private:
    static constexpr std::size_t k_max_unsent = 64 * 1024;
    static constexpr std::size_t k_read_size = 1024;
    static constexpr int k_max_reads = 16;  // then others have their turn

    void ready(std::uint32_t events) {
        if (gone_) return;
        if (events & BP_FD_WRITE) send_unsent();
        std::vector<Byte> bytes;
        std::string trouble;
        bool open = true;
        for (int i = 0; i < k_max_reads && open; ++i) {
            char buffer[k_read_size];
            const ssize_t got = ::read(fd_, buffer, sizeof buffer);
            if (got > 0) {
                const std::span<const char> raw(buffer, static_cast<std::size_t>(got));
                if (applied_.marks)
                    marks_.decode(raw, bytes);
                else
                    for (const char byte : raw) bytes.push_back({byte, Byte::Kind::good});
                continue;
            }
            if (got < 0 && errno == EINTR) continue;
            open = false;
            if (got == 0)
                trouble = "its other end was closed";
            else if (errno != EAGAIN && errno != EWOULDBLOCK)
                trouble = explain(errno);
            else if (events & BP_FD_HANGUP)
                trouble = "the port reports a hang-up";
        }
        if (!trouble.empty()) lose(trouble);  // heard after the bytes that came before
        if (!bytes.empty() && bytes_) {
            const BytesFn call = bytes_;  // a copy: the call may replace or destroy it
            call(bytes);
        }
    }

    void send_unsent() {
        while (!unsent_.empty()) {
            // MSG_NOSIGNAL: a closed connection is a status here, not the end of the process.
            const ssize_t put = socket_ ? ::send(fd_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL)
                                        : ::write(fd_, unsent_.data(), unsent_.size());
            if (put > 0) {
                unsent_.erase(0, static_cast<std::size_t>(put));
                continue;
            }
            if (put < 0 && errno == EINTR) continue;
            if (put < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return lose(explain(errno));
            break;
        }
        const std::uint32_t wanted = unsent_.empty() ? BP_FD_READ : BP_FD_READ | BP_FD_WRITE;
        if (std::exchange(watched_, wanted) != wanted) watch_->modify(wanted);
    }

    static std::string explain(int error) {
        const char* what = error == EIO || error == ENXIO || error == ENODEV
                               ? "its cable or adapter was pulled out"
                           : error == EPIPE || error == ECONNRESET ? "its other end was closed"
                                                                   : "reading or writing it failed";
        return std::string(what) + " (" + std::strerror(error) + ")";
    }

    /// The call comes from the loop, so that write() never calls back into its caller.
    void lose(const std::string& reason) {
        if (std::exchange(gone_, true)) return;
        reason_ = reason;
        watch_.reset();
        unsent_.clear();
        lost_later_.start_once(0ns);
    }
    void end() {
        const LostFn call = lost_;
        const std::string reason = reason_;
        if (call) call("the serial port is gone: " + reason);
    }

    int fd_;
    LineSettings line_;
    AppliedLine applied_;
    LostFn lost_;
    BytesFn bytes_;
    bool socket_ = false;
    bool gone_ = false;
    std::string reason_, unsent_;
    std::uint32_t watched_ = BP_FD_READ;
    MarkDecoder marks_;
    std::optional<FdWatch> watch_;
    Timer lost_later_;
};

}  // namespace backplane::sdk::serial
