// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Somebody who weighs all day, while plug-ins misbehave next door: puts a new weight on the scale, waits for it on the
// box's event stream, and so on, without a pause. Whatever the box did to this scale's readings shows as a gap.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>

#include "support/box_process.hpp"
#include "support/serial_scale.hpp"

namespace backplane::tests {

/// Processor time that a process has used so far.
std::chrono::milliseconds cpu_time_of(pid_t pid);
/// Resident memory in KiB; 0 when there is no such process.
std::size_t memory_of(pid_t pid);

class Witness {
public:
    /// The scale is ready. From now on nobody else sets its weight.
    Witness(const BoxProcess& box, SerialScale& scale, std::string identifier);
    ~Witness();
    Witness(const Witness&) = delete;
    Witness& operator=(const Witness&) = delete;

    /// Waits until so many more weights have come through.
    void weighs(unsigned times = 15);
    /// Ends it, and checks that nothing was ever amiss.
    void never_noticed();

    static constexpr std::chrono::milliseconds k_largest_gap{800};

private:
    void watch();
    void take(std::string_view line);
    void put_next_weight();

    const BoxProcess& box_;
    SerialScale& scale_;
    const std::string identifier_;
    const pid_t box_pid_;
    const json::object driver_before_;
    const std::size_t memory_before_;

    std::atomic<unsigned> rounds_{0};
    std::atomic<bool> stop_{false};
    // of the thread, and of whoever has joined it
    std::chrono::steady_clock::time_point put_at_{};
    std::chrono::milliseconds largest_gap_{0};
    int grams_ = 0, grams_before_ = 0;
    std::string wrong_;
    std::string rest_;
    std::thread thread_;
};

}  // namespace backplane::tests
