// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Crashes in a constructor that runs while the library is loaded.
#include <csignal>

#include "animal.hpp"

namespace {

[[gnu::constructor]] void crash() {
    std::signal(SIGSEGV, SIG_DFL);
    std::raise(SIGSEGV);
}

struct SegfaultsOnLoad : zoo::Animal<SegfaultsOnLoad> {
    using Animal::Animal;
    void misbehave() {}
};

}  // namespace

KIT_PLUGIN(SegfaultsOnLoad);
