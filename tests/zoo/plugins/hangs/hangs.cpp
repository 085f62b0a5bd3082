// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Waits for ever.
#include <unistd.h>

#include "animal.hpp"

namespace {

struct Hangs : zoo::Animal<Hangs> {
    using Animal::Animal;
    void misbehave() {
        for (;;) ::pause();
    }
};

}  // namespace

KIT_PLUGIN(Hangs);
