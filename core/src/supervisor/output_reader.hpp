// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a plug-in prints, line by line into the log. Bounded: 4096 bytes a line, 200 lines a second,
// 16 KiB a turn, 1 MiB a second. Who prints more than that has to wait, so that a plug-in that prints
// without end cannot keep us busy.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "backplane/core/fd.hpp"

namespace backplane::core {

class OutputReader : public std::enable_shared_from_this<OutputReader> {
public:
    /// `dropped`: how many lines were left out before this one.
    using OnLine = std::function<void(const std::string& line, std::uint64_t dropped)>;

    OutputReader(boost::asio::io_context& loop, Fd pipe, OnLine on_line);
    void start();
    /// Reads what is there, without waiting, says the unfinished line, and ends.
    void finish();

private:
    void wait();
    bool read_some();  // false: nothing more now, or the end
    void take(std::string_view bytes);
    void say_line();

    boost::asio::posix::stream_descriptor pipe_;
    boost::asio::steady_timer pause_;
    OnLine on_line_;
    std::string line_;
    bool cut_ = false;
    std::chrono::steady_clock::time_point second_{};
    unsigned lines_in_second_ = 0;
    std::chrono::steady_clock::time_point byte_second_{};
    std::size_t bytes_in_second_ = 0;
    std::uint64_t dropped_ = 0;
};

}  // namespace backplane::core
