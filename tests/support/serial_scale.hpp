// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A Toledo 8217 on a real pseudo terminal with the speed of its line, in a thread of its own, that can misbehave in
// every way that a real one, its cable and its neighbours can.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace backplane::tests {

class SerialScale {
public:
    /// `link` becomes a symbolic link to the terminal, as udev makes them for real ports.
    explicit SerialScale(std::filesystem::path link, double kilograms = 0.5);
    ~SerialScale();
    SerialScale(const SerialScale&) = delete;
    SerialScale& operator=(const SerialScale&) = delete;

    void set_weight(double kilograms);
    /// Answer W by "?" and this status byte; nothing = weights again.
    void set_status(std::optional<std::uint8_t> status);
    void switch_off();  ///< no answer to anything; its echo mode is forgotten
    void switch_on();
    void set_garbage(bool on);  ///< answers are bytes without sense
    void set_format(
        std::string frame);       ///< answers W by exactly these bytes; empty = its own format
    void unplug();                ///< the terminal hangs up, the link goes
    void unplug_within_answer();  ///< the same after half of the next answer
    void plug();

    std::uint64_t requests() const { return requests_; }  ///< W answered or not
    std::uint64_t bytes_received() const { return bytes_received_; }

private:
    void serve();
    void open_terminal();
    void close_terminal();
    void answer(const std::string& bytes);
    void take(char command);

    std::filesystem::path link_;
    mutable std::mutex mutex_;
    // guarded by mutex_
    double kilograms_;
    std::optional<std::uint8_t> status_;
    bool off_ = false;
    bool garbage_ = false;
    std::string format_;
    bool cut_next_ = false;
    bool echo_ = false;
    bool plugged_ = false;  ///< as asked for; the thread opens and closes
    // of the thread
    int master_ = -1;
    int slave_ = -1;

    int wake_[2] = {-1, -1};
    std::atomic<bool> open_{false};
    std::atomic<bool> stop_{false};
    std::atomic<std::uint64_t> requests_{0};
    std::atomic<std::uint64_t> bytes_received_{0};
    void wait_until_open(bool open);
    std::thread thread_;
};

}  // namespace backplane::tests
