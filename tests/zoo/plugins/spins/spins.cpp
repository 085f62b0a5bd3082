// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Calculates for ever.
#include "animal.hpp"

namespace {

struct Spins : zoo::Animal<Spins> {
    using Animal::Animal;
    void misbehave() {
        for (volatile unsigned i = 0;; i = i + 1) {
        }
    }
};

}  // namespace

KIT_PLUGIN(Spins);
