// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Emits half a million events a second.
#include "animal.hpp"

namespace {

struct FloodsEvents : zoo::Animal<FloodsEvents> {
    using Animal::Animal;
    void misbehave() {
        keep_on([](void* self, std::uint64_t) {
            for (int i = 0; i < 500; ++i)
                static_cast<FloodsEvents*>(self)->host_.emit("noise", "{}");
        });
    }
};

}  // namespace

KIT_PLUGIN(FloodsEvents);
