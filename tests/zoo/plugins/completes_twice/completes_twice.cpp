// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Completes an action, and then once more with another result.
#include "animal.hpp"

namespace {

struct CompletesTwice : zoo::Animal<CompletesTwice> {
    using Animal::Animal;
    void misbehave() { host_.complete(action_, BP_OK, "\"first\""); }
};

}  // namespace

KIT_PLUGIN(CompletesTwice);
