// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Throws something that is no std::exception.
#include "animal.hpp"

namespace {

struct ThrowsAnInt : zoo::Animal<ThrowsAnInt> {
    using Animal::Animal;
    void misbehave() { throw 42; }
};

}  // namespace

KIT_PLUGIN(ThrowsAnInt);
