// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Opens files until the system refuses, and closes none.
#include <fcntl.h>
#include <string>

#include "animal.hpp"

namespace {

struct LeaksFds : zoo::Animal<LeaksFds> {
    using Animal::Animal;
    void misbehave() {
        int count = 0;
        while (::open("/dev/null", O_RDONLY) >= 0) ++count;  // NOLINT: leaking is the point
        host_.emit("leaked", "{\"count\":" + std::to_string(count) + "}");
    }
};

}  // namespace

KIT_PLUGIN(LeaksFds);
