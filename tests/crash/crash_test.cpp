// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Every state that a power cut can leave of an update, with the real engine on each of them.
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <random>

#include "crash/judge.hpp"

namespace backplane::crash {
namespace {

/// Another one each time, told and taken back: BP_SEED=….
std::uint64_t seed() {
    const char* const given = std::getenv("BP_SEED");
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::cout << "BP_SEED=" << seed << '\n';
    return seed;
}

TEST(APowerCut, leaves_the_old_state_or_the_new_one_at_each_instant_of_an_update) {
    const Publisher publisher;
    const Recording recording = record_update(publisher);
    Judge judge{publisher, Judge::Retry::yes};
    std::size_t bad = 0;
    Enumeration how;
    how.seed = seed();
    for (const Model model : {Model::ordered, Model::weak}) {
        how.model = model;
        const auto began = std::chrono::steady_clock::now();
        std::size_t visited = 0;
        for_each_crash_state(recording, how, [&](const CrashState& state) {
            ++visited;
            const auto wrong = judge.judge(state);
            if (!wrong) return true;
            ADD_FAILURE() << *wrong << "\n" << state.text();
            return ++bad < 5;
        });
        std::cout << (model == Model::ordered ? "ordered: " : "weak: ") << visited
                  << " states made, " << judge.states() << " different ones so far, "
                  << judge.retries() << " retries, "
                  << std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::steady_clock::now() - began)
                         .count()
                  << " ms\n";
    }
    EXPECT_EQ(bad, 0u);
    EXPECT_GE(judge.states(), 20'000u) << "too few states to prove anything";
    EXPECT_GE(judge.retries(), update_steps().size());
}

}  // namespace
}  // namespace backplane::crash
