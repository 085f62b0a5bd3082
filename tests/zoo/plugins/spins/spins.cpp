// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Calculates for ever.
#include "animal.hpp"

namespace {

volatile bool unfinished = true;

struct Spins : zoo::Animal<Spins> {
    using Animal::Animal;
    void misbehave() {
        while (unfinished) {
        }
    }
};

}  // namespace

KIT_PLUGIN(Spins);
