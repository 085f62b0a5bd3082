// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Begins a probe and never says what came out.
#include "animal.hpp"

namespace {

struct NeverProbes : zoo::Animal<NeverProbes> {
    using Animal::Animal;
    void misbehave() {}
    bp_status probe() { return BP_OK; }
};

}  // namespace

KIT_PLUGIN(NeverProbes);
