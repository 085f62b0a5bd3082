// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Ends itself by abort(), as a failed assertion does.
#include <csignal>
#include <cstdlib>

#include "animal.hpp"

namespace {

struct Aborts : zoo::Animal<Aborts> {
    using Animal::Animal;
    void misbehave() {
        std::signal(SIGABRT, SIG_DFL);
        std::abort();
    }
};

}  // namespace

KIT_PLUGIN(Aborts);
