// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Logs half a million lines a second.
#include "animal.hpp"

namespace {

struct FloodsLogs : zoo::Animal<FloodsLogs> {
    using Animal::Animal;
    void misbehave() {
        keep_on([](void* self, std::uint64_t) {
            for (int i = 0; i < 500; ++i)
                static_cast<FloodsLogs*>(self)->host_.say("and another line");
        });
    }
};

}  // namespace

KIT_PLUGIN(FloodsLogs);
