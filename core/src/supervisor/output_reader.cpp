// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "supervisor/output_reader.hpp"

#include <array>
#include <cerrno>

#include <unistd.h>

namespace backplane::core {
namespace {
constexpr std::size_t k_line_bytes = 4096;
constexpr unsigned k_lines_per_second = 200;
constexpr std::size_t k_turn_bytes = std::size_t{16} << 10;
constexpr std::size_t k_bytes_per_second = std::size_t{1} << 20;
constexpr int k_last_turns = 8;
}  // namespace

OutputReader::OutputReader(boost::asio::io_context& loop, Fd pipe, OnLine on_line)
    : pipe_(loop, pipe.release()), pause_(loop), on_line_(std::move(on_line)) {
    pipe_.non_blocking(true);
}

void OutputReader::start() {
    wait();
}

void OutputReader::wait() {
    if (bytes_in_second_ >= k_bytes_per_second) {
        pause_.expires_at(byte_second_ + std::chrono::seconds{1});
        pause_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
            const auto self = weak.lock();
            if (!self || error || !self->pipe_.is_open()) return;
            self->bytes_in_second_ = 0;
            self->wait();
        });
        return;
    }
    pipe_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [weak = weak_from_this()](const boost::system::error_code& error) {
                         const auto self = weak.lock();
                         if (!self || error || !self->pipe_.is_open()) return;
                         if (self->read_some()) self->wait();
                     });
}

bool OutputReader::read_some() {
    std::array<char, k_turn_bytes> buffer{};
    const ssize_t got = ::read(pipe_.native_handle(), buffer.data(), buffer.size());
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    const auto now = std::chrono::steady_clock::now();
    if (now - byte_second_ >= std::chrono::seconds{1}) {
        byte_second_ = now;
        bytes_in_second_ = 0;
    }
    bytes_in_second_ += static_cast<std::size_t>(got);
    take({buffer.data(), static_cast<std::size_t>(got)});
    return true;
}

void OutputReader::take(std::string_view bytes) {
    for (const char c : bytes) {
        if (c == '\n') {
            say_line();
        } else if (line_.size() < k_line_bytes) {
            line_.push_back(c);
        } else {
            cut_ = true;
        }
    }
}

void OutputReader::say_line() {
    const auto now = std::chrono::steady_clock::now();
    if (now - second_ >= std::chrono::seconds{1}) {
        second_ = now;
        lines_in_second_ = 0;
    }
    if (lines_in_second_ < k_lines_per_second) {
        ++lines_in_second_;
        if (cut_) line_ += " […]";
        if (!line_.empty()) on_line_(line_, std::exchange(dropped_, 0));
    } else {
        ++dropped_;
    }
    line_.clear();
    cut_ = false;
}

void OutputReader::finish() {
    if (!pipe_.is_open()) return;
    pause_.cancel();
    for (int i = 0; i < k_last_turns; ++i) {
        std::array<char, k_turn_bytes> buffer{};
        const ssize_t got = ::read(pipe_.native_handle(), buffer.data(), buffer.size());
        if (got <= 0) break;
        take({buffer.data(), static_cast<std::size_t>(got)});
    }
    if (!line_.empty()) say_line();
    pipe_.close();
}

}  // namespace backplane::core
