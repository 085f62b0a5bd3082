// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Waits for ever in a constructor that runs while the library is loaded.
#include <unistd.h>

#include "animal.hpp"

namespace {

[[gnu::constructor]] void hang() {
    for (;;) ::pause();
}

struct HangsOnLoad : zoo::Animal<HangsOnLoad> {
    using Animal::Animal;
    void misbehave() {}
};

}  // namespace

KIT_PLUGIN(HangsOnLoad);
