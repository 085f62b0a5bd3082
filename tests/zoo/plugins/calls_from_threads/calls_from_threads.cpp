// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Calls functions of the driver thread from a thread of its own.
#include <thread>

#include "animal.hpp"

namespace {

struct CallsFromThreads : zoo::Animal<CallsFromThreads> {
    using Animal::Animal;
    void misbehave() {
        std::thread{[this] {
            host_.emit("weight", R"({"weight":66.6,"unit":"kg","condition":"ok"})");
            host_.device->report(host_.host, BP_DEVICE_FAILED,
                                 kit::str("said on the wrong thread"));
        }}.join();
    }
};

}  // namespace

KIT_PLUGIN(CallsFromThreads);
