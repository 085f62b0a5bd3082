// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Has a global object whose destructor ends the process by a signal.
#include <csignal>
#include <cstdlib>

#include "animal.hpp"

namespace {

struct Bomb {
    ~Bomb() {
        std::signal(SIGABRT, SIG_DFL);
        std::abort();
    }
} bomb;

struct CrashesAtExit : zoo::Animal<CrashesAtExit> {
    using Animal::Animal;
    void misbehave() {}
};

}  // namespace

KIT_PLUGIN(CrashesAtExit);
