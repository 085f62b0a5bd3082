// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Lets a C++ exception out through the C boundary.
#include <stdexcept>

#include "animal.hpp"

namespace {

struct Throws : zoo::Animal<Throws> {
    using Animal::Animal;
    void misbehave() { throw std::runtime_error{"nobody should ever see this"}; }
};

}  // namespace

KIT_PLUGIN(Throws);
