// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Opens the real engine on what a power cut has left, and says what is wrong with it.
//
// Three questions of each state. Consistency: does it open without a repair, can everything be loaded that is named?
// Durability: is it the state after the last step that was reported as done, or after the one that was cut, whole? And
// does the interrupted update come to its end from here? The engine is deterministic, so what two disks have in common
// byte for byte is asked once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "crash/crash_states.hpp"
#include "crash/update_run.hpp"

namespace backplane::crash {

class Judge {
public:
    enum class Retry { yes, no };
    explicit Judge(const Publisher& publisher, Retry retry)
        : publisher_(publisher), retry_(retry) {}

    /// Nothing, or what is wrong: "consistency: …", "durability: …", "retry: …".
    std::optional<std::string> judge(const CrashState& state);

    std::size_t states() const { return recovered_.size(); }  ///< distinct ones
    std::size_t retries() const {
        return retried_.size();
    }  ///< from distinct states after recovery

private:
    struct Recovered {
        std::string problem, summary;
        std::uint64_t after = 0;  ///< hash of the disk
    };
    Recovered recover(const DiskImage& image, DiskImage* after) const;
    std::optional<std::string> retry(const DiskImage& image, std::size_t from) const;

    const Publisher& publisher_;
    Retry retry_;
    std::map<std::uint64_t, Recovered> recovered_;
    std::map<std::pair<std::uint64_t, std::size_t>, std::optional<std::string>> retried_;
};

}  // namespace backplane::crash
