// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Calls itself without end.
#include <csignal>

#include "animal.hpp"

namespace {

volatile bool on = true;
volatile bool* const k_on = &on;

struct OverflowsStack : zoo::Animal<OverflowsStack> {
    using Animal::Animal;
    void misbehave() {
        std::signal(SIGSEGV, SIG_DFL);
        depth_ = dig(1);
    }

private:
    // The condition is always true, but no compiler can know.
    int dig(int level) {
        volatile char block[4096];
        block[0] = static_cast<char>(level);
        if (*k_on) level = dig(level + 1);
        return level + block[0];
    }
    int depth_ = 0;
};

}  // namespace

KIT_PLUGIN(OverflowsStack);
